"""Priors: densities integrate to one, samples follow them, and divergences match torch.distributions."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.families.flow import Flow, SingleScale
from morphogen.families.vae import (
    VAE,
    DiagonalGaussian,
    Gaussian,
    InverseAutoregressive,
    LearnedPrior,
    Prior,
    StandardNormal,
    VampPrior,
)
from morphogen.networks.made import MADE
from morphogen.networks.mlp import MLP
from morphogen.numerics.randomness import Rng


class TanhEncoder(Component, nn.Module):
    """Two latents of three entries."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 4)

    def forward(self, x: Tensor, context: Context | None) -> Tensor:
        return 0.5 * self.layer(x).tanh() * torch.tensor([4.0, 4.0, 1.0, 1.0])


def vamp() -> VampPrior:
    torch.manual_seed(0)
    prior = VampPrior(TanhEncoder(), (3,), 5)
    prior.prepare(3 * Rng(0, 8).normal(3), Rng(1, 8).normal(2), None)
    return prior


def learned() -> LearnedPrior:
    torch.manual_seed(0)
    prior = LearnedPrior(Flow(SingleScale(2, 8, 1, 2)))
    prior.prepare(torch.zeros(16, 3), 1.5 * Rng(2, 16).normal(2) + 0.5, None)
    return prior


PRIORS = {"normal": StandardNormal, "vamp": vamp, "learned": learned}


@pytest.mark.parametrize("name", PRIORS)
def test_the_density_integrates_to_one_and_samples_follow_it(name: str) -> None:
    """By a grid of step 0.05 over [-12, 12]^2.

    The mean of log p of 20000 samples, seed 3, is minus the entropy within 4 standard errors.
    """
    prior: Prior = PRIORS[name]()
    side = torch.arange(-12, 12, 0.05)
    grid = torch.cartesian_prod(side, side)
    with torch.no_grad():
        log_p = torch.cat([prior.log_prob(part, None) for part in grid.split(20000)]).double()
        mass = log_p.exp() * 0.05**2
        nats = prior.log_prob(prior.sample((2,), None, Rng(3, 20000)), None).double()
    assert abs(mass.sum() - 1) <= 1e-3
    assert abs(nats.mean() - (mass * log_p).sum()) <= 4 * nats.std() / 20000**0.5


def test_closed_forms_match_torch_and_estimates_agree_with_them() -> None:
    """The closed form equals torch.distributions (1e-6).

    The estimate by one draw, over 40000 rows, seed 4, is within 4 standard errors of it.
    """
    parameters = torch.tensor([[0.5, -1.0, 0.2, -0.7]]).expand(40000, 4)
    draw = DiagonalGaussian().draw(parameters, Rng(4, 40000).normal(2))
    kl = StandardNormal().kl(draw, None)
    q = torch.distributions.Normal(parameters[0, :2], parameters[0, 2:].exp())
    expected = torch.distributions.kl_divergence(q, torch.distributions.Normal(torch.zeros(2), torch.ones(2)))
    assert kl.shape == (40000, 2) and (kl - expected).abs().max() <= 1e-6
    estimate = Prior.kl(StandardNormal(), draw, None)[:, 0].double()
    assert abs(estimate.mean() - expected.sum()) <= 4 * estimate.std() / 200


def test_a_posterior_without_a_closed_form_has_an_estimate() -> None:
    posterior = InverseAutoregressive(step_1=MADE(2, 2, 4, 1, vector=2))
    draw = posterior.draw(torch.randn(5, 6), torch.randn(5, 2))
    kl = StandardNormal().kl(draw, None)
    assert torch.equal(kl, (draw.log_q - StandardNormal().log_prob(draw.z, None))[:, None])


def test_a_vamp_prior_is_the_mixture_of_the_posteriors_of_its_pseudo_inputs() -> None:
    prior, z = vamp(), torch.randn(7, 2)
    mean, log_sigma = prior.encoder(prior.pseudo_inputs, None).chunk(2, 1)
    components = torch.distributions.Independent(torch.distributions.Normal(mean, log_sigma.exp()), 1)
    weights = torch.distributions.Categorical(torch.ones(5))
    mixture = torch.distributions.MixtureSameFamily(weights, components)
    assert torch.allclose(prior.log_prob(z, None), mixture.log_prob(z), atol=1e-5)
    assert torch.equal(prior.pseudo_inputs, (3 * Rng(0, 8).normal(3))[:5])


@pytest.mark.parametrize("make", [vamp, learned])
def test_a_prior_is_trained_with_the_rest(make: Any) -> None:
    prior = make()
    encoder = prior.encoder if isinstance(prior, VampPrior) else TanhEncoder()
    vae = VAE(encoder, MLP(2, 3, 8, 1), Gaussian(1.0), (2,), prior=prior)
    draw = vae.draw(vae.infer(torch.randn(6, 3), None), None, torch.randn(6, 2))
    vae.prior.kl(draw, None).sum().backward()
    own = [p for p in prior.parameters() if p.grad is not None and p.grad.any()]
    assert own and len(set(vae.parameters())) == len(list(vae.parameters()))  # a shared encoder counts once


def test_wrong_priors_raise() -> None:
    with pytest.raises(ConfigError, match="components=0"):
        VampPrior(TanhEncoder(), (3,), 0)
    with pytest.raises(ConfigError, match="FlowSampler"):
        learned().sample((2,), None, Rng(0, 3), temperature=0.5)
    bounded = VAE(TanhEncoder(), MLP(2, 3, 8, 1), Gaussian(1.0), (2,))
    with pytest.raises(ConfigError, match="VAE has no exact density"):
        LearnedPrior(bounded).log_prob(torch.randn(2, 3), None)
