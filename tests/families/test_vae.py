"""VAE: the bound is exact for the true posterior and lower otherwise; the bound of a latent model."""

import math

import pytest
import torch
from torch import Tensor, nn

from linear_vae import TRUTH, PlainPoints, linear
from morphogen.component import ConfigError
from morphogen.conditioning.specs import Classes
from morphogen.contract import (
    Autoencoder,
    Batch,
    Context,
    Encoded,
    Likelihood,
    Losses,
    Objective,
    owned,
)
from morphogen.families.vae import ELBO, VAE, DiscretizedLogistic, Gaussian, VAESampler
from morphogen.model import Model, load, save
from morphogen.networks.convnet import ConvDecoder, ConvEncoder, halvings
from morphogen.numerics.distributions import discretized_log_mass, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.representations.latent import Latent
from morphogen.representations.pixels import Pixels
from morphogen.systems.vae import vae


class NormalLatents(Objective):
    """The prior of a VAE, as a second stage."""

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        return Losses({"nats": -sum_except_batch(gaussian_log_prob(x.x))})

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        return Likelihood(sum_except_batch(gaussian_log_prob(x.x)), x.dims, "exact", "density")

    def default_sampler(self) -> VAESampler:
        return VAESampler()


def bound(objective: VAE, x: Tensor, seed: int = 0) -> Likelihood:
    return objective.log_prob(PlainPoints((3,)).encode(x, Rng(0, len(x))), None, Rng(seed, len(x)))


def digits(n: int = 6) -> Batch:
    return Batch(torch.round(Rng(5, n).uniform(1, 8, 8) * 16) / 8 - 1, {"label": torch.arange(n) % 10})


def test_the_true_posterior_makes_the_bound_exact_for_every_sample() -> None:
    x = TRUTH.sample(Rng(1, 200))
    for samples in (1, 4):
        assert (bound(linear(samples=samples), x).nats - TRUTH.log_prob(x)).abs().max() <= 1e-4


@pytest.mark.parametrize(("shift", "log_scale"), [(0.2, 0.0), (0.0, 0.4), (-0.1, -0.4)])
def test_any_other_posterior_lowers_the_bound_by_its_kl_divergence(shift: float, log_scale: float) -> None:
    """The mean gap is KL(q || p(z | x)) within 4 standard errors, for `log_prob` and for the loss.

    n = 20000 rows, seed 2.
    """
    x, objective = TRUTH.sample(Rng(2, 20000)), linear(shift, log_scale)
    variance = TRUTH.posterior(x[:1])[1].diagonal()
    kl = (0.5 * (math.exp(2 * log_scale) - 1 - 2 * log_scale + shift**2 / variance)).sum()
    exact = TRUTH.log_prob(x)
    losses = objective.losses(PlainPoints((3,)).encode(x, Rng(0, len(x))), None, Rng(2, len(x)), "model")
    for nats in (bound(objective, x, 2).nats, -losses.total):
        gap = (exact - nats).detach()
        assert abs(gap.mean() - kl) <= 4 * gap.std() / len(x) ** 0.5
        assert gap.mean() > 0


def test_more_samples_tighten_the_bound() -> None:
    """k = 1, 4, 32: each increase, and the last gap to the truth, exceeds 0 by 4 standard errors.

    n = 20000 rows, seed 3.
    """
    x = TRUTH.sample(Rng(3, 20000))
    one, four, many = [bound(linear(0.2, 0.4, k), x, 3).nats.detach().double() for k in (1, 4, 32)]
    for higher, lower in ((four, one), (many, four), (TRUTH.log_prob(x), many)):
        step = higher - lower
        assert step.mean() > 4 * step.std() / len(x) ** 0.5


def test_stderr_covers_the_error_of_an_importance_weighted_bound() -> None:
    """n = 2000 rows, k = 64, seed 4: the truth is within 3 standard errors for at least 95 % of the rows."""
    x = TRUTH.sample(Rng(4, 2000))
    estimate = bound(linear(0.05, 0.2, 64), x, 4)
    assert estimate.stderr is not None
    covered = (estimate.nats - TRUTH.log_prob(x)).abs() <= 3 * estimate.stderr
    assert covered.double().mean() >= 0.95
    assert bound(linear(), x).stderr is None


def test_beta_weights_the_kl_term_and_not_the_reported_bound() -> None:
    x, plain, heavy = PlainPoints((3,)).encode(TRUTH.sample(Rng(1, 9)), Rng(0, 9)), linear(0.3), linear(0.3)
    heavy.bound = ELBO(beta=4.0)
    one, four = [o.losses(x, None, Rng(0, 9), "model") for o in (plain, heavy)]
    assert torch.equal(four.terms["kl"], 4 * one.terms["kl"]) and torch.equal(
        four.metrics["bound"], one.metrics["bound"]
    )
    assert torch.allclose(-one.total, one.metrics["bound"])
    assert torch.equal(plain.log_prob(x, None, Rng(0, 9)).nats, heavy.log_prob(x, None, Rng(0, 9)).nats)


def test_latents_with_the_standard_prior_have_the_bound_of_the_first_stage() -> None:
    """Two estimates of one bound: their means agree within 4 standard errors of the difference.

    n = 20000 rows, seed 5.
    """
    first = Model(linear(0.2, 0.3), PlainPoints((3,)))
    second = Model(NormalLatents(), Latent(first))
    x = TRUTH.sample(Rng(5, 20000))
    own, latent = [m.log_prob(x, seed=s, batch=20000) for m, s in ((first, 5), (second, 6))]
    gap = own.nats - latent.nats
    assert latent.kind == "lower_bound" and abs(gap.mean()) <= 4 * gap.std() / len(x) ** 0.5
    assert gap.std() > 0.01  # two independent estimates
    assert isinstance(first.objective, Autoencoder) and not list(owned(second))


@pytest.mark.parametrize("levels", [2, 17, 256])
def test_discretised_masses_sum_to_one_and_equal_the_plain_formula(levels: int) -> None:
    likelihood, n = DiscretizedLogistic(levels), 64
    # [levels, n, 1]: rows are values, channels are distributions
    grid = torch.linspace(-1, 1, levels)[:, None, None].expand(-1, n, 1)
    h = (
        torch.stack([Rng(0, n).normal() * 1.5, Rng(1, n).normal() * 2 - 2])[None]
        .expand(levels, -1, -1)
        .reshape(levels, 2 * n, 1)
    )
    log_mass = torch.stack([likelihood.log_prob(grid[:, i : i + 1], h[:, [i, n + i]]) for i in range(n)], 1)
    assert (log_mass.double().exp().sum(0) - 1).abs().max() <= 1e-5
    mean, log_s = likelihood._split(h)
    plain = discretized_log_mass(grid, mean, log_s, levels, torch.sigmoid)[..., 0]
    accurate = plain > math.log(1e-3)  # the difference of two cdfs is accurate in float32
    assert (log_mass - plain)[accurate].abs().max() <= 1e-3


def test_a_mass_that_underflows_still_has_a_gradient() -> None:
    h = torch.tensor([[1.0, -6.0]]).requires_grad_()
    log_mass = DiscretizedLogistic(17).log_prob(torch.tensor([[-0.5]]), h)
    (gradient,) = torch.autograd.grad(log_mass, h)
    assert -1000 < log_mass < -100 and gradient[0, 0] < -10 and gradient.isfinite().all()


def test_samples_of_a_discretised_logistic_follow_its_masses() -> None:
    """n = 20000 samples with 5 levels, seed 7: every frequency is within 4 standard errors of its mass."""
    likelihood, n = DiscretizedLogistic(5), 20000
    h = torch.tensor([[0.4, -0.7]])
    samples = likelihood.sample(h.expand(n, 2), Rng(7, n))[:, 0]
    for value in torch.linspace(-1, 1, 5):
        p = likelihood.log_prob(value.reshape(1, 1), h).exp().item()
        assert abs((samples == value).double().mean() - p) <= 4 * (p * (1 - p) / n) ** 0.5


def test_a_density_on_a_grid_raises() -> None:
    encoder, decoder = ConvEncoder((1, 8, 8), (4,), (4, 8)), ConvDecoder((2,), (1, 8, 8), (4, 8))
    model = Model(VAE(encoder, decoder, Gaussian(0.1), (2,)), Pixels(17, (1, 8, 8)))
    with pytest.raises(ConfigError, match="Dequantised"):
        model.log_prob(digits().medium)


@pytest.mark.parametrize(("shape", "levels"), [((1, 8, 8), 17), ((1, 28, 28), 256), ((3, 32, 32), 256)])
def test_the_system_fits_every_image_shape_with_independent_rows(
    shape: tuple[int, int, int], levels: int
) -> None:
    """Every parameter has a gradient; samples and losses of a row do not depend on its batch."""
    torch.manual_seed(0)
    model = vae(Pixels(levels, shape), label=Classes(10), size="tiny")
    medium = torch.round(Rng(5, 6).uniform(*shape) * (levels - 1)) * (2 / (levels - 1)) - 1
    for p in owned(model):  # at initialization a FiLM of zeros blocks the gradient of the condition
        nn.init.normal_(p, std=0.1)
    batch, two = Batch(medium, {"label": torch.arange(6)}), torch.tensor([2])
    losses = model(batch, Rng(0, 6), "model").total
    assert torch.allclose(model(batch[2:3], Rng(0, two), "model").total, losses[2:3], rtol=1e-4)
    losses.mean().backward()
    assert all(p.grad is not None and p.grad.any() for p in owned(model.objective))
    for sampler in (VAESampler(), VAESampler("sample", 0.7)):
        four = model.sample(4, torch.arange(4), sampler, seed=1).tensor
        alone = model.sample(1, torch.tensor([3]), sampler, seed=1, indices=torch.tensor([3])).tensor
        assert torch.allclose(four[3:], alone, atol=1e-5) and four.shape == (4, *shape)


def test_save_and_load_are_the_same_model(tmp_path) -> None:
    model = vae(Pixels(17, (1, 8, 8)), label=Classes(10), size="tiny")
    save(model, tmp_path)
    again, batch = load(tmp_path), digits()
    assert repr(again) == repr(model)
    assert torch.equal(
        again.log_prob(batch.medium, batch.condition).nats, model.log_prob(batch.medium, batch.condition).nats
    )


def test_a_feature_map_as_latent() -> None:
    encoder, decoder = (
        ConvEncoder((3, 16, 8), (6, 4, 2), (4, 8, 8)),
        ConvDecoder((3, 4, 2), (6, 16, 8), (4, 8, 8)),
    )
    objective = VAE(encoder, decoder, DiscretizedLogistic(256), (3, 4, 2))
    z, log_q = objective.encode(torch.zeros(2, 3, 16, 8), Rng(0, 2))
    assert z.shape == (2, 3, 4, 2) and log_q.shape == (2,) and objective.decode(z).shape == (2, 3, 16, 8)
    with pytest.raises(ConfigError, match=r"\(D, 4, 2\)"):
        ConvEncoder((3, 16, 8), (6, 2, 2), (4, 8, 8))
    with pytest.raises(ConfigError, match="cannot be halved 2 times"):
        ConvDecoder((3,), (1, 10, 10), (4, 8, 8))
    assert [halvings((1, s, s)) for s in (7, 8, 28, 32, 45)] == [0, 1, 2, 3, 0]
