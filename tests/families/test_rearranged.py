"""Wrappers of bijections: they pass on the estimate of the log-determinant and the data-dependent start."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from morphogen.contract import Context
from morphogen.families.flow import (
    ActNorm,
    Bijection,
    Continuous,
    FactorOut,
    Flatten,
    Hutchinson,
    Inverse,
    Permuted,
    RungeKutta,
    Squeeze,
)
from morphogen.numerics.randomness import Rng

WRAPPERS: dict[str, Callable[[Bijection], Bijection]] = {
    "flatten": Flatten,
    "permuted": lambda inner: Flatten(Permuted(inner, tuple(range(16))[::-1])),
    "squeeze": Squeeze,
    "factor out": FactorOut,
    "inverse": Inverse,
}


class Velocity(nn.Module):
    """A rotation of the entries of each row, squashed: its trace differs from its estimates."""

    def forward(self, x: Tensor, t: Tensor, context: Context | None) -> Tensor:
        return (x.flatten(1).roll(1, 1) + 0.5 * x.flatten(1)).tanh().reshape(x.shape)


def continuous() -> Continuous:
    return Continuous(Velocity(), Hutchinson(64), RungeKutta(4), RungeKutta(4))


@pytest.mark.parametrize("name", WRAPPERS)
def test_wrappers_pass_on_the_estimate_of_their_bijection(name: str) -> None:
    """With 64 probes the estimate has a variance, and agrees with the exact trace within 5 of its errors."""
    wrapped, x = (
        WRAPPERS[name](continuous()),
        torch.randn(3, 4, 2, 2, generator=torch.Generator().manual_seed(0)),
    )
    z, exact = wrapped(x, None)
    again, log_det, variance = wrapped.estimate(x, None, Rng(0, 3))
    assert torch.allclose(again, z, atol=1e-6) and variance is not None
    assert not torch.equal(log_det, exact) and variance.min() > 0
    assert ((log_det - exact).abs() <= 5 * variance.sqrt()).all()
    assert (log_det * exact > 0).all()  # minus that of f in the inverse
    assert torch.allclose(wrapped.inverse(z, None), x, atol=1e-3)


@pytest.mark.parametrize(
    "wrap",
    [lambda f: Flatten(Permuted(f, (2, 0, 1, 3))), lambda f: Flatten(f), lambda f: FactorOut(Flatten(f))],
)
def test_wrappers_prepare_their_bijection(wrap: Callable[[Bijection], Bijection]) -> None:
    norm, x = ActNorm(4), 3 + 2 * torch.randn(64, 4, 1, 1, generator=torch.Generator().manual_seed(0))
    x = torch.cat([x, x], 1) if isinstance(wrap(norm), FactorOut) else x
    wrap(norm).prepare(x, None)
    assert (norm.shift + 3).abs().max() <= 1 and (norm.log_scale.exp() - 1 / 2).abs().max() <= 0.2
