"""The learned variance of the reverse step: interpolated between its two bounds, and better than both."""

from itertools import pairwise

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import (
    DDPM,
    EDM,
    VP,
    BoundWeight,
    CosineAlphas,
    Diffusion,
    GaussianDecoder,
    LinearBetas,
    SubVP,
)
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like, sum_except_batch

CHAIN, STD = LinearBetas(1e-3, 0.1, 200), 0.6


class OptimalEps(nn.Module):
    """E[eps | x_t] for data ~ N(0, STD^2), and a variance fraction: the exact one (None) or a constant."""

    def __init__(self, fraction: float | None):
        super().__init__()
        self.fraction = fraction
        self.mean, self.learned = nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, x_t: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        t = (time_input * CHAIN.steps).round().long()
        alpha, sigma = (expand_like(level, x_t) for level in (CHAIN.alpha(t), CHAIN.sigma(t)))
        eps = sigma * x_t / ((alpha * STD).square() + sigma.square())
        fraction = self._exact(t, x_t) if self.fraction is None else torch.full_like(x_t, self.fraction)
        return torch.cat([eps + self.mean, 2 * fraction - 1 + self.learned], 1)

    def _exact(self, t: Tensor, x_t: Tensor) -> Tensor:
        """The fraction of the variance of p(x_s | x_t): posterior + (weight of x_0)^2 Var(x_0 | x_t)."""
        s = (t - 1).clamp_min(1)
        q, (alpha, sigma) = CHAIN.posterior(s, s + 1), CHAIN.alpha_sigma(s + 1)
        variance_x_0 = STD**2 * sigma.square() / ((alpha * STD).square() + sigma.square())
        variance = q.posterior + q.on_x_0.square() * variance_x_0.float()
        return expand_like((variance / q.posterior).log() / (q.beta / q.posterior).log(), x_t).expand_as(x_t)


def learned(fraction: float | None) -> Diffusion:
    return Diffusion(OptimalEps(fraction), CHAIN, GaussianDecoder(), variance="learned")


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


def test_fractions_0_and_1_are_the_posterior_variance_and_beta() -> None:
    q, ones = CHAIN.posterior(torch.tensor([3, 50]), torch.tensor([4, 60])), torch.ones(2, 5)
    assert torch.allclose(q.variance("learned", ones), q.variance("beta")[:, None].expand(2, 5))
    assert torch.allclose(q.variance("learned", 0 * ones), q.variance("posterior")[:, None].expand(2, 5))
    between = q.variance("learned", 0.5 * ones)
    assert torch.allclose(between.square(), (q.beta * q.posterior)[:, None].expand(2, 5))


def test_the_exact_variance_has_the_best_bound_and_none_exceeds_log_p() -> None:
    """n = 4000 rows of 3, seed 0, T = 200: constant fractions are worse by more than 4 standard errors."""
    x = STD * Rng(7, 4000).normal(3)
    log_p = sum_except_batch(gaussian_log_prob(x, 0.0, torch.tensor(STD).log()))
    gaps = {
        fraction: (log_p - learned(fraction).log_prob(encoded(x), None, Rng(0, 4000)).nats).double()
        for fraction in (None, 0.0, 1.0)
    }
    for gap in gaps.values():
        assert gap.mean() > -4 * gap.std() / 4000**0.5
    for fraction in (0.0, 1.0):
        difference = gaps[fraction] - gaps[None]
        assert difference.mean() > 4 * difference.std() / 4000**0.5


def test_the_terms_sum_to_the_bound() -> None:
    objective, x = learned(0.3), encoded(Rng(1, 6).normal(3))
    bound, likelihood = objective.bound(x.x, None, Rng(0, 6)), objective.log_prob(x, None, Rng(0, 6))
    assert torch.equal(bound.nats, likelihood.nats) and torch.equal(bound.stderr, likelihood.stderr)
    assert [start for start, size in bound.strata] == list(range(2, 201))
    assert bound.step_kl.shape == (199, 6) and (bound.step_kl >= 0).all()
    expected = bound.reconstruction.mean(0) - bound.step_kl.sum(0) - bound.prior_kl
    assert torch.allclose(likelihood.nats, expected)


def test_the_bound_trains_only_the_variance_and_the_error_only_the_mean() -> None:
    objective, x = learned(0.3), encoded(Rng(1, 64).normal(3))
    terms = objective.losses(x, None, Rng(0, 64), "model").terms
    network = objective.network
    bound_grad = torch.autograd.grad(
        terms["bound"].sum(), [network.mean, network.learned], retain_graph=True, allow_unused=True
    )
    error_grad = torch.autograd.grad(
        terms["simple"].sum(), [network.mean, network.learned], allow_unused=True
    )
    assert bound_grad[0] is None or bound_grad[0] == 0
    assert bound_grad[1] != 0 and error_grad[0] != 0
    assert error_grad[1] is None or error_grad[1] == 0


def variance_of_samples(fraction: float, steps: int) -> float:
    """The variance of DDPM's samples, by the recursion of its linear steps.

    var_s = (on_x_t + on_x_0 k_t)^2 var_t + beta^f posterior^(1 - f),   k_t = E[x_0 | x_t] / x_t
    """

    def gain(t: float) -> float:
        alpha, sigma = CHAIN.alpha_sigma(torch.tensor([t]))
        return float(alpha * STD**2 / ((alpha * STD).square() + sigma.square()))

    variance, grid = 1.0, DDPM(steps=steps).grid(CHAIN)
    for t, s in pairwise(map(int, grid[:-1])):
        q = CHAIN.posterior(torch.tensor([s]), torch.tensor([t]))
        noise = float(q.beta**fraction * q.posterior ** (1 - fraction))
        variance = float(q.on_x_t + q.on_x_0 * gain(t)) ** 2 * variance + noise
    return gain(int(grid[-2])) ** 2 * variance


@pytest.mark.parametrize("fraction", [0.0, 0.3, 0.5, 0.8, 1.0])
def test_ancestral_sampling_uses_the_learned_variance(fraction: float) -> None:
    """n = 60000, seed 2, 25 strided steps: the variance is that of this fraction (|z| < 4), of no other."""
    x = DDPM(steps=25, clip=None)(learned(fraction), (3,), None, Rng(2, 20_000))
    variance, error = x.double().var().item(), (2 / 60_000) ** 0.5
    assert abs(variance / variance_of_samples(fraction, 25) - 1) < 4 * error
    for other in {0.0, 0.3, 0.5, 0.8, 1.0} - {fraction}:
        assert abs(variance / variance_of_samples(other, 25) - 1) > 4 * error


def test_ancestral_sampling_with_the_exact_variance_has_the_variance_of_the_data() -> None:
    """n = 60000, seed 3, all 200 steps; the last step is a mean, which lacks Var(x_0 | x_1)."""
    x = DDPM(steps=None, clip=None)(learned(None), (3,), None, Rng(3, 20_000))
    alpha, sigma = (level.double() for level in CHAIN.alpha_sigma(torch.tensor([1])))
    expected = (alpha * STD**2).square() / ((alpha * STD).square() + sigma.square())
    assert abs(x.double().var() / expected - 1) < 4 * (2 / 60_000) ** 0.5


def test_a_learned_variance_requires_a_discrete_chain() -> None:
    with pytest.raises(ConfigError, match=r"requires a discrete chain, .* not EDM"):
        Diffusion(OptimalEps(0.5), EDM(), GaussianDecoder(), variance="learned")


@pytest.mark.parametrize("process", [VP(), SubVP()])
def test_the_continuous_bound_weight_is_the_derivative_of_the_snr(process) -> None:
    t, h = torch.linspace(0.05, 0.95, 19, dtype=torch.float64), 1e-5
    snr = lambda time: process.ratio(time).pow(-2)  # noqa: E731
    derivative = (snr(t - h) - snr(t + h)) / (2 * h) / 2
    assert torch.allclose(BoundWeight()(process, t), derivative.float(), rtol=1e-4)
    with pytest.raises(ConfigError, match="use EDMWeight"):
        BoundWeight()(EDM(), t)


def test_the_discrete_bound_weight_approaches_the_continuous_one() -> None:
    """The cosine schedule in 4000 steps, compared with the finite difference of its SNR."""
    chain, t = CosineAlphas(4000), torch.tensor([400, 1000, 2000, 3000])
    snr = chain.ratio(t).pow(-2)
    derivative = (chain.ratio(t - 1).pow(-2) - snr) * chain.steps / 2
    assert torch.allclose(BoundWeight()(chain, t), derivative.float(), rtol=0.02)
