r"""Normal scores: the numbers of a table as real vectors, for models that are densities.

    u = F_left(code) + dF(code) offset,     z = Phi^-1(u)

F is the distribution of the column in the training rows, so that each score is standard normal and a model
learns how the columns depend on each other: the scores of the Gaussian copula, and the quantile transform of
TabDDPM (Kotelnikov, Baranchuk, Rubachev & Babenko 2023). Per number that is not missing, with n the size of
its interval,

    log_weight = log dF(code) - log n_code - log phi(z)

This is exact if no number is on a grid or at an atom. A value that has an interval, or a part of one, to
itself is uniform in it, and the expectation over that noise is a lower bound of its log-mass (Theis, van den
Oord & Bethge 2016). What is sampled keeps the range, the grid, the decimals and the atoms of the data.
"""

__all__ = ["NormalScores"]

from typing import Any

import torch
from jaxtyping import Float64
from torch import Tensor

from morphogen.contract import Encoded, Representation
from morphogen.numerics.distributions import gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree
from morphogen.representations.tabular.numbers import NumberColumn, RealColumn
from morphogen.representations.tabular.rows import Tabular


class NormalScores(Representation):
    """Rows as x = {"codes": int64 [B, D], "scores": float32 [B, K]}, with a score per column of numbers.

    The code of a number is 0 if it is missing, and otherwise 1; its score is 0 if it is missing. Categories
    have the codes of the table.

    Arguments:
        table: the representation of the rows.
    """

    discrete = False  # numbers have a density; a model of x knows that its codes have none
    at_once = Tabular.at_once

    def __init__(self, table: Tabular):
        super().__init__()
        self.table, self.medium, self.medium_discrete = table, table.medium, table.medium_discrete
        self.numbers = {j: c for j, c in enumerate(table.columns) if isinstance(c, NumberColumn)}
        self.shape = {"codes": (len(table.columns),), "scores": (len(self.numbers),)}
        self.exact = all(isinstance(c, RealColumn) and not len(c.atoms) for c in self.numbers.values())

    @property
    def columns(self) -> Any:
        """Those of the table."""
        return self.table.columns

    @property
    def masses(self) -> list[Float64[Tensor, " v"]]:
        """Of each column, the fraction of the training rows with each code."""
        whole = enumerate(self.table.masses)
        return [torch.stack([m[0], m[1:].sum()]) if j in self.numbers else m for j, m in whole]

    @property
    def ordered(self) -> list[bool]:
        """Of no column are the codes in the order of values."""
        return [False] * len(self.columns)

    @property
    def source(self) -> Representation:
        return self.table

    def encode(self, medium: Tree, rng: Rng, measure: bool = True) -> Encoded:
        cells = self.table.encode(medium, rng, measure)
        codes, offsets = cells.x["codes"].clone(), cells.x["offsets"]
        scores, log_weight = medium.new_zeros(len(medium), len(self.numbers)), cells.log_weight.double()
        for k, (j, column) in enumerate(self.numbers.items()):
            scores[:, k] = column.scores(codes[:, j], offsets[:, j])
            if measure:
                log_weight = log_weight + self._log_density_ratio(column, codes[:, j], scores[:, k])
            codes[:, j] = codes[:, j].clamp_max(1)
        x = {"codes": codes, "scores": scores.float()}
        return Encoded(x, log_weight.float(), cells.dims, self.exact)

    def decode(self, x: Tree) -> Tree:
        codes = x["codes"].clone()
        offsets = torch.full_like(codes, 0.5, dtype=torch.float64)
        for k, (j, column) in enumerate(self.numbers.items()):
            found, offsets[:, j] = column.cells(x["scores"][:, k])
            codes[:, j] = torch.where(codes[:, j] == 0, 0, found)
        return self.table.decode({"codes": codes, "offsets": offsets})

    def present(self, medium: Tree) -> list[Any]:
        return self.table.present(medium)

    @staticmethod
    def _log_density_ratio(column: NumberColumn, codes: Tensor, scores: Tensor) -> Tensor:
        """log dF(code) - log phi(z); 0 where the cell is missing."""
        mass = column.cumulative.diff().log().to(codes.device)[(codes - 1).clamp_min(0)]
        return torch.where(codes == 0, 0.0, mass - gaussian_log_prob(scores))
