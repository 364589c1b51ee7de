r"""Latent scores of table rows: numbers are seen, and categories are intervals of a score that is not.

    p(cells) = N(z_o; mu_o, Sigma_oo) E prod_j P(t_j < z_j <= t_j' | z_o, z_1 .. z_(j-1))

The expectation is over scores that are drawn from the intervals one column after the other: the simulator of
Geweke, Hajivassiliou & Keane (Hajivassiliou, McFadden & Ruud 1996, "Simulation of multivariate normal
rectangle probabilities and their derivatives").
"""

__all__ = ["Cells", "Completed", "LatentScores"]

import math
from collections.abc import Mapping, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor, nn

from morphogen.families.classical.mixed_mixture import ScoredTable
from morphogen.numerics.randomness import Rng
from morphogen.numerics.truncated_normal import log_mass_between, quantile_between

Cells = Mapping[str, Tensor]  # "codes" int64 [B, D], "scores" [B, d]


class Completed(NamedTuple):
    """Draws of all latent scores given the cells of a row."""

    log_weight: Float64[Tensor, "b s"]  # their mean over s in the log is log p of the cells
    z: Float64[Tensor, "b s d"]


class LatentScores:
    """The columns of a table as scores: which are seen, and the thresholds between the codes of the others.

    Arguments:
        table: the representation of the rows, a `ScoredTable`.
        places: of each column, the place [V] of each code in the order of the intervals, 0 for code 0.
    """

    def __init__(self, table: ScoredTable, places: Sequence[Int[Tensor, " v"]]):
        self.masses = [masses.double() for masses in table.masses]
        self.places, self.codes = list(places), [place.argsort() for place in places]
        self.numbers = list(table.numbers)
        self.categories = [j for j in range(len(self.masses)) if j not in table.numbers]
        ordered = [m[order.to(m.device)] for m, order in zip(self.masses, self.codes, strict=True)]
        self.thresholds = [_thresholds(masses) for masses in ordered]

    def complete(
        self, x: Cells, mean: Float64[Tensor, " d"], covariance: Float64[Tensor, "d d"], rng: Rng, draws: int
    ) -> Completed:
        """Draw the latent scores of all columns given the cells of each row, with weights.

        Scores of given numbers are what they are; categories are drawn within their intervals, one column
        after the other; the others follow from those before them.

        Arguments:
            x: the cells; those of code -1 are not given.
            mean, covariance: of the scores.
            rng: of the draws.
            draws: per row.
        """
        codes, scores = x["codes"], x["scores"].double()
        n, d = codes.shape
        u = rng.uniform(draws, d).double()
        log_weight = torch.zeros(n, draws, dtype=torch.float64, device=codes.device)
        z = torch.zeros(n, draws, d, dtype=torch.float64, device=codes.device)
        values = torch.zeros(n, d, dtype=torch.float64, device=codes.device)
        values[:, self.numbers] = scores
        is_number = torch.zeros(d, dtype=torch.bool, device=codes.device)
        is_number[self.numbers] = True
        kinds = torch.where(is_number, torch.where(codes > 0, 0, 2), torch.where(codes >= 0, 1, 2))
        patterns, index = kinds.unique(dim=0, return_inverse=True)
        for i, pattern in enumerate(patterns):
            rows, order = (index == i).nonzero()[:, 0], pattern.argsort(stable=True)
            group = Completed(log_weight[rows], z[rows])
            self._sweep(group, codes[rows], values[rows], u[rows], mean, covariance, order, pattern[order])
            log_weight[rows], z[rows] = group
        return Completed(log_weight, z)

    def log_exists(self, x: Cells) -> Float64[Tensor, " b"]:
        """The log-probability of which numbers are missing."""
        total = torch.zeros(len(x["codes"]), dtype=torch.float64, device=x["codes"].device)
        for j in self.numbers:
            code, masses = x["codes"][:, j], self.masses[j].to(total.device)
            log_p = torch.stack([masses[0], masses[1:].sum()]).log()[code.clamp(0, 1)]
            total = total + torch.where(code >= 0, log_p, 0.0)
        return total

    def _sweep(
        self, group: Completed, codes: Tensor, values: Tensor, u: Tensor, mean: Tensor, covariance: Tensor,
        order: Tensor, kinds: Tensor,
    ) -> None:  # fmt: skip
        """`complete` for rows of one pattern, in place: numbers first, then categories, then what is free."""
        mean, factor = mean[order], torch.linalg.cholesky(covariance[order][:, order])
        eps = torch.zeros_like(group.z)
        known = int((kinds == 0).sum())
        given = values[:, order[:known]] - mean[:known]
        solved = torch.linalg.solve_triangular(factor[:known, :known], given.T, upper=False).T
        eps[:, :, :known] = solved[:, None]
        log_det = factor.diagonal()[:known].log().sum() + 0.5 * known * math.log(2 * math.pi)
        group.log_weight.add_((-0.5 * solved.square().sum(1) - log_det)[:, None])
        for place in range(known, len(order)):
            j, scale = int(order[place]), factor[place, place]
            if kinds[place] == 2:
                eps[:, :, place] = torch.special.ndtri(u[:, :, j])
                continue
            centre = mean[place] + eps[:, :, :place] @ factor[place, :place]
            ends, interval = self.thresholds[j].to(codes.device), self.places[j][codes[:, j]]
            low, high = ((ends[interval + k][:, None] - centre) / scale for k in (0, 1))
            group.log_weight.add_(log_mass_between(low, high))
            eps[:, :, place] = quantile_between(low, high, u[:, :, j])
        group.z[:, :, order] = mean + eps @ factor.T
        group.z[:, :, order[:known]] = values[:, None, order[:known]]


def _thresholds(masses: Float[Tensor, " v"]) -> Float64[Tensor, " w"]:
    """The ends of the interval of each code: -inf, the quantiles between the codes, inf."""
    ends = torch.special.ndtri(masses.double().cumsum(0)[:-1].clamp(0, 1))
    return nn.functional.pad(nn.functional.pad(ends, (1, 0), value=-torch.inf), (0, 1), value=torch.inf)
