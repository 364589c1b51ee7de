"""Kernel density estimates: parity with scikit-learn and scipy, leave-one-out EM, conditionals, classes."""

import math
from itertools import pairwise

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.neighbors import KernelDensity as Peer
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.classical import KernelDensity, KernelSampler
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, NormalScores, RealColumn, Tabular

EDGES = (-5.0, -1.0, 0.0, 1.0, 5.0)


def scores_of(categories: int = 0, numbers: int = 2, missing: float = 0.0) -> NormalScores:
    words = [CategoryColumn(f"c{i}", ("x", "y", "z"), (0.0, 1.0, 2.0, 3.0)) for i in range(categories)]
    reals = [RealColumn(f"r{i}", EDGES, (missing, 1.0, 2.0, 2.0, 1.0)) for i in range(numbers)]
    return NormalScores(Tabular((*words, *reals)))


def encoded(codes: Tensor, scores: Tensor) -> Encoded:
    rows = torch.zeros(len(codes))
    return Encoded({"codes": codes, "scores": scores.float()}, rows, rows + codes.shape[1])


def numbers(z: Tensor) -> Encoded:
    return encoded(torch.ones(z.shape).long(), z)


def mixed(n: int, missing: float = 0.3) -> Encoded:
    """A category, and two numbers around a place that it has, of which some are missing; seed 1."""
    rng = Rng(1, n)
    word = 1 + rng.integers(3)
    exists = (rng.uniform(2) >= missing).long()
    z = (0.3 * rng.normal(2) + (word - 2.0)[:, None]) * exists
    word = torch.where(rng.uniform() < 0.1, 1 + rng.integers(3), word)
    return encoded(torch.cat([word[:, None], exists], 1), z)


def fit(model: KernelDensity, x: Encoded, rounds: int = 0, context: Context | None = None) -> list[float]:
    """Rounds of EM; returns the mean leave-one-out log p before each."""
    model.prepare(x, context, Rng(0, len(x)))
    trace = []
    for step in range(rounds):
        losses = model.losses(x, context, Rng(0, len(x)), "model")
        trace.append(-losses.total.mean().item())
        model.update_from_statistics(losses.statistics, step)
    return trace


def test_numbers_equal_scikit_learn_and_scipy() -> None:
    """One bandwidth in three dimensions; Scott's and Silverman's rules in one; to 1e-9."""
    z, new = Rng(0, 200).normal(3), Rng(1, 50).normal(3)
    model = KernelDensity(scores_of(0, 3))
    fit(model, numbers(z))
    model.kernel.widths.fill_(0.4)
    theirs = Peer(bandwidth=0.4, rtol=0).fit(z.double().numpy()).score_samples(new.double().numpy())
    np.testing.assert_allclose(model.log_prob(numbers(new), None, Rng(0, 50)).nats, theirs, rtol=0, atol=1e-9)
    for rule in ("scott", "silverman"):
        model = KernelDensity(scores_of(0, 1), bandwidth=rule)  # type: ignore[arg-type]
        fit(model, numbers(z[:, :1]), 2)
        peer = stats.gaussian_kde(z[:, 0].double().numpy(), rule).logpdf(new[:, 0].double().numpy())
        nats = model.log_prob(numbers(new[:, :1]), None, Rng(0, 50)).nats
        np.testing.assert_allclose(nats, peer, rtol=0, atol=1e-6)


def test_a_loss_is_the_density_without_the_row() -> None:
    x = mixed(40)
    model = KernelDensity(scores_of(1, missing=1.0))
    fit(model, x, 3)
    nll = model.losses(x, None, Rng(0, 40), "model").total
    for i in (0, 17, 39):
        others = torch.arange(40) != i
        rest = KernelDensity(scores_of(1, missing=1.0))
        fit(rest, encoded(x.x["codes"][others], x.x["scores"][others]))
        rest.kernel.widths.copy_(model.kernel.widths)
        rest.kernel.switch.copy_(model.kernel.switch)
        one = encoded(x.x["codes"][[i]], x.x["scores"][[i]])
        assert -rest.log_prob(one, None, Rng(0, 1)).nats.item() == pytest.approx(nll[i].item(), abs=1e-9)


def test_em_never_lowers_the_likelihood_of_rows_left_out() -> None:
    trace = fit(KernelDensity(scores_of(1, missing=1.0)), mixed(300), 20)
    assert all(after >= before - 1e-9 for before, after in pairwise(trace))
    assert trace[-1] > trace[0] + 0.05


def test_bandwidths_of_the_likelihood_are_its_maximum() -> None:
    """100 rounds on 100 rows: another factor of either bandwidth lowers the likelihood of rows left out."""
    x = mixed(100, missing=0.0)
    model = KernelDensity(scores_of(1))
    fit(model, x, 100)
    best = model.losses(x, None, Rng(0, 100), "model").total.mean().item()
    for buffer in (model.kernel.widths, model.kernel.switch[:1]):
        for factor in (0.9, 1.1):
            buffer.mul_(factor)
            assert model.losses(x, None, Rng(0, 100), "model").total.mean().item() > best - 1e-9
            buffer.div_(factor)


def test_the_density_of_a_mixed_row_integrates_to_one() -> None:
    """Over 3 categories, and missing or a number in 601 steps from -8 to 8."""
    model = KernelDensity(scores_of(1, 1, missing=1.0))
    x = mixed(60)
    fit(model, encoded(x.x["codes"][:, :2], x.x["scores"][:, :1]), 3)
    axis, total = torch.linspace(-8, 8, 601), 0.0
    for word in (1, 2, 3):
        codes = torch.tensor([[word, 1]]).expand(601, -1)
        p = model.log_prob(encoded(codes, axis[:, None]), None, Rng(0, 601)).nats.exp()
        gone = model.log_prob(encoded(torch.tensor([[word, 0]]), torch.zeros(1, 1)), None, Rng(0, 1)).nats
        total += torch.trapezoid(p, axis.double()).item() + gone.exp().item()
    assert total == pytest.approx(1, abs=1e-6)


def test_samples_have_the_moments_of_the_kernels() -> None:
    """n = 20,000, seed 2: fractions of categories and means of numbers within 4 standard errors."""
    model, n = KernelDensity(scores_of(1)), 20_000
    x = mixed(200, missing=0.0)
    fit(model, x, 5)
    drawn = model.default_sampler()(model, {"codes": (3,), "scores": (2,)}, None, Rng(2, n))
    own = torch.nn.functional.one_hot(x.x["codes"][:, 0], 4).double().mean(0)[1:]
    p = (1 - model.kernel.switch[0]) * own + model.kernel.switch[0] * (1 - own) / 2
    fraction = torch.bincount(drawn["codes"][:, 0], minlength=4)[1:] / n
    assert ((fraction - p).abs() < 4 * (p * (1 - p) / n).sqrt()).all()
    z = drawn["scores"].double()
    assert ((z.mean(0) - x.x["scores"].double().mean(0)).abs() < 4 * z.std(0) / math.sqrt(n)).all()
    variance = x.x["scores"].double().var(0, correction=0) + model.kernel.widths.square()
    assert (z.var(0) / variance - 1).abs().max() < 0.05


def test_given_cells_condition_the_others() -> None:
    """n = 20,000, seed 3: the mean of a number given a category is that of reweighted rows; kept cells."""
    model, n = KernelDensity(scores_of(1)), 20_000
    x = mixed(200, missing=0.0)
    fit(model, x, 5)
    cells = {"codes": torch.tensor([3, -1, 1]).expand(n, -1), "scores": torch.tensor([0, 0.7]).expand(n, -1)}
    context = Context(given=cells)
    drawn = KernelSampler()(model, {"codes": (3,), "scores": (2,)}, context, Rng(3, n))
    assert (drawn["codes"][:, 0] == 3).all() and (drawn["scores"][:, 1] == 0.7).all()
    weight = model.log_joint({name: value[:1] for name, value in cells.items()}, None).softmax(1)[0]
    expected, z = weight @ model.scores[:200, 0], drawn["scores"][:, 0].double()
    assert (z.mean() - expected).abs() < 4 * z.std() / math.sqrt(n)
    axis = torch.linspace(-6, 6, 601)
    row = encoded(
        torch.tensor([[3, 1, 1]]).expand(601, -1), torch.stack([axis, torch.full_like(axis, 0.7)], 1)
    )
    given = Context(given={name: value[:601] for name, value in cells.items()})
    p = model.log_prob(row, given, Rng(0, 601)).nats.exp()
    assert torch.trapezoid(p, axis.double()).item() == pytest.approx(1, abs=1e-6)


def test_equal_rows_among_others_have_their_own_density() -> None:
    """Different rows are evaluated once; the draws do not depend on how many are drawn at a time."""
    x = mixed(40)
    model = KernelDensity(scores_of(1, missing=0.3))
    fit(model, x, 2)
    rows = torch.tensor([3, 5, 3, 7, 5, 3])
    several = model.log_joint({name: values[rows] for name, values in x.x.items()}, None)
    single = [model.log_joint({name: values[i : i + 1] for name, values in x.x.items()}, None) for i in rows]
    torch.testing.assert_close(several, torch.cat(single), rtol=1e-12, atol=1e-12)


def test_classes_have_their_own_rows() -> None:
    x = mixed(100, missing=0.0)
    y = x.x["codes"][:, 0] - 1
    context = Context(vector=torch.nn.functional.one_hot(y, 3).float())
    model = KernelDensity(scores_of(1), classes=3)
    fit(model, x, 3, context)
    own = model.log_prob(x, context, Rng(0, 100)).nats
    parts = [
        model.log_prob(x, Context(vector=torch.eye(3)[c].expand(100, -1)), Rng(0, 100)).nats for c in range(3)
    ]
    prior = (torch.bincount(y, minlength=3) / 100).double().log()
    marginal = (torch.stack(parts, 1) + prior).logsumexp(1)
    torch.testing.assert_close(marginal, model.log_prob(x, None, Rng(0, 100)).nats, rtol=0, atol=1e-6)
    assert (own > model.log_prob(x, None, Rng(0, 100)).nats).double().mean() > 0.9


def test_rows_beyond_the_capacity_are_a_random_subset() -> None:
    x = numbers(torch.arange(300.0)[:, None] / 100)
    model = KernelDensity(scores_of(0, 1), capacity=50)
    fit(model, x, 1)
    kept = (model.scores[:, 0] * 100).round()
    assert kept.unique().numel() == 50 and 100 < kept.mean() < 200
    weight = model.losses(x, None, Rng(0, 300), "model").weight
    assert weight is not None and weight.sum() == 50


def test_equal_rows_and_constant_columns_have_a_floor() -> None:
    x = encoded(torch.ones(30, 3).long(), torch.full((30, 2), 0.5))
    model = KernelDensity(scores_of(1))
    fit(model, x, 5)
    assert model.log_prob(x, None, Rng(0, 30)).nats.isfinite().all()
    assert Model(model, scores_of(1)).sample(5).tensor.isfinite().all()


def test_bad_input_is_refused_in_one_line() -> None:
    for bad in ({"classes": -1}, {"capacity": 1}, {"floor": 0.0}):
        with pytest.raises(ConfigError, match="KernelDensity needs"):
            KernelDensity(scores_of(), **bad)  # type: ignore[arg-type]
    with pytest.raises(ConfigError, match="row 1, score 0 is nan"):
        KernelDensity(scores_of()).prepare(
            numbers(torch.tensor([[0.0, 1.0], [torch.nan, 0.0]])), None, Rng(0, 2)
        )
    with pytest.raises(ConfigError, match="a single row"):
        KernelDensity(scores_of()).prepare(numbers(torch.zeros(1, 2)), None, Rng(0, 1))
    with pytest.raises(ConfigError, match="width 2"):
        context = Context(vector=torch.zeros(5, 2))
        KernelDensity(scores_of(), classes=3).prepare(numbers(Rng(0, 5).normal(2)), context, Rng(0, 5))
