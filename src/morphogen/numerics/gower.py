r"""Rows of numbers and categories as vectors whose Euclidean distance treats both alike (after Gower 1971).

    d^2(x, y) = sum_numbers ((x_j - y_j) / std_j)^2 + sum_categories [x_j != y_j]

A missing cell is a category of its own; a missing number is at the mean of its column, and 1 away from it in
another direction.
"""

__all__ = ["Gower"]

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor


class Gower:
    """The map from rows to vectors, standardized by a table.

    Arguments:
        table: [N, D] that the moments are computed from, NaN where a cell is missing; a constant column is
            only centred.
        levels: number of categories of each column, which are their indices; 0: numbers; (): all are numbers.

    Attributes:
        mean, std: of the cells that exist, [D].
        can_be_missing: whether the table has a missing cell in each column, [D].
    """

    def __init__(self, table: Float[Tensor, "n d"], levels: Sequence[int] = ()):
        self.levels = list(levels) or [0] * table.shape[1]
        values, known = table.double(), ~table.isnan()
        count = known.sum(0).clamp_min(1)
        self.mean = values.nan_to_num().sum(0) / count
        spread = (torch.where(known, values - self.mean, 0.0).square().sum(0) / count).sqrt()
        high, low = (torch.where(known, values, end) for end in (-torch.inf, torch.inf))
        varies = (high > low.amin(0)).any(0) if len(table) else count < 0
        self.std = spread.where(varies & (spread > 0), 1.0)
        self.can_be_missing = ~known.all(0)

    def __call__(self, rows: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        """The vectors of rows, fp64."""
        scaled = ((rows - self.mean.to(rows.device)) / self.std.to(rows.device)).nan_to_num()
        parts = []
        for j, (levels, gaps) in enumerate(zip(self.levels, self.can_be_missing.tolist(), strict=True)):
            cells = rows[:, j, None]
            if levels:
                codes = torch.arange(-1, levels, device=rows.device)
                parts.append((cells.nan_to_num(-1) == codes) * 0.5**0.5)
            else:
                parts += [scaled[:, j, None], *([cells.isnan()] if gaps else [])]
        return torch.cat([part.double() for part in parts], 1)
