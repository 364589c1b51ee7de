"""The worlds against each other, autograd, quadrature and Monte Carlo: an oracle must not be wrong."""

import math

import pytest
import torch
from torch import Tensor

from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels
from morphogen.worlds import DiscretizedMixture, GaussianMixture, LinearGaussian, World, grid, ring


def skewed(components: int = 3, d: int = 2, seed: int = 0) -> GaussianMixture:
    """A mixture of no symmetry."""
    g = torch.Generator().manual_seed(seed)
    a = torch.randn(components, d, d, generator=g, dtype=torch.float64)
    weights = torch.arange(1, components + 1, dtype=torch.float64)
    means = torch.randn(components, d, generator=g, dtype=torch.float64)
    return GaussianMixture(weights / weights.sum(), means, 0.2 * a @ a.mT + 0.1 * torch.eye(d).double())


def square(extent: float, points: int) -> tuple[Tensor, float]:
    """The centres of a fine lattice on [-extent, extent]^2, and the area of a cell."""
    axis = ((torch.arange(points).double() + 0.5) / points * 2 - 1) * extent
    return torch.cartesian_prod(axis, axis), (2 * extent / points) ** 2


def test_a_density_integrates_to_one() -> None:
    x, area = square(8.0, 600)
    for world in (skewed(), LinearGaussian(torch.tensor([[1.0], [0.5]]), torch.tensor([0.3, -0.2]), 0.4)):
        assert world.log_prob(x).exp().sum().item() * area == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("world", [skewed(4, 3), ring(), LinearGaussian(torch.tensor([[1.0], [0.5]]), torch.ones(2), 0.3)])
def test_the_score_is_the_gradient_of_the_density(world: GaussianMixture | LinearGaussian) -> None:
    x = (2 * Rng(1, 50).normal(world.sample(Rng(0, 1)).shape[1]).double()).requires_grad_()
    (gradient,) = torch.autograd.grad(world.log_prob(x).sum(), x)
    torch.testing.assert_close(world.score(x), gradient, rtol=1e-9, atol=1e-9)


def test_the_diffused_law_is_the_convolution() -> None:
    """p_t(x_t) = integral of p(x) N(x_t; alpha x, sigma^2), by quadrature; and Tweedie's mean is the posterior's."""
    world, alpha, sigma = skewed(), 0.8, 0.6
    x, area = square(8.0, 600)
    x_t = Rng(2, 5).normal(2).double()
    log_kernel = -0.5 * ((x_t[:, None] - alpha * x) / sigma).square().sum(-1) - math.log(2 * math.pi * sigma**2)
    joint = (log_kernel + world.log_prob(x)).exp() * area
    torch.testing.assert_close(world.diffused(alpha, sigma).log_prob(x_t), joint.sum(1).log(), rtol=0, atol=1e-6)
    torch.testing.assert_close(world.denoised(x_t, alpha, sigma), joint @ x / joint.sum(1, keepdim=True), rtol=0, atol=1e-6)


def test_samples_have_the_moments_of_the_law() -> None:
    """n = 40000, seed 3: every mean and covariance within 4 standard errors."""
    for world in (skewed(3, 3), LinearGaussian(torch.tensor([[1.0], [0.5], [0.0]]), torch.tensor([0.3, -0.2, 1.0]), 0.4)):
        law = world if isinstance(world, GaussianMixture) else world.marginal
        x, n = world.sample(Rng(3, 40_000)).double(), 40_000
        apart = x - law.mean
        products = torch.einsum("bd,be->bde", apart, apart)
        assert (apart.mean(0).abs() < 4 * apart.std(0) / n**0.5).all()
        assert ((products.mean(0) - law.covariance).abs() < 4 * products.std(0) / n**0.5).all()


def test_closed_entropies_agree_with_monte_carlo() -> None:
    """n = 100000, seed 0: within 4 standard errors."""
    covariance = torch.diag(torch.tensor([0.1, 1.0, 4.0]))[None]
    one = GaussianMixture(torch.ones(1), torch.ones(1, 3), covariance)
    line = LinearGaussian(torch.tensor([[1.0], [0.5]]), torch.zeros(2), 0.4)
    for world in (one, line, DiscretizedMixture(skewed(), 5, (1, 1, 2))):
        estimate = World.entropy(world)  # the one that knows nothing
        assert world.entropy().stderr == 0 < estimate.stderr < 0.01
        assert abs(world.entropy().nats - estimate.nats) < 4 * estimate.stderr


def test_a_wide_ring_has_the_entropy_of_its_parts() -> None:
    """Components that do not touch: H = log K + H(N)."""
    apart = ring(8, radius=10.0, sigma=0.1).entropy(20_000)
    assert abs(apart.nats - math.log(8) - math.log(2 * math.pi * math.e * 0.01)) < 4 * apart.stderr


def test_every_mode_of_the_ring_and_the_grid_is_visited() -> None:
    """n = 5000, seed 4: the share of each of K equal modes within 5 standard errors of 1 / K."""
    for world, k in ((ring(), 8), (grid(), 25)):
        shares = torch.bincount(world.responsibilities(world.sample(Rng(4, 5000))).argmax(1), minlength=k) / 5000
        assert len(shares) == k and ((shares - 1 / k).abs() < 5 * math.sqrt((1 / k) * (1 - 1 / k) / 5000)).all()
    torch.testing.assert_close(grid().mean, torch.zeros(2).double(), atol=1e-12, rtol=0)


@pytest.mark.parametrize(("levels", "shape"), [(4, (1, 1, 2)), (5, (1, 2, 2)), (8, (2, 1, 1))])
def test_the_table_of_pictures_is_a_law(levels: int, shape: tuple[int, int, int]) -> None:
    world = DiscretizedMixture(skewed(3, math.prod(shape)), levels, shape)
    pictures = world.pictures()
    assert len(pictures.unique(dim=0)) == levels ** math.prod(shape)
    assert world.table.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(world.log_prob(pictures), world.table.flatten().log())
    assert torch.equal(world.index(pictures), torch.arange(len(pictures)))
    ratio = world.log_prob(pictures) - world.mixture.log_prob(pictures.flatten(1))  # the mixture's, but for one constant
    assert (ratio - ratio[0]).abs().max() < 1e-9


def test_pictures_of_the_world_are_a_medium_of_pixels() -> None:
    """On the grid of `Pixels`, as often as the table says: chi-square (24 degrees, 0.9999 quantile 58.6), n = 20000, seed 5."""
    world, pixels = DiscretizedMixture(skewed(), 5, (1, 1, 2)), Pixels(5, (1, 1, 2))
    x = world.sample(Rng(5, 20_000))
    assert torch.equal(pixels.to_grid(x), x) and Batch(x).medium.dtype == torch.float32
    expected = 20_000 * world.table.flatten()
    counts = torch.bincount(world.index(x), minlength=25)
    kept = expected > 1
    assert ((counts - expected).square() / expected)[kept].sum() < 58.6


def test_the_posterior_of_a_linear_gaussian_obeys_bayes() -> None:
    """log p(z) + log p(x | z) - log p(z | x) is log p(x), whatever z."""
    world = LinearGaussian(torch.tensor([[1.0, 0.2], [0.5, -1.0], [0.3, 0.3]]), torch.tensor([0.3, -0.2, 1.0]), 0.4)
    x, z = world.sample_joint(Rng(6, 20))
    mean, covariance = world.posterior(x)
    for shift in (0.0, 0.7):
        at = z.double() + shift
        prior = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None]).log_prob(at)
        noise = GaussianMixture(torch.ones(1), torch.zeros(1, 3), 0.16 * torch.eye(3).double()[None])
        given = noise.log_prob(x.double() - at @ world.weight.T - world.mean)
        posterior = GaussianMixture(torch.ones(1), torch.zeros(1, 2), covariance[None]).log_prob(at - mean)
        torch.testing.assert_close(prior + given - posterior, world.log_prob(x), rtol=0, atol=1e-9)


def test_a_draw_is_keyed_by_its_row() -> None:
    pictures = DiscretizedMixture(skewed(), 5, (1, 1, 2))
    for world in (skewed(), pictures, LinearGaussian(torch.ones(2, 1), torch.zeros(2), 0.4)):
        among_64, alone = world.sample(Rng(7, 64))[[3, 60]], world.sample(Rng(7, torch.tensor([3, 60])))
        torch.testing.assert_close(among_64, alone, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("untyped")
def test_what_is_no_law_is_refused() -> None:
    with pytest.raises(ValueError, match="must be a law"):
        GaussianMixture(torch.tensor([0.5, 0.6]), torch.zeros(2, 1), torch.ones(2, 1, 1))
    with pytest.raises(ValueError, match=r"means \[K, d\]"):
        GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 1, 1))
    with pytest.raises(ValueError, match="do not fit a table"):
        DiscretizedMixture(skewed(2, 12), 8, (1, 3, 4))
    with pytest.raises(ValueError, match="the mixture is over 2"):
        DiscretizedMixture(skewed(), 4, (1, 2, 2))
