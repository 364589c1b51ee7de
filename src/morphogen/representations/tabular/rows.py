r"""Rows of a table as codes and offsets (see `columns`).

    log p(row) = log P(codes) + log_weight,     log_weight = - sum_j log n_{j, code_j}

exact for any model of the codes. A row with a number beyond those of the data, or between the points of a
grid, has probability 0: log_weight = -inf. If no column is real this is a probability mass; otherwise it is a
density over the real columns and a mass over the others.
"""

__all__ = ["Tabular"]

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.media.table import TABLE
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree
from morphogen.representations.given import check_shape, tensor_of
from morphogen.representations.tabular.columns import CategoryColumn, Column
from morphogen.representations.tabular.csv_format import CsvFormat
from morphogen.representations.tabular.numbers import NumberColumn
from morphogen.representations.tabular.pandas_series import written_dtype
from morphogen.representations.tabular.records import classes_in, frame_of_records
from morphogen.representations.tabular.support import Support

if TYPE_CHECKING:
    from pandas import DataFrame


class Tabular(Representation):
    """Rows as x = {"codes": int64 [B, D], "offsets": float64 [B, D] in [0, 1)}.

    The medium is float64 [B, D]: categories as indices, dates as units, NaN where a cell is missing. Offsets
    have its precision, so that decode inverts encode.

    Arguments:
        columns: the D columns in order.
        label: the column of the classes, which the medium does not have; None: there is none.
        constants: columns that always have their lowest value, which the medium does not have either.
        order: the names of all columns as the data have them; (): as they are given here.
        csv: how samples are written; None: with commas and decimal points.
        ignored: names of columns of the data that no sample has, such as the number of a row.

    Errors: ConfigError without columns, or for weights that do not fit them.
    """

    medium = TABLE
    at_once = 512  # a row is a few numbers, but the logits of its words may be thousands
    checked_rows = 2**20
    discrete = True

    def __init__(
        self, columns: tuple[Column, ...], label: CategoryColumn | None = None,
        constants: tuple[Column, ...] = (), order: tuple[str, ...] = (), csv: CsvFormat | None = None,
        ignored: tuple[str, ...] = (),
    ):  # fmt: skip
        super().__init__()
        self.columns, self.label = tuple(columns), label
        self.constants, self.order, self.csv = tuple(constants), tuple(order), csv
        self.ignored = tuple(ignored)
        if not self.columns:
            raise ConfigError("Tabular requires at least one column")
        for column in (*self.columns, *([label] if label else [])):
            column.masses.sum()  # checks the weights
        self.support = Support(self.columns)
        self.shape = {"codes": (len(self.columns),), "offsets": (len(self.columns),)}
        self.medium_discrete = all(column.step > 0 for column in self.columns)

    @property
    def rows(self) -> int:
        """The number of training rows that the columns were made of."""
        return round(max(sum(column.weights) for column in self.columns))

    @property
    def masses(self) -> list[Float64[Tensor, " v"]]:
        """Of each column, the fraction of the training rows with each code."""
        return [column.masses for column in self.columns]

    @property
    def ordered(self) -> list[bool]:
        """Of each column, whether its codes from 1 on are in the order of their values."""
        return [isinstance(column, NumberColumn) for column in self.columns]

    def check(self, medium: Any) -> Float64[Tensor, "b d"]:
        """Rows as float64, in the order of the columns, categories as indices. Errors: ConfigError."""
        values = self.read(medium)
        for column, missing in zip(self.columns, values.isnan().any(0).tolist(), strict=True):
            if missing and not column.can_be_missing:
                raise ConfigError(
                    f"column {column.name!r} has missing cells, and had none in training: fill them in, or "
                    "remove these rows"
                )
        return values

    def read(self, medium: Any) -> Float64[Tensor, "b d"]:
        """As `check`, where a cell of any column may be missing: to be filled in. Errors: ConfigError."""
        what = f"rows of the columns {', '.join(column.name for column in self.columns)}"
        values = tensor_of(self._numbers(medium), what, torch.float64).double()
        check_shape(values, (len(self.columns),), what)
        for column, cells in zip(self.columns, values.T, strict=True):
            known = cells[~cells.isnan()]
            if len(known) and isinstance(column, CategoryColumn):
                column.check(known.min().item(), known.max().item())
        return values

    def conditions_in(self, given: Any) -> Mapping[str, Tree]:
        return classes_in(self, given)

    def check_trainable(self, medium: Float64[Tensor, "b d"]) -> None:
        self.support.check(medium, "remove such rows, or build a model of data that have them")

    def _numbers(self, medium: Any) -> Any:
        """The columns of a DataFrame, or of records, as numbers; other numbers unchanged.

        Errors: ConfigError for a column that is not there, and for an array of anything but numbers.
        """
        medium = frame_of_records(self, medium)
        if not hasattr(medium, "columns"):
            if getattr(getattr(medium, "dtype", None), "kind", "") in ("O", "U"):
                names = ", ".join(repr(column.name) for column in self.columns)
                raise ConfigError(
                    f"an array of words has no columns: give a DataFrame with the columns {names}"
                )
            return medium
        if absent := [column.name for column in self.columns if column.name not in medium.columns]:
            raise ConfigError(f"the table has no column {absent[0]!r}, which the model takes")
        return np.stack([column.numbers(medium[column.name]) for column in self.columns], 1)

    def encode(self, medium: Float64[Tensor, "b d"], rng: Rng, measure: bool = True) -> Encoded:
        u = rng.fork("dequantise").uniform(len(self.columns))
        cells = [column.encode(medium[:, j], u[:, j]) for j, column in enumerate(self.columns)]
        codes, offsets = (torch.stack(parts, 1) for parts in zip(*cells, strict=True))
        dims = torch.full_like(medium[:, 0], len(self.columns), dtype=torch.float32)
        log_weight = torch.full_like(dims, torch.nan)
        if measure:
            inside = self.support.contains(medium).all(1)
            log_weight = torch.where(inside, -self.log_sizes(codes).sum(1), -torch.inf).float()
        return Encoded({"codes": codes, "offsets": offsets}, log_weight, dims)

    def decode(self, x: Any) -> Float64[Tensor, "b d"]:
        codes, offsets = x["codes"], x["offsets"]
        cells = [column.decode(codes[:, j], offsets[:, j]) for j, column in enumerate(self.columns)]
        return torch.stack(cells, 1)

    def log_sizes(self, codes: Int[Tensor, "b d"]) -> Float64[Tensor, "b d"]:
        """The log of the size of the interval of each cell; 0 for categories and missing cells."""
        sizes = [column.log_sizes.to(codes.device)[codes[:, j]] for j, column in enumerate(self.columns)]
        return torch.stack(sizes, 1)

    def present(self, medium: Float64[Tensor, "b d"]) -> list[Any]:
        """A dict per row from column name to value, None where a cell is missing."""
        frame = self.frame(medium, plain=True).astype(object)
        return frame.where(frame.notna(), None).to_dict("records")

    def frame(
        self, medium: Float64[Tensor, "b d"], labels: Int[Tensor, " b"] | None = None, plain: bool = False
    ) -> "DataFrame":
        """The rows as a DataFrame, with the columns in the order of the data.

        Arguments:
            medium: the rows.
            labels: the class of each, which is in the label's column; None: without that column.
            plain: numbers, text and durations, as in a CSV file; otherwise each column has the dtype of the
                data.
        """
        from pandas import DataFrame

        cells = dict(zip(self.columns, medium.double().cpu().numpy().T, strict=True))
        cells |= {column: np.full(len(medium), column.low) for column in self.constants}
        if self.label is not None and labels is not None:
            cells[self.label] = labels.double().cpu().numpy()
        written = {
            column.name: column.series(
                values, written_dtype(column.pandas_dtype) if plain else column.pandas_dtype
            )
            for column, values in cells.items()
        }
        order = [name for name in self.order or written if name in written]
        return DataFrame({name: written[name] for name in order})
