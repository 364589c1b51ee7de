r"""Distributions with known density, entropy and score, as ground truth for every family.

    GaussianMixture      p(x) = sum_k pi_k N(x; mu_k, Sigma_k); alpha x + sigma eps is a Gaussian mixture too
    DiscretizedMixture   a mixture on the grid of tiny pictures: a table of probabilities, exact entropy
    LinearGaussian       x = W z + mu + sigma eps: a latent-variable model with known evidence and posterior
    Checkerboard         uniform on every other cell of a square: sharp edges, which no smooth map has
    ring, grid           Gaussians in the plane, far apart
    two_moons, spirals   curves in the plane with Gaussian noise, as mixtures of many Gaussians along them

A model whose mean -log p on samples of the true distribution is below its entropy is wrong; the excess over
the entropy is the KL divergence left to learn. Denoisers, scores and bounds have known true values. Computed
in fp64; samples are fp32 and keyed by row.

References: Pattern recognition and machine learning, Bishop, 2006, sections 2.3 and 12.2; Metz et al. 2017
and Srivastava et al. 2017 for the ring and the grid, on which GANs lose modes.
"""

__all__ = [
    "Checkerboard", "ClosedForm", "DiscretizedMixture", "Entropy", "GaussianMixture", "LinearGaussian",
    "grid", "ring", "spirals", "two_moons",
]  # fmt: skip

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.numerics.randomness import Rng

ROWS = 4096  # whose distances to all components are in memory at once


class Entropy(NamedTuple):
    """Entropy -E log p(x) in nats; `stderr` is 0 if it is exact."""

    nats: float
    stderr: float


class ClosedForm(ABC):
    """A distribution with known log-probability, entropy and sampler."""

    @abstractmethod
    def log_prob(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x) of each row, in fp64."""

    @abstractmethod
    def sample(self, rng: Rng) -> Float[Tensor, "b ..."]:
        """Draw `len(rng)` samples, fp32."""

    def entropy(self, draws: int = 100_000, seed: int = 0) -> Entropy:
        """Entropy, estimated from `draws` samples; subclasses with an exact value override this."""
        surprise = -self.log_prob(self.sample(Rng(seed, draws, ("entropy",))))
        return Entropy(surprise.mean().item(), surprise.std().item() / math.sqrt(draws))


@dataclass(frozen=True)
class GaussianMixture(ClosedForm):
    r"""p(x) = sum_k pi_k N(x; mu_k, Sigma_k)   (Bishop 2006, section 9.2).

    Arguments:
        weights: pi [K], summing to 1.
        means: mu [K, d].
        covariances: Sigma [K, d, d], positive definite.

    Errors: ValueError if the weights do not sum to 1 or shapes disagree; torch's LinAlgError if a covariance
        is not
    positive definite.
    """

    weights: Float[Tensor, " k"]
    means: Float[Tensor, "k d"]
    covariances: Float[Tensor, "k d d"]

    def __post_init__(self) -> None:
        for name in ("weights", "means", "covariances"):
            object.__setattr__(self, name, torch.as_tensor(getattr(self, name), dtype=torch.float64))
        k, d = self.means.shape
        if self.weights.shape != (k,) or self.covariances.shape != (k, d, d):
            shapes = [tuple(t.shape) for t in (self.weights, self.means, self.covariances)]
            raise ValueError(
                f"a mixture needs weights [K], means [K, d], covariances [K, d, d]; got {shapes}"
            )
        if (self.weights < 0).any() or abs(self.weights.sum().item() - 1) > 1e-9:
            raise ValueError(
                f"mixture weights must be >= 0 and sum to 1; they sum to {self.weights.sum().item():g}"
            )

    @cached_property
    def cholesky(self) -> Float[Tensor, "k d d"]:
        """L with Sigma = L L^T."""
        return torch.linalg.cholesky(self.covariances)

    @property
    def mean(self) -> Float[Tensor, " d"]:
        """sum_k pi_k mu_k."""
        return self.weights @ self.means

    @property
    def covariance(self) -> Float[Tensor, "d d"]:
        """Covariance within the components plus that of their means."""
        deviation = self.means - self.mean
        within = torch.einsum("k,kde->de", self.weights, self.covariances)
        return within + torch.einsum("k,kd,ke->de", self.weights, deviation, deviation)

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        return self._log_joint(x).logsumexp(1)

    def responsibilities(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """p(k | x), the probability of each component."""
        return self._log_joint(x).softmax(1)

    def score(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        r"""grad_x log p(x) = sum_k p(k | x) Sigma_k^-1 (mu_k - x)."""
        directions = torch.cholesky_solve((self.means - x.double()[:, None]).permute(1, 2, 0), self.cholesky)
        return torch.einsum("bk,kdb->bd", self.responsibilities(x), directions)

    def sample(self, rng: Rng) -> Float[Tensor, "b d"]:
        k = rng.fork("component").categorical(self.weights.log().expand(len(rng), -1))
        eps = rng.fork("noise").normal(self.means.shape[1]).double()
        return (self.means[k] + torch.einsum("bde,be->bd", self.cholesky[k], eps)).float()

    def entropy(self, draws: int = 100_000, seed: int = 0) -> Entropy:
        if len(self.weights) > 1:
            return super().entropy(draws, seed)
        half_log_det = _log_diagonal(self.cholesky)[0].item()
        return Entropy(0.5 * self.means.shape[1] * math.log(2 * math.pi * math.e) + half_log_det, 0.0)

    def diffused(self, alpha: float, sigma: float) -> "GaussianMixture":
        """Distribution of x_t = alpha x + sigma eps, with the true score at that noise level."""
        noise = sigma**2 * torch.eye(self.means.shape[1], dtype=torch.float64)
        return GaussianMixture(self.weights, alpha * self.means, alpha**2 * self.covariances + noise)

    def denoised(self, x_t: Float[Tensor, "b d"], alpha: float, sigma: float) -> Float[Tensor, "b d"]:
        r"""E[x | x_t] = (x_t + sigma^2 grad log p_t(x_t)) / alpha   (Tweedie's formula, Robbins 1956)."""
        return (x_t.double() + sigma**2 * self.diffused(alpha, sigma).score(x_t)) / alpha

    def posterior(
        self, matrix: Float[Tensor, "m d"], y: Float[Tensor, " m"], noise: float
    ) -> "GaussianMixture":
        r"""p(x | y) of y = A x + noise n (Bishop 2006, section 2.3.3, for each component).

            mean mu_k + G (y - A mu_k),  covariance (I - G A) Sigma_k,  weight ~ pi_k N(y; A mu_k, S)
            G = Sigma_k A^T S^-1,  S = A Sigma_k A^T + noise^2 I

        Arguments:
            matrix: A.
            y: what was measured.
            noise: standard deviation of its noise, above 0.
        """
        matrix, y = matrix.double(), y.double()
        measured = GaussianMixture(
            self.weights,
            self.means @ matrix.T,
            matrix @ self.covariances @ matrix.T + noise**2 * torch.eye(len(y), dtype=torch.float64),
        )
        gain = torch.cholesky_solve(matrix @ self.covariances, measured.cholesky).mT
        means = self.means + torch.einsum("kdm,km->kd", gain, y - measured.means)
        covariances = self.covariances - gain @ matrix @ self.covariances
        weights = measured.responsibilities(y[None])[0]
        return GaussianMixture(weights, means, (covariances + covariances.mT) / 2)

    def _log_joint(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b k"]:
        """log pi_k + log N(x; mu_k, Sigma_k)."""
        if len(x) > ROWS:
            return torch.cat([self._log_joint(rows) for rows in x.split(ROWS)])
        z = torch.linalg.solve_triangular(
            self.cholesky, (x.double()[:, None] - self.means).permute(1, 2, 0), upper=False
        )
        log_z = _log_diagonal(self.cholesky) + 0.5 * x.shape[1] * math.log(2 * math.pi)
        return self.weights.log() - log_z - 0.5 * z.square().sum(1).T


def ring(components: int = 8, radius: float = 1.0, sigma: float = 0.05) -> GaussianMixture:
    """Equally weighted isotropic Gaussians on a circle (8 in Metz et al. 2017)."""
    angle = torch.arange(components, dtype=torch.float64) * (2 * math.pi / components)
    return _isotropic(radius * torch.stack([angle.cos(), angle.sin()], 1), sigma)


def grid(side: int = 5, spacing: float = 0.5, sigma: float = 0.05) -> GaussianMixture:
    """Equally weighted isotropic Gaussians on a square grid about 0 (5 x 5 in Srivastava et al. 2017)."""
    axis = (torch.arange(side, dtype=torch.float64) - (side - 1) / 2) * spacing
    return _isotropic(torch.cartesian_prod(axis, axis), sigma)


def two_moons(sigma: float = 0.1, nodes: int = 80) -> GaussianMixture:
    """Two interleaved half circles of radius 1 with Gaussian noise, as in scikit-learn.

    Arguments:
        sigma: standard deviation of the noise.
        nodes: Gaussians on each half circle; 80 have the density of continuous curves, to 1e-9 in log p.
    """
    t, weights = _gauss_legendre(nodes, math.pi)
    outer = torch.stack([t.cos(), t.sin()], 1)
    inner = torch.stack([1 - t.cos(), 0.5 - t.sin()], 1)
    return _isotropic(torch.cat([outer, inner]), sigma, weights.repeat(2) / 2)


def spirals(sigma: float = 0.1, nodes: int = 400) -> GaussianMixture:
    """Two Archimedean spirals of one and a half turns, r = t / 3, with Gaussian noise.

    As in FFJORD (Grathwohl et al. 2019). The density along the curves is proportional to t, which is almost
    uniform in their length.

    Arguments:
        sigma: standard deviation of the noise.
        nodes: Gaussians on each arm; 400 have the density of continuous curves, to 1e-9 in log p.
    """
    t, weights = _gauss_legendre(nodes, 3 * math.pi)
    arm = t[:, None] / 3 * torch.stack([t.cos(), t.sin()], 1)
    mass = weights * t / (weights * t).sum()
    return _isotropic(torch.cat([arm, -arm]), sigma, mass.repeat(2) / 2)


@dataclass(frozen=True)
class Checkerboard(ClosedForm):
    r"""Uniform on the black cells of a board about 0, p(x) = 1 / area; as in FFJORD (Grathwohl et al. 2019).

    Arguments:
        side: cells along each axis, even; the lower left one is black.
        width: of a cell.

    Errors: ValueError for a side that is odd or below 2, and a width that is not above 0.
    """

    side: int = 4
    width: float = 1.0

    def __post_init__(self) -> None:
        if self.side < 2 or self.side % 2 or not 0 < self.width < math.inf:
            got = f"side={self.side}, width={self.width:g}"
            raise ValueError(f"a checkerboard needs an even side and a width above 0; got {got}")

    @property
    def area(self) -> float:
        """Of the black cells, half of the board."""
        return (self.side * self.width) ** 2 / 2

    def log_prob(self, x: Float[Tensor, "b 2"]) -> Float[Tensor, " b"]:
        cell = (x.double() / self.width + self.side / 2).floor()
        black = ((cell >= 0) & (cell < self.side)).all(1) & (cell.sum(1) % 2 == 0)
        return torch.where(black, -math.log(self.area), -math.inf)

    def sample(self, rng: Rng) -> Float[Tensor, "b 2"]:
        row = rng.fork("row").integers(self.side)
        column = 2 * rng.fork("column").integers(self.side // 2) + row % 2
        within = rng.fork("place").uniform(2).double()
        x = (torch.stack([column, row], 1) - self.side / 2 + within) * self.width
        return x.float()

    def entropy(self, draws: int = 0, seed: int = 0) -> Entropy:
        """Exact: the logarithm of the area."""
        return Entropy(math.log(self.area), 0.0)


class DiscretizedMixture(ClosedForm):
    r"""A Gaussian mixture discretized to the grid of tiny pictures: P(x) = p(x) / sum_x' p(x').

    x is in {-1, ..., 1}^d with `levels` values per subpixel, the medium of `Pixels(levels, shape)`: float [B,
    C, H, W]. `table` has the probability of each of the levels^d pictures, so that entropy, marginals and
    conditionals are sums.

    Arguments:
        mixture: a mixture of dimension d = C H W.
        levels: values of a subpixel, at least 2.
        shape: (C, H, W).

    Errors: ValueError if the mixture's dimension is not C H W, or if there are more than 2^20 pictures.
    """

    def __init__(self, mixture: GaussianMixture, levels: int, shape: tuple[int, int, int]):
        self.mixture, self.levels, self.shape = mixture, levels, shape
        self.dims = math.prod(shape)
        if mixture.means.shape[1] != self.dims:
            raise ValueError(
                f"shape {shape} needs a mixture of dimension {self.dims}, got {mixture.means.shape[1]}"
            )
        if levels**self.dims > 2**20:
            raise ValueError(
                f"{levels}^{self.dims} pictures do not fit in a table; use fewer pixels or levels"
            )
        log_density = [mixture.log_prob(x.flatten(1)) for x in self.pictures().split(2**14)]
        self._log_table = torch.cat(log_density).log_softmax(0)
        self.table = self._log_table.exp().reshape((levels,) * self.dims)  # [levels] * d, in raster order

    def pictures(self) -> Float[Tensor, "n c h w"]:
        """All pictures, in the order of `table.flatten()`."""
        axes = [torch.arange(self.levels)] * self.dims
        k = torch.cartesian_prod(*axes).reshape(-1, *self.shape)
        return (k.double() * (2 / (self.levels - 1)) - 1).float()

    def log_prob(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, " b"]:
        return self._log_table[self.index(x)]

    def index(self, x: Float[Tensor, "b c h w"]) -> Int[Tensor, " b"]:
        """Index of each picture in `table.flatten()`."""
        k = ((x.flatten(1).double() + 1) * (0.5 * (self.levels - 1))).round().long()
        return k @ self.levels ** torch.arange(self.dims - 1, -1, -1)

    def sample(self, rng: Rng) -> Float[Tensor, "b c h w"]:
        cdf = self.table.flatten().cumsum(0)
        index = torch.searchsorted(cdf / cdf[-1], rng.uniform().double())
        digits = index[:, None] // self.levels ** torch.arange(self.dims - 1, -1, -1) % self.levels
        return (digits.double() * (2 / (self.levels - 1)) - 1).float().reshape(-1, *self.shape)

    def entropy(self, draws: int = 0, seed: int = 0) -> Entropy:
        """Exact entropy, a sum over the table."""
        return Entropy(-(self.table.flatten() * self._log_table).sum().item(), 0.0)


@dataclass(frozen=True)
class LinearGaussian(ClosedForm):
    r"""Probabilistic PCA, x = W z + mu + sigma eps with z, eps ~ N(0, I) (Tipping & Bishop 1999).

        p(x) = N(mu, W W^T + sigma^2 I)
        p(z | x) = N(M^-1 W^T (x - mu), sigma^2 M^-1),   M = W^T W + sigma^2 I

    Arguments:
        weight: W [d, q].
        mean: mu [d].
        sigma: standard deviation of the noise, above 0.
    """

    weight: Float[Tensor, "d q"]
    mean: Float[Tensor, " d"]
    sigma: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "weight", torch.as_tensor(self.weight, dtype=torch.float64))
        object.__setattr__(self, "mean", torch.as_tensor(self.mean, dtype=torch.float64))

    @property
    def marginal(self) -> GaussianMixture:
        """p(x), as a mixture of one component."""
        noise = self.sigma**2 * torch.eye(len(self.mean), dtype=torch.float64)
        covariance = self.weight @ self.weight.T + noise
        return GaussianMixture(torch.ones(1), self.mean[None], covariance[None])

    def log_prob(self, x: Float[Tensor, "b d"]) -> Float[Tensor, " b"]:
        return self.marginal.log_prob(x)

    def score(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        """grad_x log p(x)."""
        return self.marginal.score(x)

    def entropy(self, draws: int = 0, seed: int = 0) -> Entropy:
        return self.marginal.entropy()

    def posterior(self, x: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b q"], Float[Tensor, "q q"]]:
        """Mean and covariance of p(z | x); the covariance does not depend on x."""
        noise = self.sigma**2 * torch.eye(self.weight.shape[1], dtype=torch.float64)
        inverse = torch.linalg.inv(self.weight.T @ self.weight + noise)
        return (x.double() - self.mean) @ self.weight @ inverse, self.sigma**2 * inverse

    def sample(self, rng: Rng) -> Float[Tensor, "b d"]:
        return self.sample_joint(rng)[0]

    def sample_joint(self, rng: Rng) -> tuple[Float[Tensor, "b d"], Float[Tensor, "b q"]]:
        """Draw (x, z)."""
        z, eps = rng.fork("latent").normal(self.weight.shape[1]), rng.fork("noise").normal(len(self.mean))
        return (z.double() @ self.weight.T + self.mean + self.sigma * eps.double()).float(), z


def _isotropic(means: Tensor, sigma: float, weights: Tensor | None = None) -> GaussianMixture:
    """Gaussians of equal weight, or of these weights."""
    k, d = means.shape
    covariances = sigma**2 * torch.eye(d, dtype=torch.float64).expand(k, d, d)
    equal = torch.full((k,), 1 / k, dtype=torch.float64)
    return GaussianMixture(equal if weights is None else weights, means, covariances)


def _gauss_legendre(nodes: int, length: float) -> tuple[Tensor, Tensor]:
    """Nodes of a quadrature on [0, length], and its weights, which sum to 1."""
    x, weights = (torch.from_numpy(values) for values in np.polynomial.legendre.leggauss(nodes))
    return (x + 1) * (length / 2), weights / weights.sum()


def _log_diagonal(cholesky: Tensor) -> Tensor:
    """log det L = log det Sigma / 2 of each Cholesky factor [K, d, d]."""
    return cholesky.diagonal(dim1=1, dim2=2).log().sum(1)
