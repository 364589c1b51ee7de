"""Learned dequantisation noise: its density, the bound in closed form and against an entropy, the laws."""

import math

import pytest
import torch
from torch import Tensor

from morphogen.closed_form import DiscretizedMixture, GaussianMixture
from morphogen.component import ConfigError
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Context, Encoded, Likelihood, Losses, Objective, Representation, Sampler
from morphogen.families.flow import Flatten, Flow, NoiseFlow, SingleScale
from morphogen.model import Model
from morphogen.numerics.distributions import gaussian_cdf, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.plan import AdamW, Plan
from morphogen.representations.pixels import Dequantised, Logit, Pixels, VariationallyDequantised
from morphogen.systems.glow import glow
from morphogen.systems.realnvp import realnvp
from morphogen.testing import check_model
from morphogen.training.loop import train

SIGMA = 0.15


class NarrowGaussian(Objective):
    """N(0, SIGMA^2) for every coordinate: far from flat within bins of width 2 / 5."""

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        return Losses({"nll": -self.log_prob(x, context, rng).nats})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        log_p = gaussian_log_prob(x.x, 0.0, math.log(SIGMA))
        return Likelihood(sum_except_batch(log_p), x.dims, "exact", "density")

    def default_sampler(self) -> Sampler:
        raise NotImplementedError


def learned(pixels: Pixels, width: int = 16, couplings: int = 2) -> VariationallyDequantised:
    torch.manual_seed(0)
    return VariationallyDequantised(pixels, NoiseFlow(pixels.shape, width, couplings))


def perturbed(module: torch.nn.Module) -> None:
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.add_(0.3 * torch.randn(parameter.shape, generator=generator))


def pictures(levels: int, rows: int, shape: tuple[int, int, int]) -> Tensor:
    return Rng(0, rows).integers(levels, *shape).float() * (2 / (levels - 1)) - 1


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_noise_of_any_shape_stays_in_its_bin(levels: int) -> None:
    representation = learned(Pixels(levels, (2, 4, 3)))
    perturbed(representation)
    medium = pictures(levels, 500, (2, 4, 3))
    with torch.no_grad():
        assert (
            representation.decode(representation.encode(medium, Rng(1, 500)).x) - medium
        ).abs().max() < 1e-6


def test_untrained_noise_is_uniform() -> None:
    """Its log-density is 0, and n = 9,000 draws have the mean and the variance of U(0, 1) (4.5 errors)."""
    pixels = Pixels(17, (1, 3, 3))
    representation, medium = learned(pixels), pictures(17, 1000, (1, 3, 3))
    with torch.no_grad():
        u, log_q = representation.noise_of(medium, Rng(1, 1000))
        weights = [r.encode(medium, Rng(0, 1000)).log_weight for r in (representation, Dequantised(pixels))]
    assert log_q.abs().max() <= 1e-3 and torch.allclose(*weights, atol=1e-3)
    assert abs(u.mean() - 1 / 2) <= 4.5 * math.sqrt(1 / 12 / 9000)
    assert abs(u.var() - 1 / 12) <= 4.5 * math.sqrt(1 / 180 / 9000)


def test_the_density_of_the_noise_is_that_of_its_jacobian() -> None:
    representation = learned(Pixels(5, (1, 2, 2))).double()
    perturbed(representation)
    medium, eps = pictures(5, 1, (1, 2, 2)).double(), Rng(3, 1).normal(1, 2, 2).double()

    def noise(e: Tensor) -> Tensor:
        v, _ = representation.noise(e.reshape(1, 1, 2, 2), Context(spatial=medium))
        return gaussian_cdf(v).flatten()

    jacobian = torch.autograd.functional.jacobian(noise, eps.flatten())
    u, log_q = representation.noise_of(medium, Rng(3, 1))
    assert torch.allclose(u.flatten(), noise(eps), atol=1e-12)
    expected = gaussian_log_prob(eps).sum() - torch.linalg.slogdet(jacobian).logabsdet
    assert torch.allclose(log_q, expected, atol=1e-10)


def test_the_bound_closes_on_the_mass_of_each_bin() -> None:
    """One pixel under a fixed density of known mass: uniform noise loses up to 4 nats, trained noise 0.05.

    n = 400 draws per level; the standard error of a trained bound is below 0.012.
    """
    pixels, k = Pixels(5, (1, 1, 1)), torch.arange(5).repeat(400)
    medium, edges = (k[:, None, None, None] / 2 - 1).float(), torch.linspace(-1, 1, 6).double() / SIGMA
    mass = gaussian_cdf(edges[1:]) - gaussian_cdf(edges[:-1])

    def gaps(representation: Representation) -> Tensor:
        likelihood = Model(NarrowGaussian(), representation).log_prob(medium, batch=len(medium))
        assert (likelihood.kind, likelihood.measure) == ("lower_bound", "mass")
        return mass.log() - torch.stack([likelihood.nats[k == level].double().mean() for level in range(5)])

    model = Model(NarrowGaussian(), learned(pixels))
    optimizer = torch.optim.Adam(model.players()["model"], 3e-2)
    for step in range(120):
        loss = model(Batch(medium[:250]), Rng(step, 250), "model").total.mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    uniform, trained = gaps(Dequantised(pixels)), gaps(model.representation)
    assert (uniform[[0, 1, 3, 4]] > 1).all()
    assert (trained > -0.05).all() and (trained < 0.05).all()


def test_the_loss_of_learned_noise_is_minus_the_bound() -> None:
    """The term `encoding` is the change of measure; without parameters, a representation adds no term."""
    pixels = Pixels(17, (1, 4, 4))
    model = Model(NarrowGaussian(), Logit(learned(pixels)))
    batch = Batch(pictures(17, 6, (1, 4, 4)))
    losses = model(batch, Rng(4, 6), "model")
    assert set(losses.terms) == {"nll", "encoding"}
    assert torch.allclose(-losses.total, model.log_prob_batch(batch, Rng(4, 6)).nats, atol=1e-4)
    assert set(Model(NarrowGaussian(), Logit(Dequantised(pixels)))(batch, Rng(4, 6), "model").terms) == {
        "nll"
    }


@pytest.mark.slow
def test_learned_noise_is_closer_to_a_known_entropy() -> None:
    """Two pixels of 5 levels: E[log p* - bound] >= 0, and less than with uniform noise and the same flow.

    n = 4,000 fresh draws, seed 1; 4 standard errors of the mean and of the mean difference.
    """
    truth = DiscretizedMixture(
        GaussianMixture(
            torch.tensor([0.5, 0.3, 0.2], dtype=torch.float64),
            torch.tensor([[-0.5, -0.5], [0.5, 0.5], [0.0, 1.0]]).double(),
            0.01 * torch.eye(2).double().expand(3, 2, 2),
        ),
        5,
        (1, 1, 2),
    )
    pixels, fresh = Pixels(5, (1, 1, 2)), truth.sample(Rng(1, 4000))
    excess = {}
    for name, representation in (("uniform", Dequantised(pixels)), ("learned", learned(pixels))):
        torch.manual_seed(0)
        flow = Flow(Flatten(SingleScale(2, width=32, layers=1, couplings=6)))
        model = Model(flow, Logit(representation), plan=Plan(AdamW(5e-3), batch=128))
        train(model, Batch(truth.sample(Rng(0, 40_000))), steps=400)
        nats = model.log_prob(fresh, batch=4000).nats.double()
        excess[name] = truth.log_prob(fresh) - nats
    gain = excess["uniform"] - excess["learned"]
    error = 4 / math.sqrt(4000)
    assert excess["learned"].mean() > -error * excess["learned"].std()
    assert gain.mean() > error * gain.std()


@pytest.mark.parametrize("system", [pytest.param(glow, marks=pytest.mark.slow), realnvp])
def test_systems_with_learned_noise_keep_the_laws(system) -> None:  # type: ignore[no-untyped-def]
    pixels = Pixels(17, (1, 8, 8))
    batch = Batch(pictures(17, 12, (1, 8, 8)), {"label": Rng(0, 12).integers(10)})
    check_model(system(pixels, Classes(10), "tiny", dequantised=learned(pixels, 8)), batch)


def test_a_flow_without_couplings_is_refused() -> None:
    with pytest.raises(ConfigError, match="couplings=0: give at least 1, or use Dequantised"):
        NoiseFlow((1, 8, 8), couplings=0)
