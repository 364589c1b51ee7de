"""Gaussian mixtures: EM increases the likelihood, statistics add up, likelihood and samples are exact."""

from itertools import pairwise
from pathlib import Path

import pytest
import torch
from sklearn.datasets import load_digits
from torch import Tensor

from morphogen.closed_form import GaussianMixture, ring
from morphogen.component import ConfigError
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, Context, Encoded
from morphogen.families.classical.mixture import Mixture
from morphogen.model import load, save
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.systems.mixture import mixture


def rows(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


def labels(y: Tensor, classes: int) -> Context:
    return Context(vector=torch.nn.functional.one_hot(y, classes).float())


def fit(model: Mixture, x: Tensor, steps: int, context: Context | None = None, seed: int = 0) -> list[float]:
    """Run EM on all rows; returns the mean nll before each step."""
    model.prepare(rows(x), context, Rng(seed, len(x), ("prepare",)))
    history = []
    for step in range(steps):
        losses = model.losses(rows(x), context, Rng(seed, len(x)), "model")
        model.update_from_statistics(losses.statistics, step)
        history.append(losses.total.mean().item())
    return history


def as_closed_form(model: Mixture) -> GaussianMixture:
    covariances = model.covariances if model.covariance == "full" else torch.diag_embed(model.covariances)
    return GaussianMixture(model.weights.sum(0), model.means, covariances)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_em_never_decreases_the_likelihood(covariance: str) -> None:
    x = torch.cat([Rng(0, 300).normal(3) * torch.tensor([1.0, 0.3, 2.0]), Rng(1, 200).normal(3) + 1])
    history = fit(Mixture(4, (3,), covariance=covariance, floor=1e-10), x, 30)  # type: ignore[arg-type]
    assert all(after <= before + 1e-9 for before, after in pairwise(history))
    assert history[-1] < history[0] - 0.01


def test_statistics_of_micro_batches_add_up() -> None:
    x, y = Rng(0, 90).normal(4), torch.arange(90) % 3
    model = Mixture(6, (4,), classes=3)
    fit(model, x, 2, labels(y, 3))
    full = model.losses(rows(x), labels(y, 3), Rng(0, 90), "model")
    parts = [
        model.losses(rows(x[i : i + 30]), labels(y[i : i + 30], 3), Rng(0, 30), "model") for i in (0, 30, 60)
    ]
    torch.testing.assert_close(torch.cat([p.terms["nll"] for p in parts]), full.terms["nll"])
    for name, total in full.statistics.items():
        torch.testing.assert_close(sum(p.statistics[name] for p in parts), total)


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_the_likelihood_equals_the_closed_form(covariance: str) -> None:
    x = ring().sample(Rng(0, 400))
    model = Mixture(5, (2,), covariance=covariance, floor=1e-3, prior=3.0)  # type: ignore[arg-type]
    fit(model, x, 5)
    likelihood = model.log_prob(rows(x), None, Rng(0, 400))
    torch.testing.assert_close(likelihood.nats, as_closed_form(model).log_prob(x), rtol=0, atol=1e-9)
    assert (likelihood.kind, likelihood.measure) == ("exact", "density")


def test_log_prob_is_differentiable_in_x() -> None:
    x = ring().sample(Rng(0, 400))
    model = Mixture(5, (2,))
    fit(model, x, 3)
    points = x[:9].double().requires_grad_()
    (gradient,) = torch.autograd.grad(model.log_prob(rows(points), None, Rng(0, 9)).nats.sum(), points)
    torch.testing.assert_close(gradient, as_closed_form(model).score(points.detach()), rtol=1e-8, atol=1e-8)


def test_em_fits_a_ring_of_gaussians() -> None:
    """4000 rows to fit, 20000 to test: within 0.02 nats (47 parameters cost 47 / 8000), not 4 sigma below."""
    truth = ring()
    model = Mixture(8, (2,), floor=1e-6)
    fit(model, truth.sample(Rng(0, 4000)), 10)
    x = truth.sample(Rng(1, 20_000))
    excess = truth.log_prob(x) - model.log_prob(rows(x), None, Rng(0, len(x))).nats
    assert -4 * excess.std() / len(x) ** 0.5 < excess.mean() < 0.02
    assert truth.responsibilities(model.means).argmax(1).unique().numel() == 8


def test_the_marginal_is_the_mixture_of_the_class_conditionals() -> None:
    """p(x) = sum_c p(c) p(x | c), and each class's distribution fits its own rows better."""
    y = (torch.arange(300) % 3 > 0).long()
    x = Rng(0, 300).normal(2) + 3.0 * y[:, None]
    model = Mixture(4, (2,), classes=2)
    fit(model, x, 5, labels(y, 2))
    both = [model.log_prob(rows(x), labels(torch.full_like(y, c), 2), Rng(0, 300)).nats for c in (0, 1)]
    prior = torch.tensor([1 / 3, 2 / 3], dtype=torch.float64).log()
    torch.testing.assert_close(model.weights.sum(1).log(), prior, atol=1e-9, rtol=0)
    torch.testing.assert_close(
        torch.logsumexp(torch.stack(both, 1) + prior, 1),
        model.log_prob(rows(x), None, Rng(0, 300)).nats,
        atol=1e-6,
        rtol=0,
    )
    assert (both[1] > both[0])[y == 1].double().mean() > 0.95
    assert (both[0] > both[1])[y == 0].double().mean() > 0.95


def test_rows_of_unknown_class_do_not_change_the_class_weights() -> None:
    y = (torch.arange(300) % 3 > 0).long()
    x = Rng(0, 300).normal(2) + 3.0 * y[:, None]
    model = Mixture(4, (2,), classes=2)
    fit(model, x, 30, labels(y, 2))
    before = model.weights.clone()
    model.update_from_statistics(model.losses(rows(x), None, Rng(0, 300), "model").statistics, 0)
    torch.testing.assert_close(model.weights, before, atol=0.02, rtol=0)


def test_an_online_step_averages_statistics_without_the_floor() -> None:
    """With rate 1/2, the moments are the mean of old and new ones; the floor does not accumulate."""
    x, y = Rng(0, 200).normal(2), 2 + Rng(1, 200).normal(2)
    model = Mixture(1, (2,), floor=0.5, rate=0.5)
    fit(model, x, 0)
    model.update_from_statistics(model.losses(rows(y), None, Rng(0, 200), "model").statistics, 0)
    all_rows = torch.cat([x, y]).double()
    torch.testing.assert_close(model.means[0], all_rows.mean(0))
    torch.testing.assert_close(
        model.covariances[0], all_rows.T.cov(correction=0) + 0.5 * torch.eye(2).double()
    )


def test_online_em_converges_to_em() -> None:
    """Batches of 100 of 2000 rows, rate 0.05, 300 steps: within 0.02 nats of EM on all rows."""
    x = ring().sample(Rng(0, 2000))
    em, online = Mixture(8, (2,), floor=1e-5), Mixture(8, (2,), floor=1e-5, rate=0.05)
    fit(em, x, 20)
    fit(online, x, 0)
    for step in range(300):
        batch = x[Rng(step, 100).integers(2000)]
        online.update_from_statistics(
            online.losses(rows(batch), None, Rng(step, 100), "model").statistics, step
        )
    ours, best = (m.log_prob(rows(x), None, Rng(0, 2000)).nats.mean() for m in (online, em))
    assert abs(ours - best) < 0.02


def test_a_component_of_few_rows_is_shrunk_to_the_pooled_covariance() -> None:
    """20 rows with one outlier, whose component would have the variance `floor` without the prior."""
    x = torch.cat([Rng(0, 19).normal(2), torch.full((1, 2), 50.0)])
    plain, shrunk = Mixture(2, (2,), floor=1e-6), Mixture(2, (2,), floor=1e-6, prior=5.0)
    for model in (plain, shrunk):
        fit(model, x, 5)
    outlier = plain.weights[0].argmin()
    assert plain.covariances[outlier].diagonal().max() < 1e-4
    pooled = (shrunk.weights[0][:, None, None] * shrunk.scatter).sum(0)
    torch.testing.assert_close(
        shrunk.covariances[shrunk.weights[0].argmin()], pooled * 5 / 6, rtol=1e-3, atol=1e-4
    )


def test_the_initialization_does_not_depend_on_the_row_order() -> None:
    x, order = ring().sample(Rng(0, 200)), torch.randperm(200, generator=torch.Generator().manual_seed(0))
    one, two = Mixture(8, (2,)), Mixture(8, (2,))
    one.prepare(rows(x), None, Rng(5, 200))
    two.prepare(rows(x[order]), None, Rng(5, order))
    torch.testing.assert_close(one.means, two.means)
    assert one.means.unique(dim=0).shape[0] == 8


def test_more_components_than_distinct_rows_stay_finite() -> None:
    model = Mixture(5, (2,), classes=2)
    fit(model, torch.ones(6, 2), 3, labels(torch.zeros(6).long(), 2))  # no row of class 1
    context = labels(torch.tensor([0, 1]), 2)
    near, far = (
        model.log_prob(rows(x), context, Rng(0, 2)).nats for x in (torch.ones(2, 2), torch.zeros(2, 2))
    )
    assert near.isfinite().all() and far.isfinite().all() and near[0] > far[0] + 10
    samples = model.default_sampler()(model, (2,), context, Rng(0, 2))
    assert samples.isfinite().all() and (samples[0] - 1).abs().max() < 0.2


@pytest.mark.parametrize("covariance", ["full", "diagonal"])
def test_samples_have_the_moments_of_the_model(covariance: str) -> None:
    """n = 40000, seed 3: every mean and covariance within 4 standard errors."""
    model, n = Mixture(3, (1, 1, 3), covariance=covariance), 40_000  # type: ignore[arg-type]
    fit(model, torch.cat([Rng(0, 300).normal(1, 1, 3) * 0.4, Rng(1, 200).normal(1, 1, 3).cumsum(-1) + 2]), 5)
    x, expected = model.default_sampler()(model, (1, 1, 3), None, Rng(3, n)), as_closed_form(model)
    assert x.dtype == torch.float32
    centred = x.flatten(1).double() - expected.mean
    products = torch.einsum("bd,be->bde", centred, centred)
    assert (centred.mean(0).abs() < 4 * centred.std(0) / n**0.5).all()
    assert ((products.mean(0) - expected.covariance).abs() < 4 * products.std(0) / n**0.5).all()


def digits() -> tuple[Tensor, Tensor]:
    source = load_digits()
    return (torch.tensor(source.images / 8 - 1).float()[:, None])[:400], torch.tensor(source.target)[:400]


def test_the_mixture_system_fits_digits_saves_and_loads(tmp_path: Path) -> None:
    """8 EM iterations on 400 digits: below 2.7 bits (uniform: 4.09); keyed samples; save and load."""
    x, y = digits()
    model, batch = mixture(Pixels(17, (1, 8, 8)), label=Classes(10), size="tiny"), Batch(x, {"label": y})
    model.prepare(batch, Rng(0, 400))
    for step in range(8):
        model.objective.update_from_statistics(model(batch, Rng(step, 400), "model").statistics, step)
    assert model.players() == {"model": []}
    likelihood = model.log_prob(x, y)
    assert likelihood.bits_per_dim.mean() < 2.7 and (likelihood.kind, likelihood.measure) == (
        "lower_bound",
        "mass",
    )
    assert model.log_prob(x, (y + 1) % 10).bits_per_dim.mean() > likelihood.bits_per_dim.mean() + 0.5

    few = model.sample(2, torch.tensor([3, 7]), indices=torch.tensor([5, 11]))
    many = model.sample(12, torch.tensor([0] * 5 + [3] * 6 + [7]), batch=7)
    torch.testing.assert_close(few.tensor, many.tensor[[5, 11]])
    save(model, tmp_path)
    loaded = load(tmp_path)
    assert torch.equal(loaded.log_prob(x, y).nats, likelihood.nats)
    assert torch.equal(
        loaded.sample(2, torch.tensor([3, 7])).tensor, model.sample(2, torch.tensor([3, 7])).tensor
    )


@pytest.mark.parametrize("shape", [(1, 28, 28), (3, 32, 32)])
def test_the_mixture_system_supports_larger_pictures(shape: tuple[int, int, int]) -> None:
    model, x = mixture(Pixels(256, shape), size="tiny"), Rng(0, 40).normal(*shape).tanh()
    model.prepare(Batch(x), Rng(0, 40))
    losses = model(Batch(x), Rng(0, 40), "model")
    model.objective.update_from_statistics(losses.statistics, 0)
    assert losses.total.shape == (40,) and model.sample(1).tensor.shape == (1, *shape)


def test_invalid_arguments_are_refused() -> None:
    for invalid in ({"components": 0}, {"floor": 0.0}, {"prior": -1.0}, {"rate": 0.0}):
        with pytest.raises(ConfigError, match="Mixture needs"):
            Mixture(**({"components": 2, "shape": (2,)} | invalid))  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="width 3"):
        Mixture(2, (2,), classes=2).log_prob(
            rows(torch.zeros(4, 2)), labels(torch.zeros(4).long(), 3), Rng(0, 4)
        )
