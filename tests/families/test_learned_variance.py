"""A step's variance between its two bounds: where the network says, learned by the bound, and better than both."""

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.diffusion import DDPM, EDM, VP, BoundWeight, CosineAlphas, Diffusion, GaussianReadout, LinearBetas, SubVP
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like, sum_rows

CHAIN, SPREAD = LinearBetas(1e-3, 0.1, 200), 0.6


class Says(nn.Module):
    """E[eps | x_t] for data ~ N(0, spread^2), and a share: the right one (None) or the same everywhere."""

    def __init__(self, share: float | None):
        super().__init__()
        self.share, self.mean, self.learned = share, nn.Parameter(torch.zeros(())), nn.Parameter(torch.zeros(()))

    def forward(self, x_t: Tensor, told: Tensor, context: Context | None) -> Tensor:
        t = (told * CHAIN.steps).round().long()
        alpha, sigma = (expand_like(level, x_t) for level in (CHAIN.alpha(t), CHAIN.sigma(t)))
        eps = sigma * x_t / ((alpha * SPREAD).square() + sigma.square())
        share = self._right(t, x_t) if self.share is None else torch.full_like(x_t, self.share)
        return torch.cat([eps + self.mean, 2 * share - 1 + self.learned], 1)

    def _right(self, t: Tensor, x_t: Tensor) -> Tensor:
        """Of the variance of p(x_s | x_t) itself: posterior + (weight of x_0)^2 Var(x_0 | x_t)."""
        s = (t - 1).clamp_min(1)
        q, (alpha, sigma) = CHAIN.posterior(s, s + 1), CHAIN.levels(s + 1)
        spread = SPREAD**2 * sigma.square() / ((alpha * SPREAD).square() + sigma.square())
        variance = q.posterior + q.on_x_0.square() * spread.float()
        return expand_like((variance / q.posterior).log() / (q.beta / q.posterior).log(), x_t).expand_as(x_t)


def learned(share: float | None) -> Diffusion:
    return Diffusion(Says(share), CHAIN, GaussianReadout(), variance="learned")


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), float(x[0].numel())))


def test_the_ends_are_the_two_that_are_known() -> None:
    q, share = CHAIN.posterior(torch.tensor([3, 50]), torch.tensor([4, 60])), torch.ones(2, 5)
    assert torch.allclose(q.variance("learned", share), q.variance("beta")[:, None].expand(2, 5))
    assert torch.allclose(q.variance("learned", 0 * share), q.variance("posterior")[:, None].expand(2, 5))
    between = q.variance("learned", 0.5 * share)
    assert torch.allclose(between.square(), (q.beta * q.posterior)[:, None].expand(2, 5))


def test_the_right_share_has_the_best_bound_and_none_exceeds_log_p() -> None:
    """n = 4000 rows of 3, seed 0, T = 200: means with their standard errors; the fixed shares lose by more than 4 of them."""
    x = SPREAD * Rng(7, 4000).normal(3)
    truth = sum_rows(gaussian_log_prob(x, 0.0, torch.tensor(SPREAD).log()))
    gap = {share: (truth - learned(share).log_prob(encoded(x), None, Rng(0, 4000)).nats).double() for share in (None, 0.0, 1.0)}
    error = {share: loss.std() / 4000**0.5 for share, loss in gap.items()}
    assert all(loss.mean() > -4 * error[share] for share, loss in gap.items())
    assert all((gap[share] - gap[None]).mean() > 4 * (gap[share] - gap[None]).std() / 4000**0.5 for share in (0.0, 1.0))


def test_terms_sum_to_the_bound_and_are_all_there() -> None:
    objective, x = learned(0.3), encoded(Rng(1, 6).normal(3))
    bound, whole = objective.bound(x.x, None, Rng(0, 6)), objective.log_prob(x, None, Rng(0, 6))
    assert torch.equal(bound.nats, whole.nats) and torch.equal(bound.stderr, whole.stderr)
    assert [start for start, size in bound.pieces] == list(range(2, 201)) and bound.steps.shape == (199, 6)
    assert torch.allclose(whole.nats, bound.read.mean(0) - bound.steps.sum(0) - bound.prior) and (bound.steps >= 0).all()


def test_the_bound_teaches_the_variance_alone_and_the_error_the_mean_alone() -> None:
    objective, x = learned(0.3), encoded(Rng(1, 64).normal(3))
    terms = objective.losses(x, None, Rng(0, 64), "model").terms
    network = objective.network
    of_bound = torch.autograd.grad(terms["bound"].sum(), [network.mean, network.learned], retain_graph=True, allow_unused=True)
    of_error = torch.autograd.grad(terms["simple"].sum(), [network.mean, network.learned], allow_unused=True)
    assert of_bound[0] is None or of_bound[0] == 0
    assert of_bound[1] != 0 and of_error[0] != 0
    assert of_error[1] is None or of_error[1] == 0


def test_the_chain_draws_with_it() -> None:
    """n = 6000, seed 2: with the right share 25 strided steps keep the variance (|z| < 4), with the posterior's they lose some."""
    objective = learned(0.0)
    x = DDPM(steps=25, clip=None)(objective, (3,), None, Rng(2, 2000))
    assert x.var() < SPREAD**2 * (1 - 4 * (2 / 6000) ** 0.5)
    wide = DDPM(steps=25, clip=None)(learned(1.0), (3,), None, Rng(2, 2000))
    assert wide.var() > x.var()


def test_only_chains_have_a_step_whose_variance_is_learned() -> None:
    with pytest.raises(ConfigError, match="EDM has none; take a chain"):
        Diffusion(Says(0.5), EDM(), GaussianReadout(), variance="learned")


@pytest.mark.parametrize("process", [VP(), SubVP()])
def test_the_bounds_weight_in_continuous_time_is_the_fall_of_the_snr(process) -> None:
    t, h = torch.linspace(0.05, 0.95, 19, dtype=torch.float64), 1e-5
    snr = lambda at: process.ratio(at).pow(-2)  # noqa: E731
    fall = (snr(t - h) - snr(t + h)) / (2 * h) / 2
    assert torch.allclose(BoundWeight()(process, t), fall.float(), rtol=1e-4)
    with pytest.raises(ConfigError, match="take EDMWeight"):
        BoundWeight()(EDM(), t)


def test_the_continuous_weight_is_the_limit_of_the_chains() -> None:
    """Cosine levels in 4000 steps, beside the same function of continuous time by differences."""
    chain, t = CosineAlphas(4000), torch.tensor([400, 1000, 2000, 3000])
    snr = chain.ratio(t).pow(-2)
    fall = (chain.ratio(t - 1).pow(-2) - snr) * chain.steps / 2
    assert torch.allclose(BoundWeight()(chain, t), fall.float(), rtol=0.02)
