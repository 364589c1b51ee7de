r"""Mixtures of mixed, incomplete data: codes and real numbers, of which some are missing.

    p(x | c) = sum_k pi_ck prod_j P_kj(code_j) N(z_o; mu_k, Sigma_k)_o

Within a component the columns of categories are independent, and so is whether a number is missing; the
numbers z are Gaussian, and o are those that exist: the others are integrated out. EM has their conditional
moments in the E-step,

    E[z_m | z_o, k] = mu_m + Sigma_mo Sigma_oo^-1 (z_o - mu_o)
    Cov[z_m | z_o, k] = Sigma_mm - Sigma_mo Sigma_oo^-1 Sigma_om

for all rows of one pattern of missing numbers at once (Ghahramani & Jordan 1994, "Supervised learning from
incomplete data via an EM approach"; Little & Rubin 2002, section 11.2). The conditional distribution given
any cells is exact too: it is a mixture of the same components.
"""

__all__ = ["MixedMixture", "MixedMixtureSampler", "ScoredTable", "check_scores"]

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Sampler
from morphogen.families.classical.mixture import TINY, Mixture, class_counts, cluster
from morphogen.numerics.randomness import Rng

Cells = Mapping[str, Tensor]  # "codes" int64 [B, D], "scores" [B, d]


@runtime_checkable
class ScoredTable(Protocol):
    """A representation of rows by codes, 0 where a cell is missing, and scores of the columns of numbers."""

    masses: Sequence[Float[Tensor, " v"]]  # per column, the fraction of the training rows with each code
    numbers: Mapping[int, Any]  # the columns that have a score, in order; their codes are 0 or 1


class MixedMixture(Mixture):
    """A mixture of products of categorical distributions and a Gaussian of the scores that exist.

        P_kj = (n_k f_kj + a m_j) / (n_k + a),      m_j: the masses of the codes in the training rows

    f_kj are the fractions of the codes in component k, shrunk by a Dirichlet prior as the covariances are by
    theirs.

    Arguments:
        components: number of components K, at least 1; a multiple of `classes` is divided evenly.
        table: the representation of the rows, a `ScoredTable`.
        classes, floor, prior: see `Mixture`.
        smoothing: a, in rows, at least 0.
    """

    def __init__(
        self, components: int, table: ScoredTable, classes: int = 0, floor: float = 1e-3, prior: float = 0.0,
        smoothing: float = 1.0,
    ):  # fmt: skip
        super().__init__(components, (len(table.numbers),), classes, "full", floor, prior)
        self.smoothing = smoothing
        self.table, masses = table, [each.double() for each in table.masses]
        self.starts = [sum(map(len, masses[:j])) for j in range(len(masses))]
        self.register_buffer("pooled", torch.cat(masses), persistent=False)
        self.register_buffer("fractions", torch.cat(masses).repeat(components, 1))  # f [K, V]

    pooled: Float64[Tensor, " v"]
    fractions: Float64[Tensor, "k v"]

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        log_joint = self.log_joint(x.x, context)
        statistics = self._moments(x.x, log_joint.softmax(1), context)
        return Losses({"nll": -log_joint.logsumexp(1)}, statistics=statistics)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact log p of the cells that are not given; -inf for an x with other cells than the given."""
        context, rng = self.receive_mask(x.mask, context, rng)
        nats = self.log_joint(x.x, context).logsumexp(1)
        if context is not None and context.given is not None:
            given = context.given["codes"]
            nats = nats - self.log_joint(context.given, context).logsumexp(1)
            nats = nats.masked_fill(((given >= 0) & (given != x.x["codes"])).any(1), -torch.inf)
        return Likelihood(nats, x.dims, kind="exact", measure="density")

    def default_sampler(self) -> Sampler:
        return MixedMixtureSampler()

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Initialize the components as clusters; a category counts as a random point (Achlioptas 2003)."""
        check_scores(x.x["scores"])
        codes, points = x.x["codes"], [x.x["scores"].double()]
        for j in range(codes.shape[1]):
            if j not in self.table.numbers:
                corners = Rng(0, len(self.table.masses[j]), ("corners", j)).normal(4).to(points[0]) / 2
                points.append(corners[codes[:, j]])
        assigned = cluster(torch.cat(points, 1), self.components, self.classes, context, rng)
        self._maximise(self._moments(x.x, assigned, context), rate=1.0)

    def log_codes(self) -> Float64[Tensor, "k v"]:
        """log P_k of the codes of all columns."""
        weight = self.weights.sum(0)[:, None] + TINY
        added = self.smoothing / self.rows
        return ((weight * self.fractions + added * self.pooled) / (weight + added)).log()

    def log_joint(self, x: Cells, context: Context | None) -> Float64[Tensor, "b k"]:
        """log p(x, k | c); cells with code -1 are integrated out."""
        codes, scores = x["codes"], x["scores"].double()
        log_codes, total = self.log_codes(), self.log_weights(context, len(codes)).clone()
        for j, start in enumerate(self.starts):
            known = codes[:, j, None] >= 0
            total = total + torch.where(known, log_codes.T[start + codes[:, j].clamp_min(0)], 0.0)
        covariances = self.covariances
        for rows, seen, _ in _patterns(self.observed(codes)):
            for k, (mean, covariance) in enumerate(zip(self.means, covariances, strict=True)):
                scale = torch.linalg.cholesky(covariance[seen][:, seen])
                z = torch.linalg.solve_triangular(scale, (scores[rows][:, seen] - mean[seen]).T, upper=False)
                log_det = scale.diagonal().log().sum() + 0.5 * len(z) * math.log(2 * math.pi)
                total[rows, k] += -0.5 * z.square().sum(0) - log_det
        return total

    def observed(self, codes: Int[Tensor, "b d"]) -> Bool[Tensor, "b s"]:
        """Which of the scores exist and are known."""
        return codes[:, list(self.table.numbers)] > 0

    def _moments(self, x: Cells, r: Float[Tensor, "b k"], context: Context | None) -> dict[str, Tensor]:
        """Sums weighted by r: those of `Mixture`, with the moments of missing scores, and of the codes."""
        codes, scores = x["codes"], x["scores"].double()
        counts = torch.zeros_like(self.fractions).T
        for j, start in enumerate(self.starts):
            counts = counts.index_add(0, start + codes[:, j], r)
        total: dict[str, Tensor] = {}
        covariances = self.covariances
        for rows, seen, unseen in _patterns(self.observed(codes)):
            first, second = [], []
            for k, (mean, covariance) in enumerate(zip(self.means, covariances, strict=True)):
                filled = scores[rows].clone()
                gain = _gain(covariance, seen, unseen)
                filled[:, unseen] = mean[unseen] + (filled[:, seen] - mean[seen]) @ gain.T
                weighted = r[rows, k, None] * filled
                spread = torch.zeros_like(covariance)
                left = covariance[unseen][:, unseen] - gain @ covariance[seen][:, unseen]
                spread[unseen[:, None], unseen] = r[rows, k].sum() * left
                first.append(weighted.sum(0))
                second.append(weighted.T @ filled + spread)
            sums = {"first": torch.stack(first), "second": torch.stack(second)}
            total = {name: value + total[name] if total else value for name, value in sums.items()}
        return total | {"codes": counts.T, "counts": class_counts(self, r, context)}

    def _maximise(self, statistics: dict[str, Tensor], rate: float) -> None:
        super()._maximise(statistics, rate)
        rows = statistics["counts"].sum(0)[:, None]
        fractions = statistics["codes"] / rows.clamp_min(TINY)
        self.fractions.copy_(torch.where(rows > TINY, fractions, self.pooled))


class MixedMixtureSampler(Sampler):
    """Draw k ~ p(k | c), the codes, and the scores; given cells are kept.

    Given scores condition a joint sample z of the component (Matheron's rule, Journel & Huijbregts 1978):

        z_m + Sigma_mo Sigma_oo^-1 (given - z_o)

    Arguments:
        complete: draw no missing cells, as imputation requires.
    """

    requires = "log_joint"

    def __init__(self, complete: bool = False):
        self.complete = complete

    def __call__(
        self, objective: Any, shape: Mapping[str, tuple[int, ...]], context: Context | None, rng: Rng
    ) -> dict[str, Tensor]:
        self.check(objective)
        n, table = len(rng), objective.table
        free = torch.full((n, *shape["codes"]), -1, device=rng.rows.device)
        nothing = {"codes": free, "scores": torch.zeros(n, *shape["scores"], device=free.device)}
        given = nothing if context is None or context.given is None else context.given
        component = rng.fork("component").categorical(objective.log_joint(given, context))
        drawn, log_codes = rng.fork("codes"), objective.log_codes()
        if self.complete:
            log_codes[:, objective.starts] = -torch.inf
        codes = torch.stack(
            [
                _inverse_cdf(log_codes[:, start : start + len(masses)], component, drawn.uniform())
                for start, masses in zip(objective.starts, table.masses, strict=True)
            ],
            1,
        )
        codes = torch.where(given["codes"] >= 0, given["codes"], codes)
        scores = _conditioned(objective, component, given, rng.fork("noise").normal(*shape["scores"]))
        exists = objective.observed(codes)
        return {"codes": codes, "scores": torch.where(exists, scores, 0.0).float()}


def check_scores(scores: Float[Tensor, "b s"]) -> None:
    """Check the scores of rows. Errors: ConfigError for the first that is not finite."""
    if len(bad := (~scores.isfinite()).nonzero()):
        row, column = bad[0].tolist()
        raise ConfigError(
            f"row {row}, score {column} is {scores[row, column].item():g}: give finite numbers, or leave the "
            "cell missing"
        )


def _inverse_cdf(
    log_codes: Float64[Tensor, "k v"], component: Int[Tensor, " b"], u: Float[Tensor, " b"]
) -> Int[Tensor, " b"]:
    """Inverse transform sampling of a code of each row's component, in memory K V + B rather than B V."""
    cdf = log_codes.softmax(1).cumsum(1)
    start = torch.arange(len(cdf), device=cdf.device)[:, None]
    ends = (start + cdf / cdf[:, -1:]).flatten()
    return torch.searchsorted(ends, component + u.double()) - component * cdf.shape[1]


def _conditioned(
    objective: Any, component: Int[Tensor, " b"], given: Cells, eps: Float[Tensor, "b s"]
) -> Float64[Tensor, "b s"]:
    """Scores of the components, conditioned on the given ones."""
    scales, covariances, scores = objective.scales(), objective.covariances, eps.double()
    for k in component.unique().tolist():
        rows = component == k
        scores[rows] = objective.means[k] + scores[rows] @ scales[k].T
    for rows, seen, unseen in _patterns(objective.observed(given["codes"])):
        if not len(seen):
            continue
        error = given["scores"][rows][:, seen].double() - scores[rows][:, seen]
        gains = torch.stack([_gain(covariance, seen, unseen) for covariance in covariances])
        change = torch.zeros_like(scores[rows])
        change[:, seen] = error
        change[:, unseen] = torch.einsum("bij,bj->bi", gains[component[rows]], error)
        scores[rows] += change
    return scores


def _gain(
    covariance: Float64[Tensor, "s s"], seen: Int[Tensor, " o"], unseen: Int[Tensor, " m"]
) -> Float64[Tensor, "m o"]:
    """Sigma_mo Sigma_oo^-1."""
    within, across = covariance[seen][:, seen], covariance[seen][:, unseen]
    return torch.cholesky_solve(across, torch.linalg.cholesky(within)).T


def _patterns(
    observed: Bool[Tensor, "b s"],
) -> Iterator[tuple[Int[Tensor, " n"], Int[Tensor, " o"], Int[Tensor, " m"]]]:
    """The rows that have the same scores, and the indices of these and of the other scores."""
    if not observed.shape[1]:  # `unique` takes no empty rows
        nothing = torch.arange(0, device=observed.device)
        yield torch.arange(len(observed), device=observed.device), nothing, nothing
        return
    patterns, index = observed.unique(dim=0, return_inverse=True)
    for i, pattern in enumerate(patterns):
        yield (index == i).nonzero()[:, 0], pattern.nonzero()[:, 0], (~pattern).nonzero()[:, 0]
