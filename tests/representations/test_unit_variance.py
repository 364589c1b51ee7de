"""UnitVariance: the scale is measured, densities change by it, and decoding undoes it."""

import math

import pytest
import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Dequantised, Logit, Pixels
from morphogen.representations.unit_variance import UnitVariance

PIXELS = Pixels(17, (1, 4, 4))


def pictures(n: int = 40) -> Tensor:
    return Rng(7, n).integers(17, 1, 4, 4).float() / 8 - 1


def scaled() -> UnitVariance:
    representation = UnitVariance(Logit(Dequantised(PIXELS)))
    representation.prepare(pictures(), Rng(0, 40))
    return representation


def test_x_has_variance_one_on_the_first_batch_and_decodes() -> None:
    representation, medium = scaled(), pictures()
    x = representation.encode(medium, Rng(0, 40).fork("scale")).x
    assert x.std().item() == pytest.approx(1.0, abs=1e-5)
    torch.testing.assert_close(representation.decode(x), medium)
    representation.shift.fill_(0.7)
    torch.testing.assert_close(representation.decode(representation.encode(medium, Rng(1, 40)).x), medium)


def test_densities_change_by_the_scale() -> None:
    """A density N(0, s^2) of z is N(0, 1) of x = z / s, so that log p of the medium is the same."""
    representation, medium, s = scaled(), pictures(), 1.7
    representation.scale.fill_(1 / s)
    z = representation.inner.encode(medium, Rng(1, 40))
    x = representation.encode(medium, Rng(1, 40))
    normal = torch.distributions.Normal(0.0, s).log_prob(z.x).sum((1, 2, 3)) + z.log_weight
    unit = torch.distributions.Normal(0.0, 1.0).log_prob(x.x).sum((1, 2, 3)) + x.log_weight
    torch.testing.assert_close(unit, normal)
    assert (x.log_weight - z.log_weight)[0].item() == pytest.approx(-16 * math.log(s), rel=1e-4)


def test_discrete_and_constant_x_are_refused() -> None:
    with pytest.raises(ConfigError, match="Pixels"):
        UnitVariance(PIXELS)
    constant = UnitVariance(Dequantised(PIXELS))
    constant.inner.encode = lambda medium, rng, measure=True: _Constant()
    with pytest.raises(ConfigError, match="constant"):
        constant.prepare(pictures(), Rng(0, 40))


class _Constant:
    x = torch.ones(40, 1, 4, 4)
