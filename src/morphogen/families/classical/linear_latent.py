r"""Probabilistic principal component analysis, in closed form or by expectation-maximization.

    x = W z + mu_c + sigma eps,     p(x | c) = N(mu_c, W W^T + sigma^2 I)

With the eigenvalues l_1 >= l_2 .. and vectors U of the covariance of the rows about their class's mean, the
maximum of the likelihood is

    sigma^2 = mean of l_(q+1) .. l_d,     W = U_q (L_q - sigma^2 I)^(1/2)

EM has only d q numbers, and approaches it: with M = W^T W + sigma^2 I and E[z | x] = M^-1 W^T (x - mu),

    W <- sum_i (x_i - mu) E[z_i]^T (sum_i E[z_i z_i^T])^-1

Paper: Probabilistic principal component analysis, Tipping & Bishop, 1999 (equations 7, 8, and 27, 28).
"""

__all__ = ["ProbabilisticPCA", "ProbabilisticPCASampler"]

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.classical.mixture import TINY, class_probabilities
from morphogen.numerics.randomness import Rng
from morphogen.representations.degenerate import warn_if_singular


class ProbabilisticPCA(Objective):
    """Probabilistic PCA (Tipping & Bishop 1999); classes have a mean each, and share the covariance.

    Arguments:
        shape: shape of one x; its dimension d is the product.
        rank: q, number of latents, from 1 to d - 1.
        classes: number of classes, the width of the one-hot `context.vector [B, classes]`; 0: unconditional.
            Without a context the marginal distribution, a mixture, is used.
        method: "closed form" needs d^2 numbers and one round, two with classes; "em" d q, and many rounds.
        floor: smallest sigma^2, in the units of x squared, above 0.

    Raises:
        ConfigError: if an argument is out of range, or a context has the wrong width.
    """

    def __init__(
        self, shape: tuple[int, ...], rank: int, classes: int = 0,
        method: Literal["closed form", "em"] = "closed form", floor: float = 1e-6,
    ):  # fmt: skip
        super().__init__()
        d = math.prod(shape)
        if not 1 <= rank < d or classes < 0 or not 0 < floor < math.inf:
            raise ConfigError(
                f"ProbabilisticPCA of {d} numbers needs rank from 1 to {d - 1}, classes >= 0, floor > 0; got "
                f"rank={rank}, classes={classes}, floor={floor:g}"
            )
        self.shape, self.rank, self.classes, self.method, self.floor = (
            tuple(shape),
            rank,
            classes,
            method,
            floor,
        )
        c = max(classes, 1)
        self.register_buffer("weights", torch.full((c,), 1 / c, dtype=torch.float64))  # p(c)
        self.register_buffer("means", torch.zeros(c, d, dtype=torch.float64))
        self.register_buffer("loadings", torch.zeros(d, rank, dtype=torch.float64))  # W
        self.register_buffer("noise", torch.ones((), dtype=torch.float64))  # sigma^2

    weights: Float[Tensor, " c"]
    means: Float[Tensor, "c d"]
    loadings: Float[Tensor, "d q"]
    noise: Float[Tensor, ""]

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the model is fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        flat = x.x.flatten(1).double()
        log_joint = self._log_joint(flat, context)
        r = log_joint.softmax(1)
        deviation = flat - r @ self.means
        sums = {"counts": r.sum(0), "first": r.T @ deviation, "squared": deviation.square().sum()}
        if self.method == "closed form":
            sums["second"] = deviation.T @ deviation
        else:
            z, covariance = self.posterior(deviation)
            sums |= {"across": deviation.T @ z, "latent": z.T @ z + len(z) * covariance}
        return Losses({"nll": -log_joint.logsumexp(1)}, statistics=sums)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """The means of the first batch; a closed form, or random factors with half of the variance."""
        flat = x.x.flatten(1).double()
        warn_if_singular(flat, "density of ProbabilisticPCA")
        p_class = class_probabilities(self.classes, context)
        r = torch.full_like(flat[:, :1], 1.0).expand(-1, len(self.weights)) if p_class is None else p_class
        overall = flat.mean(0)
        self.means.copy_(overall + (r.T @ (flat - overall)) / r.sum(0).clamp_min(1)[:, None])
        variance = (flat - (r / r.sum(1, keepdim=True)) @ self.means).square().mean().clamp_min(self.floor)
        random = Rng(rng.seed, len(self.loadings), (*rng.path, "loadings")).normal(self.rank).double()
        self.loadings.copy_((variance / (2 * self.rank)).sqrt() * random)
        self.noise.copy_((variance / 2).clamp_min(self.floor))
        if self.method == "closed form":
            self.update_from_statistics(self.losses(x, context, rng, "model").statistics, 0)

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """The M-step: the eigenvectors of the covariance, or one round of EM."""
        counts, n, d = statistics["counts"], statistics["counts"].sum(), len(self.loadings)
        shift = statistics["first"] / counts.clamp_min(TINY)[:, None]
        if self.method == "closed form":
            between = (counts[:, None] * shift).T @ shift
            values, vectors = torch.linalg.eigh((statistics["second"] - between) / n)
            self.noise.copy_(values[: d - self.rank].mean().clamp_min(self.floor))
            top = vectors[:, d - self.rank :].flip(1), values[d - self.rank :].flip(0)
            self.loadings.copy_(top[0] * (top[1] - self.noise).clamp_min(0).sqrt())
        else:
            across, latent = statistics["across"], statistics["latent"]
            loadings = torch.linalg.solve(latent, across.T).T
            left = statistics["squared"] - (loadings * across).sum()
            self.loadings.copy_(loadings)
            self.noise.copy_((left / (n * d)).clamp_min(self.floor))
        self.weights.copy_(counts / n)
        self.means.add_(shift)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        context, rng = self.receive_mask(x.mask, context, rng)
        nats = self._log_joint(x.x.flatten(1).double(), context).logsumexp(1)
        return Likelihood(nats, x.dims, kind="exact", measure="density")

    def posterior(self, deviation: Float[Tensor, "b d"]) -> tuple[Float[Tensor, "b q"], Float[Tensor, "q q"]]:
        """Mean and covariance of p(z | x), of x - mu."""
        precision = self.loadings.T @ self.loadings + self.noise * torch.eye(self.rank).to(deviation)
        inverse = torch.linalg.inv(precision)
        return deviation @ self.loadings @ inverse, self.noise * inverse

    def log_weights(self, context: Context | None, rows: int) -> Float[Tensor, "b c"]:
        """log p(c), or of each row's class."""
        p_class = class_probabilities(self.classes, context)
        return self.weights.clamp_min(TINY).log().expand(rows, -1) if p_class is None else p_class.log()

    def default_sampler(self) -> Sampler:
        return ProbabilisticPCASampler()

    def _log_joint(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b c"]:
        """log p(x, c), by Woodbury's identity: O(d q) a row."""
        d, q = self.loadings.shape
        small = torch.eye(q).to(x) + self.loadings.T @ self.loadings / self.noise
        factor = torch.linalg.cholesky(small)
        columns = []
        for mean in self.means:
            deviation = x - mean
            explained = torch.linalg.solve_triangular(factor, (deviation @ self.loadings).T, upper=False)
            square = deviation.square().sum(1) / self.noise - explained.square().sum(0) / self.noise**2
            log_det = d * self.noise.log() + 2 * factor.diagonal().log().sum()
            columns.append(-0.5 * (square + log_det + d * math.log(2 * math.pi)))
        return torch.stack(columns, 1) + self.log_weights(context, len(x))


class ProbabilisticPCASampler(Sampler):
    """Draw c, z and eps, and x = W z + mu_c + temperature sigma eps (Tipping & Bishop 1999); exact at 1.

    Arguments:
        temperature: multiplier of the noise eps, at least 0; at 0 samples are in the principal subspace.
    """

    requires = "loadings"

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        component = rng.fork("class").categorical(objective.log_weights(context, len(rng)))
        z, eps = rng.fork("latent").normal(objective.rank), rng.fork("noise").normal(math.prod(shape))
        x = objective.means[component] + z.double() @ objective.loadings.T
        x = x + self.temperature * objective.noise.sqrt() * eps.double()
        return x.reshape(-1, *shape).float()
