r"""Rows of numbers and categories as vectors whose Euclidean distance treats both alike (after Gower 1971).

    d^2(x, y) = sum_numbers ((x_j - y_j) / std_j)^2 + sum_categories [x_j != y_j]

A missing cell is a category of its own; a missing number is at the mean of its column, and 1 away from it in
another direction. The vectors of up to 256 categories are one-hot. Those of more are 64 random signs, whose
squared distances are 1 on average with a standard deviation of 1/8 (Achlioptas 2003, "Database-friendly
random projections"), so that vectors remain short.
"""

__all__ = ["Gower"]

from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.numerics.randomness import Rng

MOST, SIGNS = 256, 64  # one-hot categories, and the random signs of each category of more


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
                parts.append(_corners(cells.nan_to_num(-1).long() + 1, levels + 1))
            else:
                parts += [scaled[:, j, None], *([cells.isnan()] if gaps else [])]
        return torch.cat([part.double() for part in parts], 1)


def _corners(codes: Int[Tensor, "b 1"], count: int) -> Float[Tensor, "b e"]:
    """A vector for each of `count` codes, at the distance 1 from those of the others."""
    if count <= MOST + 1:
        return (codes == torch.arange(count, device=codes.device)) * 0.5**0.5
    signs = (Rng(0, codes[:, 0], ("categories",)).uniform(SIGNS) < 0.5).double() - 0.5
    return signs * (2 / SIGNS) ** 0.5
