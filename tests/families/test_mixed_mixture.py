"""Mixtures of mixed, incomplete data: parity with plain mixtures, marginals, conditionals, and EM."""

import itertools
import math

import pytest
import torch
from scipy import stats

from morphogen.contract import Context, Encoded
from morphogen.families.classical import MixedMixture, Mixture
from morphogen.families.classical.mixed_mixture import MixedMixtureSampler, _inverse_cdf
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, NormalScores, RealColumn, Tabular

EDGES = (-5.0, -1.0, 0.0, 1.0, 5.0)


def scores_of(categories: int = 0, numbers: int = 2, missing: float = 1.0) -> NormalScores:
    words = [CategoryColumn(f"c{i}", ("x", "y"), (1.0, 2.0, 3.0)) for i in range(categories)]
    reals = [RealColumn(f"r{i}", EDGES, (missing, 1.0, 2.0, 2.0, 1.0)) for i in range(numbers)]
    return NormalScores(Tabular((*words, *reals)))


def encoded(codes, scores) -> Encoded:
    rows = torch.zeros(len(codes))
    return Encoded({"codes": codes, "scores": scores}, rows, rows + codes.shape[1])


def fit(objective, x: Encoded, steps: int = 8) -> list[float]:
    """The mean log-likelihood after each step of EM."""
    objective.prepare(x, None, Rng(0, len(x)))
    trace = []
    for step in range(steps):
        losses = objective.losses(x, None, Rng(0, len(x)), "model")
        objective.update_from_statistics(losses.statistics, step)
        trace.append(-losses.total.mean().item())
    return trace


def mixed_rows(n: int) -> Encoded:
    """Two clusters of a category and two correlated numbers, of which 30 % are missing."""
    rng = Rng(1, n)
    cluster = rng.integers(2)
    z = rng.normal(2) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]]) + 3 * cluster[:, None]
    exists = (rng.uniform(2) > 0.3).long()
    codes = torch.cat([(1 + cluster)[:, None], exists], 1)
    return encoded(codes, z * exists)


def test_complete_numbers_are_a_plain_mixture():
    x = torch.cat([Rng(0, 200).normal(2), Rng(1, 200).normal(2) + 4])
    table = scores_of(missing=0.0)
    mixed, plain = MixedMixture(2, table, prior=3.0), Mixture(2, (2,), prior=3.0)
    fit(mixed, encoded(torch.ones(400, 2).long(), x))
    plain_x = Encoded(x, torch.zeros(400), torch.ones(400))
    fit(plain, plain_x)
    one = mixed.log_prob(encoded(torch.ones(400, 2).long(), x), None, Rng(0, 400)).nats
    torch.testing.assert_close(one, plain.log_prob(plain_x, None, Rng(0, 400)).nats, atol=1e-6, rtol=1e-6)


def test_em_never_lowers_the_likelihood_of_incomplete_rows():
    trace = fit(MixedMixture(3, scores_of(1)), mixed_rows(300), 25)
    assert all(after >= before - 2e-3 for before, after in itertools.pairwise(trace))  # the floor
    assert trace[-1] > trace[0] + 0.02


def test_means_and_covariances_are_recovered_from_incomplete_rows():
    """20,000 rows, one component: mean within 0.05 and correlation within 0.03 of the cluster's."""
    rng, n = Rng(5, 20_000), 20_000
    z = rng.normal(2) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]]) + torch.tensor([0.0, 1.0])
    exists = torch.stack(
        [torch.ones(n), (z[:, 0] < 0).float()], 1
    ).long()  # missing at random, given the first
    objective = MixedMixture(1, scores_of())
    fit(objective, encoded(exists, z * exists), 40)
    assert objective.means[0].tolist() == pytest.approx([0.0, 1.0], abs=0.05)  # the mean of those seen: 0.36
    assert objective.covariances[0, 0, 1].item() == pytest.approx(0.8, abs=0.03)


def test_a_missing_number_is_integrated_out():
    """Quadrature over one of two scores, 4001 points, equals the density without it."""
    objective = MixedMixture(2, scores_of(1))
    fit(objective, mixed_rows(300))
    grid = torch.linspace(-12, 15, 4001)
    both = encoded(
        torch.tensor([[1, 1, 1]]).expand(4001, -1), torch.stack([grid.new_full((4001,), 0.7), grid], 1)
    )
    joint = (objective.log_joint(both.x, None) - objective.log_codes()[:, [3 + 2 + 1]].T).exp()
    total = torch.trapezoid(joint, grid.double(), dim=0)
    one = {"codes": torch.tensor([[1, 1, -1]]), "scores": torch.tensor([[0.7, 0.0]])}
    torch.testing.assert_close(total, objective.log_joint(one, None).exp()[0], rtol=1e-4, atol=1e-8)


def test_given_cells_condition_the_others():
    """20,000 samples given one number: the other has the conditional Gaussian distribution (KS p > 0.01)."""
    objective = MixedMixture(1, scores_of(missing=0.0))
    z = Rng(0, 5000).normal(2) @ torch.tensor([[1.0, 0.8], [0.0, 0.6]])
    fit(objective, encoded(torch.ones(5000, 2).long(), z))
    n = 20_000
    cells = {"codes": torch.tensor([1, -1]).expand(n, -1), "scores": torch.tensor([1.5, 0.0]).expand(n, -1)}
    drawn = MixedMixtureSampler()(objective, {"codes": (2,), "scores": (2,)}, Context(given=cells), Rng(0, n))
    sigma, mean = objective.covariances[0], objective.means[0]
    gain = sigma[0, 1] / sigma[0, 0]
    expected = (mean[1] + gain * (1.5 - mean[0])).item()
    std = math.sqrt((sigma[1, 1] - gain * sigma[0, 1]).item())
    assert torch.equal(drawn["scores"][:, 0], torch.full((n,), 1.5))
    assert stats.kstest(drawn["scores"][:, 1].numpy(), "norm", (expected, std)).pvalue > 0.01


def test_the_likelihood_given_cells_is_the_ratio():
    objective = MixedMixture(2, scores_of(1))
    x = mixed_rows(300)
    fit(objective, x)
    given = {"codes": x.x["codes"].clone(), "scores": x.x["scores"]}
    given["codes"][:, 1:] = -1
    whole = objective.log_prob(x, None, Rng(0, 300)).nats
    rest = objective.log_prob(x, Context(given=given), Rng(0, 300)).nats
    torch.testing.assert_close(whole - rest, objective.log_joint(given, None).logsumexp(1))


def test_a_table_without_numbers_is_a_latent_class_model():
    table = scores_of(2, 0)
    codes = torch.cat([Rng(0, 50).integers(2, 1) + 1, Rng(0, 50).integers(2, 1) + 1], 1)
    objective = MixedMixture(2, table, prior=1.0)
    fit(objective, encoded(codes, torch.zeros(50, 0)))
    every = torch.cartesian_prod(torch.arange(3), torch.arange(3))
    nats = objective.log_prob(encoded(every, torch.zeros(9, 0)), None, Rng(0, 9)).nats
    assert nats.exp().sum().item() == pytest.approx(1, abs=1e-9)
    assert Model(objective, table).sample(20).tensor.shape == (20, 2)


def test_codes_are_drawn_by_the_distribution_of_each_row() -> None:
    """Equal to `Rng.categorical` of one distribution per row, code by code; a code of mass 0 is not drawn."""
    log_codes = torch.randn(7, 300, generator=torch.Generator().manual_seed(0)).double()
    log_codes[:, 0] = -torch.inf
    rng = Rng(0, 20_000)
    component, drawn = rng.integers(7), rng.fork("codes").categorical
    found = _inverse_cdf(log_codes, component, rng.fork("codes").uniform())
    assert torch.equal(found, drawn(log_codes[component])) and found.min() > 0
