"""Closed-form distributions against autograd, quadrature, Monte Carlo and each other."""

import math

import pytest
import torch
from torch import Tensor

from morphogen.closed_form import (
    Checkerboard,
    ClosedForm,
    DiscretizedMixture,
    GaussianMixture,
    LinearGaussian,
    grid,
    ring,
    spirals,
    two_moons,
)
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.pixels import Pixels


def skewed(components: int = 3, d: int = 2, seed: int = 0) -> GaussianMixture:
    """A mixture without symmetry."""
    g = torch.Generator().manual_seed(seed)
    a = torch.randn(components, d, d, generator=g, dtype=torch.float64)
    weights = torch.arange(1, components + 1, dtype=torch.float64)
    means = torch.randn(components, d, generator=g, dtype=torch.float64)
    return GaussianMixture(weights / weights.sum(), means, 0.2 * a @ a.mT + 0.1 * torch.eye(d).double())


def square(extent: float, points: int) -> tuple[Tensor, float]:
    """Cell centres of a fine grid on [-extent, extent]^2, and the area of a cell."""
    axis = ((torch.arange(points).double() + 0.5) / points * 2 - 1) * extent
    return torch.cartesian_prod(axis, axis), (2 * extent / points) ** 2


def test_a_density_integrates_to_one() -> None:
    x, area = square(8.0, 600)
    for truth in (skewed(), LinearGaussian(torch.tensor([[1.0], [0.5]]), torch.tensor([0.3, -0.2]), 0.4)):
        assert truth.log_prob(x).exp().sum().item() * area == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(
    "truth", [skewed(4, 3), ring(), LinearGaussian(torch.tensor([[1.0], [0.5]]), torch.ones(2), 0.3)]
)
def test_the_score_is_the_gradient_of_the_density(truth: GaussianMixture | LinearGaussian) -> None:
    x = (2 * Rng(1, 50).normal(truth.sample(Rng(0, 1)).shape[1]).double()).requires_grad_()
    (gradient,) = torch.autograd.grad(truth.log_prob(x).sum(), x)
    torch.testing.assert_close(truth.score(x), gradient, rtol=1e-9, atol=1e-9)


def test_the_diffused_distribution_is_the_convolution() -> None:
    """p_t(x_t) = int p(x) N(x_t; alpha x, sigma^2) dx by quadrature; Tweedie's mean is the posterior mean."""
    truth, alpha, sigma = skewed(), 0.8, 0.6
    x, area = square(8.0, 600)
    x_t = Rng(2, 5).normal(2).double()
    exponent = -0.5 * ((x_t[:, None] - alpha * x) / sigma).square().sum(-1)
    log_kernel = exponent - math.log(2 * math.pi * sigma**2)
    joint = (log_kernel + truth.log_prob(x)).exp() * area
    log_marginal, mean = joint.sum(1).log(), joint @ x / joint.sum(1, keepdim=True)
    torch.testing.assert_close(truth.diffused(alpha, sigma).log_prob(x_t), log_marginal, rtol=0, atol=1e-6)
    torch.testing.assert_close(truth.denoised(x_t, alpha, sigma), mean, rtol=0, atol=1e-6)


def test_samples_have_the_moments_of_the_distribution() -> None:
    """n = 40000, seed 3: every mean and covariance within 4 standard errors."""
    line = LinearGaussian(torch.tensor([[1.0], [0.5], [0.0]]), torch.tensor([0.3, -0.2, 1.0]), 0.4)
    for truth, mixture in ((line, line.marginal), (skewed(3, 3), skewed(3, 3))):
        x, n = truth.sample(Rng(3, 40_000)).double(), 40_000
        deviation = x - mixture.mean
        products = torch.einsum("bd,be->bde", deviation, deviation)
        assert (deviation.mean(0).abs() < 4 * deviation.std(0) / n**0.5).all()
        assert ((products.mean(0) - mixture.covariance).abs() < 4 * products.std(0) / n**0.5).all()


def test_exact_entropies_agree_with_monte_carlo() -> None:
    """n = 100000, seed 0: within 4 standard errors."""
    covariance = torch.diag(torch.tensor([0.1, 1.0, 4.0]))[None]
    one = GaussianMixture(torch.ones(1), torch.ones(1, 3), covariance)
    line = LinearGaussian(torch.tensor([[1.0], [0.5]]), torch.zeros(2), 0.4)
    for truth in (one, line, DiscretizedMixture(skewed(), 5, (1, 1, 2))):
        estimate = ClosedForm.entropy(truth)  # the Monte Carlo estimate of the base class
        assert truth.entropy().stderr == 0 < estimate.stderr < 0.01
        assert abs(truth.entropy().nats - estimate.nats) < 4 * estimate.stderr


def test_the_entropy_of_a_wide_ring() -> None:
    """For components without overlap, H = log K + H(N)."""
    entropy, expected = (
        ring(8, radius=10.0, sigma=0.1).entropy(20_000),
        math.log(8 * 2 * math.pi * math.e * 0.01),
    )
    assert abs(entropy.nats - expected) < 4 * entropy.stderr


def test_samples_cover_every_mode_of_the_ring_and_the_grid() -> None:
    """n = 5000, seed 4: the proportion of each of K equal modes is within 5 standard errors of 1 / K."""
    for truth, k in ((ring(), 8), (grid(), 25)):
        modes = truth.responsibilities(truth.sample(Rng(4, 5000))).argmax(1)
        proportions = torch.bincount(modes, minlength=k) / 5000
        stderr = math.sqrt((1 / k) * (1 - 1 / k) / 5000)
        assert len(proportions) == k and ((proportions - 1 / k).abs() < 5 * stderr).all()
    torch.testing.assert_close(grid().mean, torch.zeros(2).double(), atol=1e-12, rtol=0)


@pytest.mark.parametrize("truth", [two_moons(), spirals(), Checkerboard(6, 0.7)])
def test_densities_of_the_plane_integrate_to_one(truth: ClosedForm) -> None:
    x, area = square(4.2, 200)
    log_p = truth.log_prob(x)
    assert log_p.exp().sum().item() * area == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize(("of_nodes", "nodes"), [(two_moons, 80), (spirals, 400)])
def test_gaussians_along_a_curve_have_the_density_of_the_curve(of_nodes, nodes: int) -> None:
    """Twice as many nodes give the same density; an eighth of them are separate Gaussians."""
    points = of_nodes().sample(Rng(0, 2000))
    finer = of_nodes(nodes=2 * nodes).log_prob(points)
    assert (of_nodes().log_prob(points) - finer).abs().max() <= 1e-9
    coarse = of_nodes(nodes=nodes // 8).log_prob(points)
    assert (coarse - finer).abs().max() >= 1e-2


def test_points_of_the_moons_are_on_two_half_circles() -> None:
    """n = 4000, seed 2: the distance to the nearer circle has standard deviation sigma, within 5 %."""
    x = two_moons(0.05).sample(Rng(2, 4000))
    outer = (x.norm(dim=1) - 1).abs()
    inner = ((x - torch.tensor([1.0, 0.5])).norm(dim=1) - 1).abs()
    assert 0.0475 < torch.minimum(outer, inner).square().mean().sqrt() < 0.0525
    assert 0.48 < (outer < inner).double().mean() < 0.52


def test_samples_of_the_checkerboard_are_uniform_on_its_black_cells() -> None:
    """n = 20,000, seed 6: each of the 8 cells has 1/8 of the samples within 5 standard errors."""
    board = Checkerboard(4, 0.5)
    x = board.sample(Rng(6, 20_000))
    assert (board.log_prob(x) == -math.log(2.0)).all() and board.entropy().nats == math.log(2.0)
    assert (board.log_prob(-x.flip(1) + torch.tensor([0.5, 0.0])) < -1e9).any()
    cell = (x / 0.5 + 2).floor().long()
    counts = torch.bincount(4 * cell[:, 1] + cell[:, 0], minlength=16)
    black = (torch.arange(4)[:, None] + torch.arange(4)).flatten() % 2 == 0
    assert counts[~black].sum() == 0
    assert ((counts[black] / 20_000 - 1 / 8).abs() < 5 * math.sqrt(1 / 8 * 7 / 8 / 20_000)).all()


@pytest.mark.parametrize(("levels", "shape"), [(4, (1, 1, 2)), (5, (1, 2, 2)), (8, (2, 1, 1))])
def test_the_table_of_pictures_is_a_distribution(levels: int, shape: tuple[int, int, int]) -> None:
    truth = DiscretizedMixture(skewed(3, math.prod(shape)), levels, shape)
    pictures = truth.pictures()
    assert len(pictures.unique(dim=0)) == levels ** math.prod(shape)
    assert truth.table.sum().item() == pytest.approx(1, abs=1e-12)
    torch.testing.assert_close(truth.log_prob(pictures), truth.table.flatten().log())
    assert torch.equal(truth.index(pictures), torch.arange(len(pictures)))
    # log-probabilities are those of the mixture up to a constant
    ratio = truth.log_prob(pictures) - truth.mixture.log_prob(pictures.flatten(1))
    assert (ratio - ratio[0]).abs().max() < 1e-9


def test_sampled_pictures_are_on_the_grid_of_pixels() -> None:
    """Counts agree with the table by chi-square (24 degrees, 0.9999 quantile 58.6), n = 20000, seed 5."""
    truth, pixels = DiscretizedMixture(skewed(), 5, (1, 1, 2)), Pixels(5, (1, 1, 2))
    x = truth.sample(Rng(5, 20_000))
    assert torch.equal(pixels.to_grid(x), x) and Batch(x).medium.dtype == torch.float32
    expected = 20_000 * truth.table.flatten()
    counts = torch.bincount(truth.index(x), minlength=25)
    kept = expected > 1
    assert ((counts - expected).square() / expected)[kept].sum() < 58.6


def test_the_linear_gaussian_posterior_satisfies_bayes_rule() -> None:
    """log p(z) + log p(x | z) - log p(z | x) = log p(x) for any z."""
    weight = torch.tensor([[1.0, 0.2], [0.5, -1.0], [0.3, 0.3]])
    truth = LinearGaussian(weight, torch.tensor([0.3, -0.2, 1.0]), 0.4)
    x, z = truth.sample_joint(Rng(6, 20))
    mean, covariance = truth.posterior(x)
    for shift in (0.0, 0.7):
        latent = z.double() + shift
        prior = GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.eye(2)[None]).log_prob(latent)
        noise = GaussianMixture(torch.ones(1), torch.zeros(1, 3), 0.16 * torch.eye(3).double()[None])
        likelihood = noise.log_prob(x.double() - latent @ truth.weight.T - truth.mean)
        posterior = GaussianMixture(torch.ones(1), torch.zeros(1, 2), covariance[None]).log_prob(
            latent - mean
        )
        torch.testing.assert_close(prior + likelihood - posterior, truth.log_prob(x), rtol=0, atol=1e-9)


def test_samples_depend_only_on_their_row() -> None:
    pictures = DiscretizedMixture(skewed(), 5, (1, 1, 2))
    line = LinearGaussian(torch.ones(2, 1), torch.zeros(2), 0.4)
    for truth in (skewed(), pictures, line, two_moons(), Checkerboard()):
        among_64, alone = truth.sample(Rng(7, 64))[[3, 60]], truth.sample(Rng(7, torch.tensor([3, 60])))
        torch.testing.assert_close(among_64, alone, rtol=0, atol=1e-6)


@pytest.mark.usefixtures("untyped")
def test_invalid_distributions_are_refused() -> None:
    with pytest.raises(ValueError, match="must be >= 0 and sum to 1"):
        GaussianMixture(torch.tensor([0.5, 0.6]), torch.zeros(2, 1), torch.ones(2, 1, 1))
    with pytest.raises(ValueError, match=r"means \[K, d\]"):
        GaussianMixture(torch.ones(1), torch.zeros(1, 2), torch.ones(1, 1, 1))
    with pytest.raises(ValueError, match="do not fit in a table"):
        DiscretizedMixture(skewed(2, 12), 8, (1, 3, 4))
    for side, width in ((3, 1.0), (0, 1.0), (4, 0.0)):
        with pytest.raises(ValueError, match="a checkerboard needs an even side and a width above 0"):
            Checkerboard(side, width)
    with pytest.raises(ValueError, match="needs a mixture of dimension 4, got 2"):
        DiscretizedMixture(skewed(), 4, (1, 2, 2))


def test_the_posterior_of_a_mixture_is_bayes_rule() -> None:
    """log p(x | y) - log p(x) - log p(y | x) is the same for all x: it is -log p(y)."""
    root = Rng(0, 6, ("root",)).normal(3).double().view(2, 3, 3)
    mixture = GaussianMixture(
        torch.tensor([0.3, 0.7], dtype=torch.float64),
        torch.tensor([[0.0, 1.0, -1.0], [0.5, -0.5, 0.2]]),
        root @ root.mT + 0.1 * torch.eye(3),
    )
    matrix, y, noise = torch.tensor([[1.0, 0.5, 0.0], [0.0, -1.0, 2.0]]), torch.tensor([0.4, -0.9]), 0.3
    x = Rng(1, 50).normal(3).double()
    log_likelihood = -0.5 * ((y - x @ matrix.double().T) / noise).square().sum(1)
    constant = mixture.posterior(matrix, y, noise).log_prob(x) - mixture.log_prob(x) - log_likelihood
    assert torch.allclose(constant, constant[0].expand(50), atol=1e-9)
