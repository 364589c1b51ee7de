"""One guided prediction of MMPS and of DPS against the formulas of the papers, with dense matrices.

The Jacobian of a small nonlinear denoiser is a matrix, by forward differentiation, and the linear system is
solved directly: nothing is shared with the implementation but the denoiser and the operator.
"""

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.families.diffusion import DDIM, EDM, VP, Diffusion, GaussianDecoder, LinearBetas, RectifiedFlow
from morphogen.families.diffusion.operators import LinearOperator, parse_operator
from morphogen.families.diffusion.posterior_sampling import DPS, MMPS, Observation
from morphogen.numerics.randomness import Rng

SHAPE = (2, 4, 4)
D = 32


class Smooth(nn.Module):
    """A network whose Jacobian is symmetric, positive and depends on x: W^T tanh(W x)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(Rng(7, D, ("weight",)).normal(D).double() / 8)

    def forward(self, x: Tensor, t: Tensor, context: Any) -> Tensor:
        return (torch.tanh(x.flatten(1).double() @ self.weight.T) @ self.weight).view_as(x).to(x.dtype)


def dense(operator: LinearOperator) -> Tensor:
    """A as a matrix [m, d]."""
    return operator(torch.eye(D).view(D, *SHAPE)).flatten(1).T.double()


def jacobian(objective: Diffusion, x_t: Tensor, t: Tensor) -> Tensor:
    """dE[x_0 | x_t] / dx_t of one row [d, d]."""

    def x_0(row: Tensor) -> Tensor:
        return objective.predict(row.view(1, *SHAPE), t, None).x_0.flatten()

    return torch.func.jacfwd(x_0)(x_t.flatten()).double()


@pytest.fixture(autouse=True)
def double_precision() -> Iterator[None]:
    torch.set_default_dtype(torch.float64)
    yield
    torch.set_default_dtype(torch.float32)


@pytest.mark.parametrize("text", ["downsample:2", "blur:1+projection:6", "grey"])
@pytest.mark.parametrize(
    "process", [VP(), EDM(), RectifiedFlow(), LinearBetas(1e-3, 0.2, steps=100)], ids=repr
)
def test_a_guided_prediction_is_that_of_dense_matrices(process: Any, text: str) -> None:
    """Three rows, within 1e-5 relative to the largest shift."""
    operator, noise = parse_operator(text, SHAPE), 0.2
    objective = Diffusion(Smooth(), process, GaussianDecoder(), target="x0")
    x_t, y = (Rng(0, 3, ("x",)).normal(*s).double() for s in (SHAPE, operator.measured_shape))
    t = process.full_time(30 if isinstance(process, LinearBetas) else 0.6, x_t)
    observation = Observation(operator, y, noise)
    mmps = MMPS(DDIM(), observation, iterations=64).guide(objective, None).predict(x_t, t, None)
    dps = DPS(DDIM(), observation, scale=0.7).guide(objective, None).predict(x_t, t, None)
    alpha, sigma = (float(level[0]) for level in process.alpha_sigma(t))
    a = dense(operator)
    for i in range(3):
        x_0 = objective.predict(x_t[i : i + 1], t[:1], None).x_0.flatten().detach()
        j, residual = jacobian(objective, x_t[i], t[:1]), y[i].flatten() - a @ x_0
        v = sigma**2 / alpha * j.T
        gain = v @ a.T @ torch.linalg.inv(noise**2 * torch.eye(len(a)) + a @ v @ a.T)
        descent = -j.T @ a.T @ residual / residual.norm()  # grad |y - A E[x_0 | x_t]|
        along = -sigma / alpha * 0.7 * len(a) ** 0.5 * descent
        for guided, shift in ((mmps, gain @ residual), (dps, along)):
            assert (scale := shift.abs().max()) > 1e-3
            assert (guided.x_0[i].flatten() - x_0 - shift).abs().max() < 1e-5 * scale
            assert torch.allclose(alpha * guided.x_0[i] + sigma * guided.eps[i], x_t[i], atol=1e-9)
