"""The hierarchical VAE: its bound against quadrature, and the order of its groups."""

import math

import pytest
import torch
from torch import nn

from morphogen.contract import Autoencoder, Encoded
from morphogen.families.vae import ELBO, Bernoulli, HierarchicalVAE, ImportanceWeighted, LearnedGaussian
from morphogen.networks.ladder import Ladder
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng


def scalar(samples: int = 1) -> HierarchicalVAE:
    """Two scalar latents of a scalar x, with random weights, and a posterior near the prior."""
    torch.manual_seed(1)
    likelihood = LearnedGaussian()
    ladder = Ladder((1, 1, 1), likelihood.outputs(1), latent=1, groups=(2,), width=8)
    for name, parameter in ladder.named_parameters():
        nn.init.normal_(parameter, std=0.05 if "posterior_head" in name else 0.4)
    return HierarchicalVAE(ladder, likelihood, bound_samples=samples)


def rows(n: int) -> Encoded:
    return Encoded(Rng(0, n).normal(1, 1, 1), torch.zeros(n), torch.ones(n))


def log_p_by_quadrature(model: HierarchicalVAE, x: torch.Tensor) -> torch.Tensor:
    """log int p(x | z) p(z) dz, over a grid of step 0.1 in both latents."""
    side = torch.arange(-7, 7, 0.1)
    grid = torch.cartesian_prod(side, side).reshape(-1, 2, 1, 1, 1)
    first, second = model.latent_shape
    z = {first: grid[:, 0], second: grid[:, 1]}
    _, priors, h = model._descend(len(grid), None, lambda name, h, p: z[name])
    log_p = sum(gaussian_log_prob(z[name], *priors[name]).flatten() for name in z)
    output = model.network.output(h)
    log_joint = [model.likelihood.log_prob(row.expand(len(grid), 1, 1, 1), output) + log_p for row in x]
    return torch.stack(log_joint).double().logsumexp(1) + 2 * math.log(0.1)


@pytest.mark.slow
@torch.no_grad()
def test_the_bound_is_below_the_integral_and_reaches_it() -> None:
    """n = 6 rows: 1500 importance samples are within 4 standard errors of the quadrature, the ELBO below."""
    x = rows(6)
    exact = log_p_by_quadrature(scalar(), x.x)
    estimate = scalar(1500).log_prob(x, None, Rng(1, 6))
    assert estimate.stderr is not None
    assert ((estimate.nats - exact).abs() <= 4 * estimate.stderr + 1e-3).all() and estimate.stderr.max() < 0.1
    many = Encoded(x.x.repeat(500, 1, 1, 1), torch.zeros(3000), torch.ones(3000))
    elbo = -scalar().losses(many, None, Rng(2, 3000), "model").total.reshape(500, 6).mean(0)
    assert (elbo < exact).all()


@torch.no_grad()
def test_the_divergences_have_the_mean_of_the_log_ratio() -> None:
    """n = 20000 draws of one row, seed 3, within 4 standard errors; so do both bounds with k = 1."""
    n, model = 20_000, scalar()
    x = rows(1).x.expand(n, 1, 1, 1)
    draw = model.draw(model.infer(x, None), None, model.noise(Rng(3, n)))
    difference = (model.kl(draw, None).sum(1) - (draw.log_q - model.log_prior(draw, None))).double()
    assert difference.std() > 0.01 and abs(difference.mean()) <= 4 * difference.std() / n**0.5
    one, other = (
        bound.reconstruct(model, x, None, Rng(3, n)).losses.total for bound in (ELBO(), ImportanceWeighted(1))
    )
    gap = (one - other).double()
    assert abs(gap.mean()) <= 4 * gap.std() / n**0.5


@torch.no_grad()
def test_groups_depend_on_the_coarser_ones_only_and_decoding_repeats_the_pass() -> None:
    torch.manual_seed(0)
    ladder = Ladder((1, 8, 8), 1, latent=2, groups=(2, 1, 0), width=8)
    for parameter in ladder.parameters():
        nn.init.normal_(parameter, std=0.3)
    model = HierarchicalVAE(ladder, Bernoulli())
    names = list(model.latent_shape)
    assert [shape[1] for shape in model.latent_shape.values()] == [2, 2, 4]
    assert isinstance(model, Autoencoder) and set(model.latent_vocabulary) == set(names)
    z = model.sample_latents(None, Rng(0, 3), 1.0)
    _, priors, h = model._descend(3, None, lambda name, h, p: z[name])
    assert torch.equal(model.predict(z, None), model.network.output(h))
    for i, name in enumerate(names):
        changed = {**z, name: z[name] + 1}
        _, others, _ = model._descend(3, None, lambda name, h, p, changed=changed: changed[name])
        same = [torch.equal(priors[n][0], others[n][0]) for n in names]
        assert same == [j <= i for j in range(3)]


def test_groups_are_free_and_cost_nothing_at_first() -> None:
    model = HierarchicalVAE(Ladder((1, 8, 8), 1, 2, (2, 1), 8), Bernoulli(), ELBO(free_nats=0.5))
    x = torch.where(Rng(0, 4).uniform(1, 8, 8) < 0.5, 1.0, -1.0)
    losses = model.bound.reconstruct(model, x, None, Rng(1, 4)).losses
    assert torch.allclose(losses.terms["kl"], torch.full((4,), 1.5))  # three groups of half a nat
    assert torch.allclose(losses.metrics["bound"], -losses.terms["reconstruction"])


def test_a_ladder_without_groups_raises() -> None:
    with pytest.raises(ValueError, match="at least one group"):
        Ladder((1, 8, 8), 1, 2, (0, 0), 8)
