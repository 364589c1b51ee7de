"""A table of a category and a small grid, both with missing cells, in known proportions."""

__all__ = ["MIXED", "Rows", "every_row", "mixed_rows"]

import math

import torch
from torch import Tensor

from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import CategoryColumn, GridColumn, Tabular

PROPORTIONS = torch.tensor(
    [
        # grid missing, 0, 1, 2, 3; rows: the category is missing, x, y, z
        [0.2, 0.2, 0.2, 0.2, 0.2],
        [0.6, 0.1, 0.1, 0.1, 0.1],
        [0.05, 0.45, 0.3, 0.1, 0.1],
        [0.1, 0.05, 0.05, 0.4, 0.4],
    ],
    dtype=torch.float64,
) * torch.tensor([[0.1], [0.2], [0.3], [0.4]], dtype=torch.float64)  # fmt: skip
COUNTS = tuple((4000 * PROPORTIONS.sum(1)).tolist()), tuple((4000 * PROPORTIONS.sum(0)).tolist())
# 2 and 3, which are equally frequent, share an interval: a code that has two values
GRID = GridColumn("g", (0, 1, 2), 3, weights=(*COUNTS[1][:3], COUNTS[1][3] + COUNTS[1][4]))
MIXED = Tabular((CategoryColumn("c", ("x", "y", "z"), COUNTS[0]), GRID))


class Rows:
    """Rows as a data set."""

    def __init__(self, values: Tensor):
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, rows: Tensor) -> Batch:
        return Batch(self.values[rows])


def mixed_rows(n: int, seed: int = 0) -> Tensor:
    """Rows in the proportions of the table."""
    cell = Rng(seed, n, ("rows",)).categorical(PROPORTIONS.flatten().log().expand(n, -1))
    return every_row()[cell]


def every_row() -> Tensor:
    """All 20 rows that there are, in the order of `PROPORTIONS`."""
    words, numbers = [math.nan, 0.0, 1.0, 2.0], [math.nan, 0.0, 1.0, 2.0, 3.0]
    return torch.tensor([[word, number] for word in words for number in numbers], dtype=torch.float64)
