"""Discrete diffusion where everything can be added up: chains of few steps over few symbols, and a Markov law whose denoiser is known."""

import itertools
import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError, build, describe
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import D3PM, Absorbing, Denoising, Uniform
from morphogen.numerics.randomness import Rng

V, N = 3, 3
FIRST = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
NEXT = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]], dtype=torch.float64)
ROWS = torch.tensor(list(itertools.product(range(V), repeat=N)))  # all texts
LAW = FIRST[ROWS[:, 0]] * NEXT[ROWS[:, 0], ROWS[:, 1]] * NEXT[ROWS[:, 1], ROWS[:, 2]]


def name(part: Any) -> str:
    return type(part).__name__


class Knows(nn.Module):
    """p(x_0 at each place | x_t) of the law, by adding up all texts."""

    def __init__(self, corruption: Any):
        super().__init__()
        self.corruption = corruption

    def forward(self, x_t: Tensor, told: Tensor, context: Context | None) -> Tensor:
        kept = self.corruption.kept[(told * self.corruption.steps).round().long()][:, None, None]
        same = ROWS[None] == x_t[:, None]  # [B, texts, N]
        each = kept * same + (1 - kept) * self.corruption.noise[x_t][:, None]
        joint = LAW * each.prod(2)  # p(text, x_t)
        found = torch.stack([(joint[:, :, None] * (v == ROWS)).sum(1) for v in range(V)], -1)
        return (found / found.sum(-1, keepdim=True)).clamp_min(1e-30).log().float()


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x.shape[1])))


def matrix(corruption: Any, t: int) -> Tensor:
    """Q of step t, written out: [S, S]."""
    r = corruption.kept[t] / corruption.kept[t - 1]
    s = len(corruption.noise)
    return r * torch.eye(s, dtype=torch.float64) + (1 - r) * corruption.noise.expand(s, s)


@pytest.mark.parametrize("corruption", [Uniform(V, 6), Absorbing(V, 6)], ids=name)
def test_a_step_back_is_that_of_the_matrices(corruption: Any) -> None:
    """q(x_s | x_t, x_0) of eq. 3, by products of Q, for neighbours and for strides."""
    s_values = len(corruption.noise)
    for t, s in [(4, 3), (6, 2), (3, 1), (2, 1)]:
        to_s, to_t = (_product(corruption, 0, s), _product(corruption, s, t))
        for x_t, x_0 in itertools.product(range(s_values), range(V)):
            law = to_t[:, x_t] * to_s[x_0]
            if law.sum() == 0:
                continue
            known = torch.eye(V, dtype=torch.float64)[x_0][None, None]
            found = corruption.back(torch.tensor([[x_t]]), known, torch.tensor([t]), torch.tensor([s]))
            assert torch.allclose(found[0, 0], law / law.sum(), atol=1e-9)


def _product(corruption: Any, first: int, last: int) -> Tensor:
    found = torch.eye(len(corruption.noise), dtype=torch.float64)
    for t in range(first + 1, last + 1):
        found = found @ matrix(corruption, t)
    return found


@pytest.mark.parametrize("corruption", [Uniform(V, 5), Absorbing(V, 5)], ids=name)
def test_symbols_are_corrupted_by_their_law(corruption: Any) -> None:
    """n = 20,000 of each symbol and step, seed 1: chi-square p > 1e-4."""
    for t, x_0 in itertools.product((1, 3, 5), range(V)):
        rows = 20_000
        x_t = corruption.corrupt(torch.full((rows, 1), x_0), torch.full((rows,), t), Rng(1, rows, (t, x_0)))
        counts = torch.bincount(x_t.flatten(), minlength=len(corruption.noise)).double()
        law = _product(corruption, 0, t)[x_0]
        assert counts[law < 1e-12].sum() == 0
        if (law > 1e-12).sum() > 1:
            assert stats.chisquare(counts[law > 1e-12].numpy(), (rows * law[law > 1e-12] / law.sum()).numpy()).pvalue > 1e-4


@pytest.mark.parametrize("corruption", [Uniform(V, 64), Absorbing(V, 64)], ids=name)
def test_the_bound_lies_below_log_p_and_near_it(corruption: Any) -> None:
    """On average over the law, with the network that knows it: below -entropy by at most 0.15 nats a text (what places at once cost)."""
    objective = D3PM(Knows(corruption), corruption, bound_steps=64)
    repeats = 60
    x = ROWS.repeat_interleave(repeats, 0)
    found = objective.log_prob(encoded(x), None, Rng(2, len(x)))
    bound = found.nats.double().reshape(len(ROWS), repeats)
    mean = float((LAW * bound.mean(1)).sum())
    error = float((LAW.square() * bound.var(1) / repeats).sum().sqrt())
    truth = float((LAW * LAW.log()).sum())
    assert found.kind == "lower_bound" and found.measure == "mass"
    assert truth - 0.15 < mean < truth + 4 * error
    assert found.stderr is not None and float(found.stderr.mean()) > 0


@pytest.mark.parametrize("corruption", [Uniform(V, 4), Absorbing(V, 4)], ids=name)
def test_the_masses_of_the_bound_add_up_to_at_most_one(corruption: Any) -> None:
    """An ignorant network: sum over all texts of exp(E bound) <= 1 and 4 standard errors, 4,000 draws a text, seed 3 (masked: it is 1)."""

    class Ignorant(nn.Module):
        def forward(self, x_t: Tensor, told: Tensor, context: Context | None) -> Tensor:
            return torch.tensor([0.5, 0.0, -0.5]).expand(*x_t.shape, V)

    x = ROWS.repeat_interleave(4000, 0)
    nats = D3PM(Ignorant(), corruption, bound_steps=4).log_prob(encoded(x), None, Rng(3, len(x))).nats
    bounds = nats.double().reshape(len(ROWS), -1)
    masses = bounds.mean(1).exp()
    error = float((masses.square() * bounds.var(1) / 4000).sum().sqrt())
    assert error < 0.02 and float(masses.sum()) <= 1 + 4 * error


@pytest.mark.parametrize("corruption", [Uniform(V, 64), Absorbing(V, 64)], ids=name)
def test_samples_have_the_law(corruption: Any) -> None:
    """n = 4,000, seed 4, 64 rounds: chi-square over all 27 texts, p > 1e-4, but for what drawing places at once changes."""
    x = Denoising()(D3PM(Knows(corruption), corruption), (N,), None, Rng(4, 4000))
    place = (x * torch.tensor([9, 3, 1])).sum(1)
    counts = torch.bincount(place, minlength=27).double()
    total = 0.5 * float((counts / 4000 - LAW).abs().sum())
    singles = torch.stack([torch.bincount(x[:, 0], minlength=V)]).double()[0]
    assert stats.chisquare(singles.numpy(), (4000 * FIRST).numpy()).pvalue > 1e-4
    assert total < 0.05  # 27 texts of 4,000 draws: 0.03 by chance alone


def test_a_mutant_that_does_not_divide_by_what_is_seen_draws_another_law() -> None:
    """Austin et al.'s eq. 4 of a network that says p(x_0 | x_t): the first symbol of uniform noise comes out wrong."""

    class Undivided(Uniform):
        def back(self, x_t: Tensor, x_0: Tensor, t: Tensor, s: Tensor) -> Tensor:
            seen = torch.where(F.one_hot(x_t, V).bool(), 1.0, 0.0) * self.kept[t][:, None, None] + (1 - self.kept[t])[:, None, None] / V
            return super().back(x_t, (x_0 * seen / (x_0 * seen).sum(-1, keepdim=True)).to(x_0.dtype), t, s)

    corruption = Undivided(V, 64)
    x = Denoising()(D3PM(Knows(corruption), corruption), (N,), None, Rng(4, 4000))
    counts = torch.bincount(x[:, 0], minlength=V).double()
    assert stats.chisquare(counts.numpy(), (4000 * FIRST).numpy()).pvalue < 1e-4


def test_the_loss_is_the_bound_a_symbol_on_average() -> None:
    """n = 30,000, seed 5: z < 4 between T KL_t at a random t and the sum over all t."""
    corruption = Absorbing(V, 8)
    objective = D3PM(Knows(corruption), corruption, auxiliary=0.0, bound_steps=8)
    x = ROWS[Rng(6, 30_000).categorical(LAW.log().expand(30_000, -1))]
    loss = objective.losses(encoded(x), None, Rng(5, 30_000), "model").terms["bound"].double() * N
    nats = -objective.log_prob(encoded(x), None, Rng(7, 30_000)).nats.double()
    z = (loss.mean() - nats.mean()) / math.sqrt(float(loss.var() + nats.var()) / 30_000)
    assert abs(float(z)) < 4


def test_what_stands_behind_the_end_counts_for_nothing() -> None:
    corruption = Absorbing(V, 4)
    objective = D3PM(Knows(corruption), corruption, bound_steps=4)
    x = torch.tensor([[0, 1, 2], [0, -1, -1]])
    whole = Encoded(x, torch.zeros(2), torch.tensor([3.0, 1.0]))
    losses = objective.losses(whole, None, Rng(0, 2), "model")
    assert losses.weight is not None and losses.weight.tolist() == [3.0, 1.0]
    assert torch.isfinite(losses.total).all() and torch.isfinite(objective.log_prob(whole, None, Rng(0, 2)).nats).all()


@pytest.mark.parametrize("steps", [1, 3, 8])
@pytest.mark.parametrize("corruption", [Uniform(V, 8), Absorbing(V, 8)], ids=name)
def test_few_rounds_draw_symbols_too_and_rows_do_not_see_each_other(corruption: Any, steps: int) -> None:
    objective, rng = D3PM(Knows(corruption), corruption), Rng(0, 6)
    whole = Denoising(steps)(objective, (N,), None, rng)
    assert whole.min() >= 0 and whole.max() < V
    assert torch.equal(Denoising(steps)(objective, (N,), None, rng[2:4]), whole[2:4])


@pytest.mark.parametrize("steps", [0, 9])
def test_rounds_that_are_none_are_refused(steps: int) -> None:
    corruption = Absorbing(V, 8)
    with pytest.raises(ConfigError, match=r"takes 1 \.\. 8"):
        Denoising(steps)(D3PM(Knows(corruption), corruption), (N,), None, Rng(0, 2))


@pytest.mark.parametrize("part", [Uniform(5, 9), Absorbing(5, 9), Denoising(3)], ids=name)
def test_parts_are_their_config(part: Any) -> None:
    assert describe(build(describe(part))) == describe(part)
