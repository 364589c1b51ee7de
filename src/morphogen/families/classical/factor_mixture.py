r"""Mixtures of factor analysers: Gaussian mixtures whose covariances are of low rank, and a diagonal.

    p(x | c) = sum_k pi_ck N(x; mu_k, W_k W_k^T + Psi_k)

A component has d q numbers in place of d (d + 1) / 2. With beta = W^T Sigma^-1, the E-step has
E[z | x] = beta (x - mu) and the M-step, given the covariance S of the component's rows,

    W = S beta^T (I - beta W + beta S beta^T)^-1,     Psi = diag(S - W beta S)

of which only S beta^T and diag(S) are needed (Ghahramani & Hinton 1996, "The EM algorithm for mixtures of
factor analyzers"; McLachlan, Peel & Bean 2003 for the order of the steps, in which means come first).
"""

__all__ = ["FactorMixture"]

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Losses
from morphogen.families.classical.mixture import TINY, Mixture, class_counts, scaled_noise
from morphogen.numerics.randomness import Rng


class FactorMixture(Mixture):
    """A mixture of factor analysers (Ghahramani & Hinton 1996), the low-rank covariance of pictures.

    Arguments:
        components, shape, classes: see `Mixture`.
        rank: q, number of factors of each component, from 1 to d - 1.
        floor: smallest noise variance Psi, in the units of x squared, above 0.

    Raises:
        ConfigError: if an argument is out of range, or a context has the wrong width.
    """

    def __init__(
        self, components: int, shape: tuple[int, ...], rank: int, classes: int = 0, floor: float = 1e-3
    ):
        super().__init__(components, shape, classes, "diagonal", floor)
        d = math.prod(shape)
        if not 1 <= rank < d:
            raise ConfigError(f"FactorMixture: rank={rank} must be from 1 to {d - 1}, for x of {d} numbers")
        self.rank = rank
        self.register_buffer("loadings", torch.zeros(components, d, rank, dtype=torch.float64))  # W

    loadings: Float[Tensor, "k d q"]

    @property
    def noise(self) -> Float[Tensor, "k d"]:
        """Psi, the variances that are left of each number."""
        return self.scatter + self.floor

    @property
    def covariances(self) -> Float[Tensor, "k d d"]:
        """Sigma = W W^T + Psi."""
        return self.loadings @ self.loadings.mT + self.noise.diag_embed()

    @property
    def free_parameters(self) -> int:
        """Numbers that EM estimates; a rotation of the factors is none."""
        d, q, (c, k) = self.means.shape[1], self.rank, self.weights.shape
        return c * k - 1 + k * (2 * d + d * q - q * (q - 1) // 2)

    def scales(self) -> Float[Tensor, "k d n"]:
        """[W, Psi^(1/2)], of whose rows a sample is the product with d + q numbers of N(0, 1)."""
        return torch.cat([self.loadings, self.noise.sqrt().diag_embed()], 2)

    def deviations(self, component: Int[Tensor, " b"], rng: Rng) -> Float[Tensor, "b d"]:
        """Draw W_k z + Psi_k^(1/2) eps, without a matrix [d, d]."""
        z, eps = rng.normal(self.rank + self.means.shape[1]).double().split([self.rank, len(self.means.T)], 1)
        return scaled_noise(component, z, self.loadings) + eps * self.noise.sqrt()[component]

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        flat = x.x.flatten(1).double()
        log_joint = self._log_joint(flat, context)
        statistics = self._moments(flat, log_joint.softmax(1), context)
        return Losses({"nll": -log_joint.logsumexp(1)}, statistics=statistics)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Initialize the components as clusters, with random factors that have half of the variance."""
        super().prepare(x, context, rng)
        d, noise = self.means.shape[1], self.scatter + self.floor
        random = Rng(rng.seed, self.components, (*rng.path, "loadings")).normal(d, self.rank).double()
        self.loadings.copy_((noise / (2 * self.rank)).sqrt()[..., None] * random)
        self.scatter.copy_((noise / 2 - self.floor).clamp_min(0))

    def _log_joint(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b k"]:
        """log p(x, k | c), by Woodbury's identity: O(d q) a row and component."""
        columns = []
        for mean, weight, noise in zip(self.means, self.loadings, self.noise, strict=True):
            scaled, deviation = weight / noise[:, None], x - mean
            factor = torch.linalg.cholesky(torch.eye(self.rank).to(weight) + weight.T @ scaled)
            explained = torch.linalg.solve_triangular(factor, (deviation @ scaled).T, upper=False)
            square = (deviation.square() / noise).sum(1) - explained.square().sum(0)
            log_det = noise.log().sum() + 2 * factor.diagonal().log().sum()
            columns.append(-0.5 * (square + log_det + x.shape[1] * math.log(2 * math.pi)))
        return torch.stack(columns, 1) + self.log_weights(context, len(x))

    def _moments(
        self, x: Float[Tensor, "b d"], r: Float[Tensor, "b k"], context: Context | None
    ) -> dict[str, Tensor]:
        """Sums weighted by r: counts, first, squares, and the products of x with its factors, beta x."""
        projected = [(r_k[:, None] * x).T @ (x @ beta.T) for r_k, beta in zip(r.T, self._beta(), strict=True)]
        sums = {"first": r.T @ x, "second": r.T @ x.square(), "projected": torch.stack(projected)}
        return sums | {"counts": class_counts(self, r, context)}

    def _beta(self) -> Float[Tensor, "k q d"]:
        """W^T Sigma^-1 = (I + W^T Psi^-1 W)^-1 W^T Psi^-1."""
        scaled = (self.loadings / self.noise[..., None]).mT
        return torch.linalg.solve(torch.eye(self.rank).to(scaled) + scaled @ self.loadings, scaled)

    def _maximise(self, statistics: dict[str, Tensor], rate: float) -> None:
        beta, weight = self._beta(), statistics["counts"].sum(0).clamp_min(TINY)
        super()._maximise(statistics, rate)
        if "projected" not in statistics:  # of clusters
            return
        projected = statistics["projected"] / weight[:, None, None]
        projected = projected - self.means[..., None] * (beta @ self.means[..., None]).mT
        expected = torch.eye(self.rank).to(beta) - beta @ self.loadings + beta @ projected
        loadings = torch.linalg.solve(expected.mT, projected.mT).mT
        noise = self.scatter - (loadings * projected).sum(2)
        seen = (weight > 1e-6)[:, None]
        self.loadings.copy_(torch.where(seen[..., None], loadings, self.loadings))
        self.scatter.copy_((noise - self.floor).clamp_min(0))
