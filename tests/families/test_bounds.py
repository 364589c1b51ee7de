"""Bounds: their values against closed forms, their gradients in expectation, warm-up and free bits."""

import math

import pytest
import torch
from torch import Tensor, nn

from linear_vae import TRUTH, linear
from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded
from morphogen.families.vae import ELBO, VAE, Bound, ImportanceWeighted
from morphogen.numerics.randomness import Rng


def encoded(x: Tensor) -> Encoded:
    return Encoded(x, torch.zeros(len(x)), torch.full((len(x),), 3.0))


def with_bound(bound: Bound, shift: float = 0.2, log_scale: float = 0.3) -> VAE:
    vae = linear(shift, log_scale)
    vae.bound = bound
    return vae


def test_k_one_is_the_elbo_and_larger_k_are_tighter() -> None:
    """n = 20000 rows, seed 1: the mean bounds of k = 1, 5, 50 increase by 4 standard errors, up to log p."""
    x = TRUTH.sample(Rng(1, 20000))
    bounds = [ELBO(), ImportanceWeighted(1), ImportanceWeighted(5), ImportanceWeighted(50)]
    with torch.no_grad():
        nats = [
            -with_bound(b).losses(encoded(x), None, Rng(2, 20000), "model").total.double() for b in bounds
        ]
    elbo, one, five, fifty = nats
    assert abs((elbo - one).mean()) <= 4 * (elbo - one).std() / 20000**0.5
    for higher, lower in ((five, one), (fifty, five), (TRUTH.log_prob(x), fifty)):
        step = higher - lower
        assert step.mean() > 4 * step.std() / 20000**0.5


def test_the_weights_are_those_that_evaluation_averages() -> None:
    """`log_prob` with k = 3 and the training loss agree on the same noise."""
    x, vae = TRUTH.sample(Rng(1, 6)), linear(0.2, 0.3, samples=3)
    eps = torch.stack([Rng(5, 6).fork("posterior", i).normal(2) for i in range(3)], 1)
    nats = vae.log_importance_weights(x, None, eps).logsumexp(1) - math.log(3)
    likelihood = vae.log_prob(encoded(x), None, Rng(5, 6))
    assert torch.allclose(nats, likelihood.nats, atol=1e-5) and likelihood.draws == 3


class Fixed(nn.Module):
    """An encoder whose output is given: mu and log sigma of one row, for all rows."""

    def __init__(self, parameters: Tensor):
        super().__init__()
        self.parameters_of_q = parameters

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.parameters_of_q.expand(len(x), -1)


class PerRow(Fixed):
    """The same with mu and log sigma of each row."""

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return self.parameters_of_q[: len(x)]


def expected_loss(x: Tensor, parameters: Tensor, beta: float) -> Tensor:
    """The ELBO loss of a linear decoder, by its closed form."""
    mean, log_sigma = parameters.chunk(2, 0)
    residual = (x - TRUTH.weight @ mean - TRUTH.mean).square().sum()
    spread = (TRUTH.weight.square().sum(0) * (2 * log_sigma).exp()).sum()
    constant = 1.5 * math.log(2 * math.pi * TRUTH.sigma**2)
    kl = 0.5 * (mean.square() + (2 * log_sigma).exp() - 1 - 2 * log_sigma).sum()
    return 0.5 * (residual + spread) / TRUTH.sigma**2 + constant + beta * kl


@pytest.mark.parametrize("beta", [1.0, 3.0])
def test_the_gradient_agrees_in_expectation_with_the_closed_form(beta: float) -> None:
    """The mean gradient in each parameter of q is within 3 standard errors of that of the closed form.

    One x, 20000 draws, seed 3; the mean loss too.
    """
    n, x = 20_000, TRUTH.sample(Rng(0, 1))
    start = torch.tensor([0.3, -0.2, -0.5, 0.1])
    rows = start.expand(n, 4).clone().requires_grad_()
    vae = with_bound(ELBO(beta))
    vae.encoder = Fixed(rows)
    loss = vae.bound.reconstruct(vae, x.expand(n, 3), None, Rng(3, n)).losses.total
    gradients = torch.autograd.grad(loss.sum(), rows)[0].double()
    exact = start.double().requires_grad_()
    value = expected_loss(x[0].double(), exact, beta)
    (reference,) = torch.autograd.grad(value, exact)
    assert ((gradients.mean(0) - reference).abs() < 3 * gradients.std(0) / n**0.5).all()
    assert abs(loss.double().mean() - value) < 3 * loss.double().std() / n**0.5


@pytest.mark.parametrize("k", [1, 5])
def test_the_importance_weighted_gradient_is_that_of_an_independent_implementation(k: int) -> None:
    """Equal to autograd through torch.distributions on the same 200 x k noises, within 1e-4."""
    x, parameters = TRUTH.sample(Rng(0, 200)).float(), Rng(1, 200).normal(4) * 0.3
    ours, theirs = (parameters.clone().requires_grad_() for _ in range(2))
    vae = with_bound(ImportanceWeighted(k))
    vae.encoder = Fixed(ours)
    vae.bound.reconstruct(vae, x, None, Rng(3, 200)).losses.total.sum().backward()
    eps = Rng(3, 200).fork("posterior").normal(k, 2).transpose(0, 1)
    q = torch.distributions.Normal(*[(p, p.exp())[i] for i, p in enumerate(theirs.chunk(2, 1))])
    z = q.loc + q.scale * eps
    decoded = torch.distributions.Normal(vae.network(z.reshape(-1, 2)).reshape(k, -1, 3), TRUTH.sigma)
    prior = torch.distributions.Normal(torch.zeros(2), torch.ones(2))
    log_w = decoded.log_prob(x).sum(2) + prior.log_prob(z).sum(2) - q.log_prob(z).sum(2)
    (-(log_w.logsumexp(0) - math.log(k))).sum().backward()
    assert ours.grad is not None and torch.allclose(ours.grad, theirs.grad, atol=1e-4)


def test_warm_up_grows_linearly_with_the_finished_steps() -> None:
    vae, rows = with_bound(ELBO(beta=2.0, warmup=4)), encoded(TRUTH.sample(Rng(1, 5)))
    weights = []
    for step in range(6):
        losses = vae.losses(rows, None, Rng(1, 5), "model")
        weights.append(float(vae.bound.weight))
        vae.update_from_statistics(losses.statistics, step)
    assert weights == [0.0, 0.5, 1.0, 1.5, 2.0, 2.0] and "bound.annealing.finished" in vae.state_dict()
    kept = with_bound(ELBO(beta=2.0, warmup=4))
    kept.load_state_dict(vae.state_dict())
    assert float(kept.bound.weight) == 2.0
    assert not with_bound(ELBO()).losses(rows, None, Rng(1, 5), "model").statistics


def test_free_bits_make_a_latent_free_up_to_its_share() -> None:
    """Latents with divergences of 0.1 and 2 nats: the first costs the constant, without a gradient."""
    scale = torch.tensor([0.2**0.5, 4.0**0.5])  # KL of N(m, 1) is m^2 / 2
    rows = torch.cat([scale.expand(8, 2), torch.zeros(8, 2)], 1).requires_grad_()
    vae = with_bound(ELBO(free_nats=0.5))
    vae.encoder = Fixed(rows)
    losses = vae.bound.reconstruct(vae, TRUTH.sample(Rng(0, 8)), None, Rng(0, 8)).losses
    (gradient,) = torch.autograd.grad(losses.terms["kl"].sum(), rows)
    assert torch.allclose(losses.terms["kl"], torch.full((8,), 2.5))
    assert torch.equal(gradient[:, 0], torch.zeros(8)) and torch.allclose(gradient[:, 1], scale[1].expand(8))
    assert vae.bound.coupled_rows and not with_bound(ELBO()).bound.coupled_rows
    unequal = torch.cat(
        [rows.detach()[:4], rows.detach()[4:] * 0], 0
    )  # the second latent: 2 or 0 nats, mean 1
    vae.encoder = PerRow(unequal)
    whole, part = (
        vae.bound.reconstruct(vae, TRUTH.sample(Rng(0, 8))[:n], None, Rng(0, n)).losses.terms["kl"]
        for n in (8, 4)
    )
    assert torch.allclose(whole[4:], torch.full((4,), 0.5)) and torch.allclose(part, torch.full((4,), 2.5))


def test_values_out_of_range_raise() -> None:
    with pytest.raises(ConfigError, match="beta=-1"):
        ELBO(beta=-1)
    with pytest.raises(ConfigError, match="samples=0"):
        ImportanceWeighted(0)
