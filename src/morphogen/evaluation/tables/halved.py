"""A table with its random halves: what a statistic and its interval are computed from.

The halves are those of `resampling` (McCarthy 1969, "Pseudo-replication: half samples").
"""

__all__ = ["Halved"]

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64

from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.resampling import weights


@dataclass(frozen=True)
class Halved:
    """The cells of a table, and the weight of each row in the table and in its halves (McCarthy 1969).

    Arguments:
        cells: of n rows.
        weight: from `weights`.
    """

    cells: Cells
    weight: Float64[np.ndarray, "n r"]

    @classmethod
    def of(cls, cells: Cells, seed: int, table: str) -> "Halved":
        """A table with its halves.

        Arguments:
            cells: of the table.
            seed: of the halves.
            table: its name; tables of other names are halved independently.
        """
        return cls(cells, weights(len(cells), seed, table))

    def first(self, halves: int) -> "Halved":
        """The same with its first few halves."""
        return Halved(self.cells, self.weight[:, : 1 + halves])
