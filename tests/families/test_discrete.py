"""Discrete diffusion tested by enumeration: few tokens, and Markov chain data with a known denoiser."""

import itertools
import math
from typing import Any

import pytest
import torch
from scipy import stats
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError, from_config, to_config
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import D3PM, AbsorbingNoise, D3PMSampler, UniformNoise
from morphogen.numerics.randomness import Rng

V, N = 3, 3
INITIAL = torch.tensor([0.6, 0.3, 0.1], dtype=torch.float64)
TRANSITION = torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.3, 0.6, 0.1]], dtype=torch.float64)
TEXTS = torch.tensor(list(itertools.product(range(V), repeat=N)))  # all texts
DATA = INITIAL[TEXTS[:, 0]] * TRANSITION[TEXTS[:, 0], TEXTS[:, 1]] * TRANSITION[TEXTS[:, 1], TEXTS[:, 2]]


def name(part: Any) -> str:
    return type(part).__name__


class ExactDenoiser(nn.Module):
    """The marginals p(x_0 | x_t) of every position, by a sum over all texts."""

    def __init__(self, corruption: Any):
        super().__init__()
        self.corruption = corruption

    def forward(self, x_t: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        t = (time_input * self.corruption.steps).round().long()
        keep = self.corruption.keep_probability[t][:, None, None]
        equal = TEXTS[None] == x_t[:, None]  # [B, texts, N]
        likelihood = keep * equal + (1 - keep) * self.corruption.noise[x_t][:, None]
        joint = DATA * likelihood.prod(2)  # p(text, x_t)
        marginals = torch.stack([(joint[:, :, None] * (v == TEXTS)).sum(1) for v in range(V)], -1)
        return (marginals / marginals.sum(-1, keepdim=True)).clamp_min(1e-30).log().float()


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x.shape[1])))


def matrix(corruption: Any, t: int) -> Tensor:
    """The transition matrix Q_t: [S, S]."""
    r = corruption.keep_probability[t] / corruption.keep_probability[t - 1]
    s = len(corruption.noise)
    return r * torch.eye(s, dtype=torch.float64) + (1 - r) * corruption.noise.expand(s, s)


@pytest.mark.parametrize("corruption", [UniformNoise(V, 6), AbsorbingNoise(V, 6)], ids=name)
def test_posterior_equals_the_products_of_transition_matrices(corruption: Any) -> None:
    """q(x_s | x_t, x_0) of equation 3, for single steps and for strides."""
    s_values = len(corruption.noise)
    for t, s in [(4, 3), (6, 2), (3, 1), (2, 1)]:
        to_s, to_t = (_product(corruption, 0, s), _product(corruption, s, t))
        for x_t, x_0 in itertools.product(range(s_values), range(V)):
            expected = to_t[:, x_t] * to_s[x_0]
            if expected.sum() == 0:
                continue
            one_hot = torch.eye(V, dtype=torch.float64)[x_0][None, None]
            q = corruption.posterior(torch.tensor([[x_t]]), one_hot, torch.tensor([t]), torch.tensor([s]))
            assert torch.allclose(q[0, 0], expected / expected.sum(), atol=1e-9)


def _product(corruption: Any, first: int, last: int) -> Tensor:
    product = torch.eye(len(corruption.noise), dtype=torch.float64)
    for t in range(first + 1, last + 1):
        product = product @ matrix(corruption, t)
    return product


@pytest.mark.parametrize("corruption", [UniformNoise(V, 5), AbsorbingNoise(V, 5)], ids=name)
def test_corrupt_samples_the_forward_distribution(corruption: Any) -> None:
    """n = 20,000 per token and step, seed 1: chi-square p > 1e-4."""
    for t, x_0 in itertools.product((1, 3, 5), range(V)):
        rows = 20_000
        x_t = corruption.corrupt(torch.full((rows, 1), x_0), torch.full((rows,), t), Rng(1, rows, (t, x_0)))
        counts = torch.bincount(x_t.flatten(), minlength=len(corruption.noise)).double()
        q = _product(corruption, 0, t)[x_0]
        possible = q > 1e-12
        assert counts[~possible].sum() == 0
        if possible.sum() > 1:
            expected = rows * q[possible] / q.sum()
            assert stats.chisquare(counts[possible].numpy(), expected.numpy()).pvalue > 1e-4


@pytest.mark.parametrize("corruption", [UniformNoise(V, 64), AbsorbingNoise(V, 64)], ids=name)
def test_the_bound_is_below_log_p_and_close_to_it(corruption: Any) -> None:
    """With the exact denoiser, the expected bound is at most 0.15 nats per text below -entropy.

    The gap is the cost of sampling all tokens in parallel.
    """
    objective = D3PM(ExactDenoiser(corruption), corruption, bound_steps=64)
    repeats = 60
    x = TEXTS.repeat_interleave(repeats, 0)
    likelihood = objective.log_prob(encoded(x), None, Rng(2, len(x)))
    bound = likelihood.nats.double().reshape(len(TEXTS), repeats)
    mean = float((DATA * bound.mean(1)).sum())
    error = float((DATA.square() * bound.var(1) / repeats).sum().sqrt())
    negative_entropy = float((DATA * DATA.log()).sum())
    assert likelihood.kind == "lower_bound" and likelihood.measure == "mass"
    assert negative_entropy - 0.15 < mean < negative_entropy + 4 * error
    assert likelihood.stderr is not None and float(likelihood.stderr.mean()) > 0


class Mild(UniformNoise):
    """Uniform noise of which a_T = 0.8: the chain ends in signal."""

    def __init__(self, vocabulary: int, steps: int):
        super().__init__(vocabulary, steps)
        self.keep_probability = torch.linspace(1, 0.8, steps + 1, dtype=torch.float64)


class OneToken(nn.Module):
    """p(x_0 | x_t) of texts of one token."""

    def __init__(self, corruption: Any):
        super().__init__()
        self.corruption = corruption

    def forward(self, x_t: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        t = (time_input * self.corruption.steps).round().long()
        keep = self.corruption.keep_probability[t][:, None, None]
        q = keep * F.one_hot(x_t, V) + (1 - keep) / V
        return (INITIAL * q).log().float()


def test_a_chain_that_ends_in_signal_pays_for_it() -> None:
    """One token, whose steps are exact: the bound is -H - KL(q(x_T) || pi), n = 30,000, seed 4, |z| < 4."""
    corruption = Mild(V, 4)
    x = torch.arange(V).repeat_interleave(10_000)[:, None]
    objective = D3PM(OneToken(corruption), corruption, bound_steps=4)
    bound = objective.log_prob(encoded(x), None, Rng(4, len(x))).nats.double().reshape(V, -1)
    q = 0.8 * INITIAL + 0.2 / V
    kl = float((q * (q * V).log()).sum())
    expected = float((INITIAL * INITIAL.log()).sum()) - kl
    error = float((INITIAL.square() * bound.var(1) / bound.shape[1]).sum().sqrt())
    assert 4 * error < kl / 4 and abs(float((INITIAL * bound.mean(1)).sum()) - expected) < 4 * error


@pytest.mark.parametrize("corruption", [UniformNoise(V, 4), AbsorbingNoise(V, 4)], ids=name)
def test_the_masses_of_the_bound_sum_to_at_most_one(corruption: Any) -> None:
    """A constant network: sum over all texts of exp(E bound) <= 1 + 4 standard errors (with a mask it is 1).

    4,000 draws per text, seed 3.
    """

    class Constant(nn.Module):
        def forward(self, x_t: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
            return torch.tensor([0.5, 0.0, -0.5]).expand(*x_t.shape, V)

    x = TEXTS.repeat_interleave(4000, 0)
    nats = D3PM(Constant(), corruption, bound_steps=4).log_prob(encoded(x), None, Rng(3, len(x))).nats
    bounds = nats.double().reshape(len(TEXTS), -1)
    masses = bounds.mean(1).exp()
    error = float((masses.square() * bounds.var(1) / 4000).sum().sqrt())
    assert error < 0.02 and float(masses.sum()) <= 1 + 4 * error


@pytest.mark.parametrize("corruption", [UniformNoise(V, 64), AbsorbingNoise(V, 64)], ids=name)
def test_samples_have_the_data_distribution(corruption: Any) -> None:
    """n = 4,000, seed 4, 64 steps: chi-square p > 1e-4 of the first token, total variation < 0.05.

    Sampling the tokens in parallel changes the joint distribution a little.
    """
    x = D3PMSampler()(D3PM(ExactDenoiser(corruption), corruption), (N,), None, Rng(4, 4000))
    indices = (x * torch.tensor([9, 3, 1])).sum(1)
    counts = torch.bincount(indices, minlength=27).double()
    total_variation = 0.5 * float((counts / 4000 - DATA).abs().sum())
    first_token = torch.bincount(x[:, 0], minlength=V).double()
    assert stats.chisquare(first_token.numpy(), (4000 * INITIAL).numpy()).pvalue > 1e-4
    assert total_variation < 0.05  # 27 texts and 4,000 draws: 0.03 by chance alone


def test_mutant_posterior_without_the_division_samples_another_distribution() -> None:
    """Equation 4 of Austin et al. with a network that predicts p(x_0 | x_t) fails the chi-square test."""

    class Undivided(UniformNoise):
        def posterior(self, x_t: Tensor, x_0: Tensor, t: Tensor, s: Tensor) -> Tensor:
            keep = self.keep_probability[t][:, None, None]
            product = x_0 * (keep * F.one_hot(x_t, V) + (1 - keep) / V)  # p(k) q(x_t | k)
            return super().posterior(x_t, (product / product.sum(-1, keepdim=True)).to(x_0.dtype), t, s)

    corruption = Undivided(V, 64)
    x = D3PMSampler()(D3PM(ExactDenoiser(corruption), corruption), (N,), None, Rng(4, 4000))
    counts = torch.bincount(x[:, 0], minlength=V).double()
    assert stats.chisquare(counts.numpy(), (4000 * INITIAL).numpy()).pvalue < 1e-4


def test_the_expected_loss_is_the_bound_per_token() -> None:
    """n = 30,000, seed 5: z < 4 between T KL_t at a random t and the sum over all t."""
    corruption = AbsorbingNoise(V, 8)
    objective = D3PM(ExactDenoiser(corruption), corruption, auxiliary_weight=0.0, bound_steps=8)
    x = TEXTS[Rng(6, 30_000).categorical(DATA.log().expand(30_000, -1))]
    loss = objective.losses(encoded(x), None, Rng(5, 30_000), "model").terms["bound"].double() * N
    nats = -objective.log_prob(encoded(x), None, Rng(7, 30_000)).nats.double()
    z = (loss.mean() - nats.mean()) / math.sqrt(float(loss.var() + nats.var()) / 30_000)
    assert abs(float(z)) < 4


def test_padding_does_not_contribute() -> None:
    corruption = AbsorbingNoise(V, 4)
    objective = D3PM(ExactDenoiser(corruption), corruption, bound_steps=4)
    x = torch.tensor([[0, 1, 2], [0, -1, -1]])
    padded = Encoded(x, torch.zeros(2), torch.tensor([3.0, 1.0]))
    losses = objective.losses(padded, None, Rng(0, 2), "model")
    assert losses.weight is not None and losses.weight.tolist() == [3.0, 1.0]
    assert torch.isfinite(losses.total).all()
    assert torch.isfinite(objective.log_prob(padded, None, Rng(0, 2)).nats).all()


@pytest.mark.parametrize("steps", [1, 3, 8])
@pytest.mark.parametrize("corruption", [UniformNoise(V, 8), AbsorbingNoise(V, 8)], ids=name)
def test_few_steps_sample_tokens_and_rows_are_independent(corruption: Any, steps: int) -> None:
    objective, rng = D3PM(ExactDenoiser(corruption), corruption), Rng(0, 6)
    batch = D3PMSampler(steps)(objective, (N,), None, rng)
    assert batch.min() >= 0 and batch.max() < V
    assert torch.equal(D3PMSampler(steps)(objective, (N,), None, rng[2:4]), batch[2:4])


@pytest.mark.parametrize("steps", [0, 9])
def test_invalid_steps_are_rejected(steps: int) -> None:
    corruption = AbsorbingNoise(V, 8)
    with pytest.raises(ConfigError, match=r"steps must be 1 \.\. 8"):
        D3PMSampler(steps)(D3PM(ExactDenoiser(corruption), corruption), (N,), None, Rng(0, 2))


@pytest.mark.parametrize("part", [UniformNoise(5, 9), AbsorbingNoise(5, 9), D3PMSampler(3)], ids=name)
def test_config_round_trip(part: Any) -> None:
    assert to_config(from_config(to_config(part))) == to_config(part)
