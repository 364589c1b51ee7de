r"""Gaussian copulas of tables: the columns as they are, and one correlation matrix of their normal scores.

    z | c ~ N(mu_c, Sigma_c),    a number has the score z_j,    a category k is where t_jk < z_j <= t_j(k+1)

The thresholds t_j are the quantiles of the masses of the codes, so that without classes, where mu = 0 and
Sigma is a correlation matrix, every column has the distribution of the training rows: only their dependence
is modelled. Whether a number is missing is independent of all; a missing category is a code. Then

    p(x) = N(z_o; mu_o, Sigma_oo) P(t < z_m <= t' | z_o)

for the scores z_o of the numbers that exist and the categories m. The probability of a box is simulated one
column after the other (Geweke, Hajivassiliou & Keane: Hajivassiliou, McFadden & Ruud 1996),

    P = E prod_j P(t_j < z_j <= t_j' | z_o, z_1 .. z_(j-1)),      z_j drawn from that interval,

which is exact for one column of categories, and a lower bound of log p in expectation for several.

EM has the same draws, weighted by the product, as its E-step (Zhao & Udell 2020, "Missing value imputation
for mixed data via Gaussian copula"); for complete numbers one round is the closed form, their correlation.

A copula treats categories as ordered, and those of a table are in the order of the alphabet. Copulas of
synthetic data sort them by frequency, or not at all (Patki, Wedge & Veeramachaneni 2016, "The synthetic data
vault"); here the order is that which shows most of their dependence (`category_order`).

References: Sklar 1959; Song, Li & Yuan 2009, "Joint regression analysis of correlated data using Gaussian
copulas".
"""

__all__ = ["CopulaSampler", "GaussianCopula"]

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.classical.category_order import category_order
from morphogen.families.classical.latent_scores import Cells, Completed, LatentScores
from morphogen.families.classical.mixed_mixture import ScoredTable, check_scores
from morphogen.numerics.distributions import gaussian_cdf
from morphogen.numerics.randomness import Rng

TINY = 1e-12


class GaussianCopula(Objective):
    r"""A Gaussian copula of numbers and categories, with the mean and covariance of each class.

        Sigma_c = (n_c S_c + prior W) / (n_c + prior) + floor I,     W = sum_c n_c S_c / n

    With classes the columns need not have their overall distribution within one. The order of the categories
    shows most of their dependence on the other columns of the first batch (`category_order`).

    Arguments:
        table: the representation of the rows, a `ScoredTable`.
        classes: number of classes, the width of the one-hot `context.vector [B, classes]`; 0: unconditional.
        floor: added to every variance, above 0; it keeps duplicate columns from a singular covariance.
        prior: shrinkage of the classes' covariances towards W, in rows, at least 0.
        draws: of the latent scores of categories, for each row, at least 1.

    Raises:
        ConfigError: if an argument is out of range, or a context has the wrong width.
    """

    def __init__(
        self, table: ScoredTable, classes: int = 0, floor: float = 1e-3, prior: float = 0.0, draws: int = 16
    ):
        super().__init__()
        if classes < 0 or not 0 < floor < math.inf or not 0 <= prior < math.inf or draws < 1:
            values = f"classes={classes}, floor={floor:g}, prior={prior:g}, draws={draws}"
            raise ConfigError(
                f"GaussianCopula needs classes >= 0, floor > 0, prior >= 0, draws >= 1; got {values}"
            )
        self.table, self.classes, self.floor, self.prior, self.draws = table, classes, floor, prior, draws
        places = [torch.arange(len(masses)) for masses in table.masses]
        self.register_buffer("places", torch.cat(places))  # of the codes of all columns, one after the other
        c, d = max(classes, 1), len(table.masses)
        self.register_buffer("weights", torch.full((c,), 1 / c, dtype=torch.float64))
        self.register_buffer("means", torch.zeros(c, d, dtype=torch.float64))
        self.register_buffer("scatter", torch.eye(d).double().repeat(c, 1, 1))
        self.register_buffer("rows", torch.ones((), dtype=torch.float64))

    places: Int[Tensor, " v"]
    weights: Float[Tensor, " c"]
    means: Float[Tensor, "c d"]
    scatter: Float[Tensor, "c d d"]
    rows: Float[Tensor, ""]

    @property
    def latent(self) -> LatentScores:
        """The latent scores of the table, in the order of its categories."""
        return LatentScores(self.table, self.places.split([len(masses) for masses in self.table.masses]))

    @property
    def covariances(self) -> Float[Tensor, "c d d"]:
        """Sigma_c; without classes, one correlation matrix."""
        weight, prior = self.weights[:, None, None], self.prior / self.rows
        pooled = (weight * self.scatter).sum(0) / weight.sum()
        shrunk = (weight * self.scatter + prior * pooled) / (weight + prior).clamp_min(TINY)
        covariances = shrunk + self.floor * torch.eye(shrunk.shape[1]).to(shrunk)
        if self.classes:
            return covariances
        scale = covariances.diagonal(dim1=1, dim2=2).sqrt()
        return covariances / scale[:, :, None] / scale[:, None, :]

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the model is fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        log_class = self.log_weights(context, len(rng))
        completed = self.complete(x.x, rng.fork("latent"), self.draws)
        log_joint = log_class + torch.stack([_log_mean(each.log_weight) for each in completed], 1)
        statistics = _statistics(log_joint.softmax(1), completed)
        nll = -log_joint.logsumexp(1) - self.latent.log_exists(x.x)
        return Losses({"nll": nll}, statistics=statistics)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Order the categories, and fit the first batch. Errors: ConfigError for NaN and inf."""
        check_scores(x.x["scores"])
        sizes, numbers = [len(masses) for masses in self.table.masses], list(self.table.numbers)
        self.places.copy_(torch.cat(category_order(x.x["codes"], x.x["scores"], numbers, sizes)))
        self.update_from_statistics(self.losses(x, context, rng, "model").statistics, 0)

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """The M-step."""
        counts, rows = statistics["counts"], statistics["counts"].sum()
        seen = (counts > TINY)[:, None]
        means = statistics["first"] / counts.clamp_min(TINY)[:, None] * (1.0 if self.classes else 0.0)
        second = statistics["second"] / counts.clamp_min(TINY)[:, None, None]
        scatter = second - means[:, :, None] * means[:, None, :]
        self.means.copy_(torch.where(seen, means, self.means))
        self.scatter.copy_(torch.where(seen[..., None], scatter, self.scatter))
        self.weights.copy_(counts / rows)
        self.rows.copy_(rows)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """log p of the cells that are not given; -inf for an x with other cells than the given.

        Exact with at most one column of categories, and otherwise a lower bound in expectation; the ratio of
        two such bounds, given cells of several, is an estimate.
        """
        context, rng = self.receive_mask(x.mask, context, rng)
        nats, error = self._log_marginal(x.x, context, rng)
        exact = len(self.latent.categories) <= 1
        kind: Any = "exact" if exact else "lower_bound"
        if context is None or context.given is None:
            return Likelihood(nats, x.dims, kind, "density", draws=1 if exact else self.draws)
        given, known = context.given["codes"], context.given["codes"] >= 0
        below, other = self._log_marginal(context.given, context, rng)
        nats = (nats - below).masked_fill((known & (given != x.x["codes"])).any(1), -torch.inf)
        if exact:
            return Likelihood(nats, x.dims, kind, "density")
        return Likelihood(
            nats, x.dims, "estimate", "density", stderr=(error.square() + other.square()).sqrt()
        )

    def default_sampler(self) -> Sampler:
        return CopulaSampler()

    def log_weights(self, context: Context | None, rows: int) -> Float[Tensor, "b c"]:
        """log p(c), or of each row's class."""
        if context is None or context.vector is None or not self.classes:
            return self.weights.clamp_min(TINY).log().expand(rows, -1)
        if (width := context.vector.shape[1]) != self.classes:
            raise ConfigError(
                f"GaussianCopula(classes={self.classes}) received a context vector of width {width}: use the "
                "conditioner OneHot"
            )
        return context.vector.double().log()

    def complete(self, x: Cells, rng: Rng, draws: int) -> list[Completed]:
        """Draws of the latent scores of every row in each class, with their weights."""
        latent, pairs = self.latent, zip(self.means, self.covariances, strict=True)
        return [latent.complete(x, mean, covariance, rng, draws) for mean, covariance in pairs]

    def _log_marginal(
        self, x: Cells, context: Context | None, rng: Rng
    ) -> tuple[Float64[Tensor, " b"], Float64[Tensor, " b"]]:
        """log p of the cells, without those of code -1, and its Monte Carlo error."""
        log_class, parts, errors = self.log_weights(context, len(rng)), [], []
        for each in self.complete(x, rng.fork("latent"), self.draws):
            parts.append(_log_mean(each.log_weight))
            ratio = (each.log_weight - parts[-1][:, None]).exp().nan_to_num(0.0)
            errors.append(ratio.std(1, correction=0) / math.sqrt(self.draws))
        log_joint = log_class + torch.stack(parts, 1)
        error = (log_joint.softmax(1) * torch.stack(errors, 1)).sum(1)
        return log_joint.logsumexp(1) + self.latent.log_exists(x), error


class CopulaSampler(Sampler):
    """Draw the class, the latent scores, and the cells that they show; given cells are kept.

    Given several categories, one of the weighted draws of the scores is chosen by its weight (Rubin 1987,
    "The calculation of posterior distributions by data augmentation", sampling-importance-resampling), which
    is exact for many `draws`; given numbers, or one category, it is exact for any.

    Arguments:
        complete: draw no missing cells, as imputation requires.
        draws: of the scores of a row with given cells, of which one is chosen, at least 1.

    Raises:
        ConfigError: if draws is below 1.
    """

    requires = "latent"

    def __init__(self, complete: bool = False, draws: int = 64):
        if draws < 1:
            raise ConfigError(f"CopulaSampler: draws={draws} must be at least 1")
        self.complete, self.draws = complete, draws

    def __call__(
        self, objective: Any, shape: Mapping[str, tuple[int, ...]], context: Context | None, rng: Rng
    ) -> dict[str, Tensor]:
        self.check(objective)
        n = len(rng)
        free = torch.full((n, *shape["codes"]), -1, device=rng.rows.device)
        nothing = {"codes": free, "scores": torch.zeros(n, *shape["scores"], device=free.device)}
        given = nothing if context is None or context.given is None else context.given
        draws, latent = 1 if given is nothing else self.draws, rng.fork("latent")
        every = objective.complete(given, latent, draws)
        log_class = objective.log_weights(context, n)
        log_joint = log_class + torch.stack([_log_mean(each.log_weight) for each in every], 1)
        chosen, row = rng.fork("class").categorical(log_joint), torch.arange(n, device=free.device)
        log_weight = torch.stack([each.log_weight for each in every], 1)[row, chosen]
        draw = rng.fork("draw").categorical(log_weight)
        z = torch.stack([each.z[row, draw] for each in every], 1)[row, chosen]
        return self._cells(objective, given, z, rng.fork("missing"))

    def _cells(self, objective: Any, given: Cells, z: Float64[Tensor, "b d"], rng: Rng) -> dict[str, Tensor]:
        """What the latent scores show; a number is missing with the probability of its column."""
        latent, masses = objective.latent, [each.double() for each in objective.table.masses]
        codes = torch.ones_like(given["codes"])
        for j in latent.categories:
            u, none = gaussian_cdf(z[:, j]), masses[j][0].item()
            u = none + (1 - none) * u if self.complete else u
            inner = latent.thresholds[j][1:-1].to(z)
            codes[:, j] = latent.codes[j][torch.searchsorted(inner, torch.special.ndtri(u).contiguous())]
        for j in latent.numbers:
            gone = (rng.uniform() < masses[j][0].item()) & (not self.complete)
            codes[:, j] = (~gone).long()
        codes = torch.where(given["codes"] >= 0, given["codes"], codes)
        scores = torch.where(codes[:, latent.numbers] > 0, z[:, latent.numbers], 0.0)
        kept = given["codes"][:, latent.numbers] > 0
        return {"codes": codes, "scores": torch.where(kept, given["scores"], scores.float()).float()}


def _statistics(r: Float[Tensor, "b c"], completed: list[Completed]) -> dict[str, Tensor]:
    """Sums over the draws of each class, weighted: counts [C], first [C, D] and second moments [C, D, D]."""
    first, second = [], []
    for r_c, each in zip(r.T, completed, strict=True):
        weighted = (r_c[:, None] * each.log_weight.softmax(1))[..., None] * each.z
        first.append(weighted.sum((0, 1)))
        second.append(torch.einsum("bsd,bse->de", weighted, each.z))
    return {"counts": r.sum(0), "first": torch.stack(first), "second": torch.stack(second)}


def _log_mean(log_weight: Float[Tensor, "b s"]) -> Float[Tensor, " b"]:
    return log_weight.logsumexp(1) - math.log(log_weight.shape[1])
