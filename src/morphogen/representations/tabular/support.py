r"""The support of a model of a table: the rows that have a probability or a density above 0.

A column of numbers is bounded by the data, and one on a grid has its points only. Elsewhere log p = -inf, and
no distribution is conditional on such a cell.
"""

__all__ = ["Support"]

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.counted import counted
from morphogen.representations.tabular.columns import CategoryColumn, Column


class Support:
    """The values of columns that have a probability or a density.

    Arguments:
        columns: of the table, in order.
    """

    def __init__(self, columns: Sequence[Column]):
        self.columns = columns

    def contains(self, medium: Float64[Tensor, "b d"]) -> Bool[Tensor, "b d"]:
        """Whether each cell is missing, or a value in the support of its column."""
        cells = zip(self.columns, medium.T, strict=True)
        return torch.stack([column.contains(values) | values.isnan() for column, values in cells], 1)

    def nearest(self, medium: Float64[Tensor, "b d"]) -> Float64[Tensor, "b d"]:
        """The values in the support nearest to the cells; NaN where one is missing."""
        cells = zip(self.columns, medium.T, strict=True)
        near = [column.nearest(values.nan_to_num(column.low)) for column, values in cells]
        return torch.where(medium.isnan(), torch.nan, torch.stack(near, 1))

    def fault(self, medium: Float64[Tensor, "b d"]) -> str:
        """The first cell beyond the support, in words; "": there is none."""
        outside = (~self.contains(medium)).nonzero()
        if not len(outside):
            return ""
        row, j = outside[0].tolist()
        column, value = self.columns[j], medium[row, j].item()
        distinct = {(j, medium[i, j].item()) for i, j in outside.tolist()}  # one row may stand for many
        others = counted(len(distinct) - 1, "other cell")
        more = f" (and {others})" if len(distinct) > 1 else ""
        written = value if isinstance(column, CategoryColumn) else column.format_value(value)
        shown = written if isinstance(written, str) else f"{value:.15g}"
        return (
            f"row {row}, column {column.name!r}: {shown} is outside of what the model knows, "
            f"{column.range_in_words()}{more}"
        )

    def check(self, medium: Float64[Tensor, "b d"], remedy: str) -> None:
        """Errors: ConfigError for the first cell beyond the support, with a remedy."""
        if fault := self.fault(medium):
            raise ConfigError(f"{fault}: {remedy}")
