"""Pictures: exact round trips, and the change of measure compared with brute force."""

import math

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.model import Model
from morphogen.numerics.distributions import discretized_log_mass, gaussian_cdf, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.representations.pixels import Dequantised, Logit, Pixels, Quantised

SHAPE = (1, 2, 3)


class ToyDensity(Objective):
    """N(0, 0.5^2) for every coordinate: a density whose mass on the grid is known."""

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        return Losses({"nll": -self.log_prob(x, context, rng).nats})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        return Likelihood(
            sum_except_batch(gaussian_log_prob(x.x, 0.0, math.log(0.5))), x.dims, "exact", "density"
        )

    def default_sampler(self) -> Sampler:
        raise NotImplementedError


def pictures(levels: int, n: int = 64) -> torch.Tensor:
    return Rng(0, n).integers(levels, *SHAPE).float() * (2 / (levels - 1)) - 1


@pytest.mark.parametrize("levels", [2, 17, 256])
@pytest.mark.parametrize("wrap", [lambda p: p, Quantised, Dequantised, lambda p: Logit(Dequantised(p), 0.05)])
def test_decode_inverts_encode(wrap, levels):
    representation, medium = wrap(Pixels(levels, SHAPE)), pictures(levels)
    encoded = representation.encode(medium, Rng(1, len(medium)))
    assert (representation.decode(encoded.x) - medium).abs().max() < 1e-6
    assert encoded.dims.tolist() == [6.0] * len(medium)


def test_logit_weight_is_the_log_determinant():
    representation = Logit(Dequantised(Pixels(17, SHAPE)), 0.05)
    inner = representation.inner.encode(pictures(17, 1), Rng(1, 1))

    def logit(y: torch.Tensor) -> torch.Tensor:
        s = 0.05 + 0.9 * (y + 1) / 2
        return (s / (1 - s)).log()

    jacobian = torch.autograd.functional.jacobian(logit, inner.x.flatten().double())
    outer = representation.encode(pictures(17, 1), Rng(1, 1))
    assert abs((outer.log_weight - inner.log_weight).item() - jacobian.slogdet()[1].item()) < 1e-5


def test_a_dequantised_density_bounds_the_mass_of_its_bin():
    """E_u log p(k + u) <= log P(k), and the mean density over u is P(k): n = 20,000, 5 standard errors."""
    levels, n = 5, 20_000
    model = Model(ToyDensity(), Dequantised(Pixels(levels, (1, 1, 1))))
    edges = torch.linspace(-1, 1, levels + 1).double()
    mass = gaussian_cdf(edges[1:] / 0.5) - gaussian_cdf(edges[:-1] / 0.5)
    for k in range(levels):
        medium = torch.full((n, 1, 1, 1), 2 * k / (levels - 1) - 1)
        measured = model.log_prob(medium, batch=n)
        assert (measured.kind, measured.measure) == ("lower_bound", "mass")
        assert measured.nats.mean() <= mass[k].log() + 5 * measured.nats.std() / math.sqrt(n)
        density = measured.nats.exp()
        assert abs(density.mean() - mass[k]) < 5 * density.std() / math.sqrt(n)


def test_a_density_on_the_grid_is_rejected_with_the_remedy():
    with pytest.raises(ConfigError, match="Dequantised"):
        Model(ToyDensity(), Pixels(17, SHAPE)).log_prob(pictures(17))


@pytest.mark.parametrize(
    ("convert", "found"), [(lambda g: g, "from 0 to 1"), (lambda g: 2 * g - 1, "between")]
)
@pytest.mark.parametrize("wrap", [Dequantised, lambda p: Logit(Dequantised(p), 0.05)])
def test_pictures_off_the_grid_have_no_probability(wrap, convert, found):
    """17 levels among 256: refused with an expression that, typed as it is, gives pictures on the grid."""
    model, of_17 = Model(ToyDensity(), wrap(Pixels(256, SHAPE))), (pictures(17) + 1) / 2
    x, on_grid = convert(of_17), (of_17 * 255).round() / 127.5 - 1
    with pytest.raises(ConfigError, match=f"pictures are {found}.*256 values .*: write ") as error:
        model.log_prob(x)
    converted = eval(str(error.value).split(": write ")[1], {"x": x})  # noqa: S307
    assert (converted - on_grid).abs().max() < 1e-6
    expected = model.log_prob(on_grid).nats
    assert torch.equal(model.log_prob(converted).nats, expected)
    model.log_prob(on_grid.half())  # rounding of 16-bit floats is no other picture
    assert (model.representation.encode(x, Rng(0, len(x))).dims == 6).all()  # training and edits take them


def test_a_medium_of_real_numbers_has_no_grid():
    real = Pixels(256, SHAPE)
    real.medium_discrete = real.discrete = False
    assert Model(ToyDensity(), real).log_prob(pictures(17) * 0.7).measure == "density"


@pytest.mark.parametrize("cdf", [gaussian_cdf, torch.sigmoid])
@pytest.mark.parametrize("levels", [2, 17, 256])
def test_discretised_masses_sum_to_one(cdf, levels):
    grid = torch.linspace(-1, 1, levels).double()
    for mean, log_scale in ((0.0, 0.0), (0.9, -3.0), (-2.0, -1.0)):
        mass = discretized_log_mass(
            grid, torch.tensor(mean).double(), torch.tensor(log_scale).double(), levels, cdf
        ).exp()
        assert abs(mass.sum() - 1) < 1e-6
