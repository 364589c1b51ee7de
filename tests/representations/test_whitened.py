"""Whitened: channels are uncorrelated, densities change by the determinant, and decoding undoes it."""

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Dequantised, Logit, Pixels
from morphogen.representations.whitened import Whitened

PIXELS = Pixels(17, (3, 4, 4))
N = 60


def pictures() -> Tensor:
    """Three channels, of which the last two differ little."""
    values = Rng(7, N).integers(17, 3, 4, 4)
    values[:, 2] = (values[:, 1] + values[:, 2] // 8).clamp(0, 16)
    return values.float() / 8 - 1


def whitened() -> Whitened:
    representation = Whitened(Logit(Dequantised(PIXELS)))
    representation.prepare(pictures(), Rng(0, N))
    return representation


def test_channels_are_uncorrelated_on_the_first_batch_and_decode() -> None:
    representation, medium = whitened(), pictures()
    x = representation.encode(medium, Rng(0, N).fork("scale")).x
    rows = x.movedim(1, -1).flatten(0, -2)
    torch.testing.assert_close(torch.cov(rows.T), torch.eye(3), atol=1e-4, rtol=0)
    torch.testing.assert_close(rows.mean(0), torch.zeros(3), atol=1e-5, rtol=0)
    torch.testing.assert_close(representation.decode(x), medium)


def test_densities_change_by_the_determinant() -> None:
    """N(m, C) of z is N(0, I) of x, so that log p of the medium is the same."""
    representation, medium = whitened(), pictures()
    z, x = (part.encode(medium, Rng(1, N)) for part in (representation.inner, representation))
    inverse = representation.inverse.double()
    normal = torch.distributions.MultivariateNormal(representation.mean.double(), inverse @ inverse.T)
    of_z = normal.log_prob(z.x.double().movedim(1, -1)).sum((1, 2)) + z.log_weight
    of_x = torch.distributions.Normal(0.0, 1.0).log_prob(x.x.double()).sum((1, 2, 3)) + x.log_weight
    torch.testing.assert_close(of_x, of_z, rtol=1e-4, atol=0)


def test_mixed_precision_of_a_training_keeps_x() -> None:
    representation, medium = whitened(), pictures()
    expected = representation.encode(medium, Rng(2, N)).x
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(representation.encode(medium, Rng(2, N)).x, expected)


def test_discrete_x_and_dependent_channels_are_refused() -> None:
    with pytest.raises(ConfigError, match="Pixels"):
        Whitened(PIXELS)
    dependent = Whitened(Dequantised(PIXELS))
    dependent.inner.encode = lambda medium, rng, measure=True: _Dependent()
    with pytest.raises(ConfigError, match="linear functions"):
        dependent.prepare(pictures(), Rng(0, N))


class _Dependent:
    x = Rng(3, N).normal(1, 4, 4).expand(N, 3, 4, 4)
