"""Mixtures of factor analysers: exact density, monotone EM, samples, micro-batches, bad input."""

from itertools import pairwise

import pytest
import torch

from morphogen.closed_form import GaussianMixture, ring
from morphogen.component import ConfigError
from morphogen.contract import Batch, Encoded
from morphogen.families.classical import FactorMixture, Mixture
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.mixture import mixture
from morphogen.training import train


def rows(x: torch.Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


def two_planes(n: int = 400) -> torch.Tensor:
    """Two clusters of 6 numbers that vary in two directions each, and noise."""
    rng = Rng(0, n)
    weight = Rng(1, 2).normal(2, 6)
    which = rng.fork("which").integers(2)
    z = torch.einsum("bq,bqd->bd", rng.normal(2), weight[which])
    return z + 0.3 * rng.normal(6) + 4.0 * which[:, None]


def fit(model: Mixture, x: torch.Tensor, steps: int = 20) -> list[float]:
    model.prepare(rows(x), None, Rng(0, len(x)))
    trace = []
    for step in range(steps):
        losses = model.losses(rows(x), None, Rng(0, len(x)), "model")
        trace.append(-losses.total.mean().item())
        model.update_from_statistics(losses.statistics, step)
    return trace


def test_em_never_decreases_the_likelihood() -> None:
    trace = fit(FactorMixture(2, (6,), rank=2, floor=1e-6), two_planes(), 40)
    assert all(after >= before - 1e-9 for before, after in pairwise(trace))
    assert trace[-1] > trace[0] + 0.1


def test_the_likelihood_is_that_of_the_low_rank_covariance() -> None:
    x, model = two_planes(), FactorMixture(2, (6,), rank=2)
    fit(model, x, 5)
    truth = GaussianMixture(model.weights.sum(0), model.means, model.covariances)
    torch.testing.assert_close(model.log_prob(rows(x), None, Rng(0, 400)).nats, truth.log_prob(x))
    scales = model.scales()
    torch.testing.assert_close(scales @ scales.mT, model.covariances)


def test_statistics_of_micro_batches_add_up() -> None:
    x, model = two_planes(), FactorMixture(2, (6,), rank=2)
    fit(model, x, 2)
    full = model.losses(rows(x), None, Rng(0, 400), "model").statistics
    parts = [model.losses(rows(part), None, Rng(0, len(part)), "model").statistics for part in x.split(150)]
    for name, total in full.items():
        torch.testing.assert_close(sum(part[name] for part in parts), total)


def test_samples_have_the_moments_of_the_model() -> None:
    """n = 40,000, seed 3: every mean and covariance within 4.5 standard errors."""
    model, n = FactorMixture(2, (6,), rank=2), 40_000
    fit(model, two_planes(), 10)
    x = model.default_sampler()(model, (6,), None, Rng(3, n)).double()
    truth = GaussianMixture(model.weights.sum(0), model.means, model.covariances)
    products = torch.einsum("bd,be->bde", x - truth.mean, x - truth.mean)
    assert ((x.mean(0) - truth.mean).abs() < 4.5 * x.std(0) / n**0.5).all()
    assert ((products.mean(0) - truth.covariance).abs() < 4.5 * products.std(0) / n**0.5).all()


def test_tied_covariances_fit_a_ring_of_equal_gaussians() -> None:
    """4,000 rows to fit, 20,000 to test: within 0.02 nats, and not 4 standard errors below."""
    truth, model = ring(), Mixture(8, (2,), covariance="tied", floor=1e-6)
    fit(model, truth.sample(Rng(0, 4000)), 10)
    x = truth.sample(Rng(1, 20_000))
    excess = truth.log_prob(x) - model.log_prob(rows(x), None, Rng(0, len(x))).nats
    assert -4 * excess.std() / len(x) ** 0.5 < excess.mean() < 0.02
    drawn = model.default_sampler()(model, (2,), None, Rng(2, 1000))
    assert truth.log_prob(drawn).mean() > -truth.entropy().nats - 0.2


def test_constant_and_duplicate_columns_have_a_floor() -> None:
    x = torch.cat([Rng(0, 100).normal(1).expand(-1, 2), torch.ones(100, 1)], 1)
    for model in (
        FactorMixture(2, (3,), rank=1),
        *(Mixture(2, (3,), covariance=kind) for kind in ("full", "tied", "diagonal")),  # type: ignore[arg-type]
    ):
        fit(model, x, 5)
        assert model.log_prob(rows(x), None, Rng(0, 100)).nats.isfinite().all()


def test_bad_input_is_refused_in_one_line() -> None:
    for rank in (0, 3):
        with pytest.raises(ConfigError, match=f"rank={rank} must be from 1 to 2"):
            FactorMixture(2, (3,), rank=rank)
    x = torch.zeros(4, 2)
    x[2, 1] = torch.nan
    with pytest.raises(ConfigError, match="row 2, column 1 is nan"):
        Mixture(2, (2,)).prepare(rows(x), None, Rng(0, 4))


def test_the_system_of_large_pictures_has_low_rank_and_beats_a_diagonal_covariance() -> None:
    """Pictures of 1,089 numbers with four directions of variation, 300 to fit and 100 held out (seed 0)."""
    shape, rng, directions = (1, 33, 33), Rng(0, 400), Rng(1, 4).normal(1, 33, 33)
    levels = (128 + 30 * torch.einsum("bq,qchw->bchw", rng.normal(4), directions)).clamp(0, 255).round()
    pictures = levels / 127.5 - 1
    model = mixture(Pixels(256, shape), size="tiny")
    assert isinstance(model.objective, FactorMixture)
    assert not isinstance(mixture(Pixels(256, (1, 32, 32)), size="tiny").objective, FactorMixture)
    train(model, Batch(pictures[:300]), steps=8)
    low = model.log_prob(pictures[300:]).nats.mean()
    model.objective = Mixture(10, shape, covariance="diagonal")
    train(model, Batch(pictures[:300]), steps=8)
    assert low > model.log_prob(pictures[300:]).nats.mean() + 100


def test_samples_have_the_covariance_of_their_component() -> None:
    """Equal, to rounding, to the noise times [W, Psi^(1/2)], of which a sample takes d + q numbers."""
    x, model = two_planes(), FactorMixture(2, (6,), rank=2)
    fit(model, x, 5)
    component, eps = Rng(4, 50).integers(2), Rng(3, 50).normal(8).double()
    expected = torch.einsum("bdn,bn->bd", model.scales()[component], eps)
    torch.testing.assert_close(model.deviations(component, Rng(3, 50)), expected)
