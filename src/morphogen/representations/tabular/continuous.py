r"""Rows of a table as real vectors: every column becomes one standard normal number.

    u = F_left(code) + P(code) offset,     z = Phi^-1(u)

As `NormalScores`, but F has the mass of every code, those of categories and of missing cells too, in the
order of the codes. Any density can model it; its likelihood is a lower bound (Theis, van den Oord & Bethge
2016).
"""

__all__ = ["ContinuousCodes"]

from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor

from morphogen.contract import Encoded, Representation
from morphogen.numerics.distributions import gaussian_cdf, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular.rows import Tabular

EDGE = 1e-9  # distance of u from 0 and 1


class ContinuousCodes(Representation):
    """Rows as x = float32 [B, D], standard normal in each column.

    Arguments:
        table: the representation of the rows.
    """

    discrete = False

    def __init__(self, table: Tabular):
        super().__init__()
        self.table, self.medium, self.medium_discrete = table, table.medium, table.medium_discrete
        self.columns, self.shape = table.columns, (len(table.columns),)

    @property
    def source(self) -> Representation:
        return self.table

    def encode(self, medium: Float64[Tensor, "b d"], rng: Rng, measure: bool = True) -> Encoded:
        cells = self.table.encode(medium, rng, measure)
        codes, offsets = cells.x["codes"], cells.x["offsets"]
        z, log_weight = torch.zeros_like(offsets), cells.log_weight.double()
        for j, column in enumerate(self.columns):
            masses = column.masses.to(codes.device)
            mass, start = masses[codes[:, j]], (masses.cumsum(0) - masses)[codes[:, j]]
            z[:, j] = torch.special.ndtri((start + mass * offsets[:, j]).clamp(EDGE, 1 - EDGE))
            log_weight = log_weight + mass.log() - gaussian_log_prob(z[:, j])
        return Encoded(z.float(), log_weight.float(), cells.dims, exact=False)

    def decode(self, x: Float[Tensor, "b d"]) -> Float64[Tensor, "b d"]:
        u = gaussian_cdf(x.double()).clamp(EDGE, 1 - EDGE)
        codes, offsets = torch.zeros_like(u, dtype=torch.int64), torch.zeros_like(u)
        for j, column in enumerate(self.columns):
            masses = column.masses.to(u.device)
            ends = masses.cumsum(0)
            codes[:, j] = torch.searchsorted(ends, u[:, j].contiguous(), right=True).clamp_max(len(ends) - 1)
            start, mass = (ends - masses)[codes[:, j]], masses[codes[:, j]]
            offsets[:, j] = ((u[:, j] - start) / mass).clamp(0, 1 - 2**-53)
        return self.table.decode({"codes": codes, "offsets": offsets})

    def present(self, medium: Float64[Tensor, "b d"]) -> list[Any]:
        return self.table.present(medium)
