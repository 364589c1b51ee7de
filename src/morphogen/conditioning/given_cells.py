"""Given cells of a table as the condition: any columns of a row, of which a model draws the others.

    cells   float64 [B, D], the medium of the table; NaN: not given

`context.given` holds them as x: codes, -1 where a cell is not given, and offsets or scores. Conditioning on
some columns and imputation of missing cells are the same (van Buuren 2018, "Flexible imputation of missing
data").
"""

__all__ = ["GivenCells", "TableCells"]

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from jaxtyping import Float64, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, ConditionSpec, Context, Representation
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular.records import with_absent_columns
from morphogen.similar_names import did_you_mean, list_names, similar_names


class GivenCells(Conditioner):
    """The given cells of each row as `context.given`.

    Arguments:
        representation: of the rows, with `codes` and one further part by name; it encodes the cells.
    """

    name, widths = "cells", {}
    trained_on = ()  # the objective chooses cells of the rows

    def __init__(self, representation: Representation):
        super().__init__()
        self.representation = representation

    def check(self, condition: Shaped[Tensor, "..."]) -> None:
        source = _source(self.representation)
        source.support.check(source.read(condition), "give one of these, or leave it out to draw it")

    def forward(self, condition: Float64[Tensor, "b d"], rng: Rng | None = None) -> Context:
        # the same dequantisation noise for every row: a row must not depend on its place in the batch
        same = Rng(0, torch.zeros(len(condition), dtype=torch.int64, device=condition.device), ("given",))
        x = dict(self.representation.encode(condition, same, measure=False).x)
        return Context(given=x | {"codes": x["codes"].masked_fill(condition.isnan(), -1)})

    def absent(self, rows: int) -> Context:
        return Context()

    @property
    def spec(self) -> ConditionSpec:
        """What reads given cells."""
        return TableCells(_source(self.representation))


class TableCells(ConditionSpec):
    """Given cells: a DataFrame, a row or several as {column: value}, or text such as "origin=JFK".

    A cell that is missing in a DataFrame or a tensor is not given; a DataFrame may have some of the columns.

    Arguments:
        table: the representation of the rows.
    """

    plural, optional = "given cells", True

    def __init__(self, table: Any):
        self.table = table
        self.parts = tuple(column.name for column in table.columns)

    def parse(self, text: str) -> Float64[Tensor, " d"]:
        """The cells of one row, from lines COLUMN=VALUE. Errors: ConfigError for another column or value."""
        cells = {}
        for part in text.splitlines():
            name, equals, value = part.partition("=")
            if not equals:
                write = f"write COLUMN=VALUE, of the columns {list_names(self.parts)}"
                raise ConfigError(f"{part!r}: {self._owners(part)}{write}")
            if name in cells:
                raise ConfigError(f"{part!r}: {name} is given twice; give it once")
            cells[name] = value
        return self._row(cells)

    def read(self, given: Any) -> Any:
        """Cells as the medium [n, D]; a tensor unchanged. Errors: ConfigError."""
        if isinstance(given, Tensor) or (hasattr(given, "columns") and hasattr(given, "iloc")):
            return self.table.read(with_absent_columns(self.table, given))
        rows: Sequence[Any] = [given] if isinstance(given, Mapping | str) else given
        if not all(isinstance(row, Mapping | str) for row in rows):
            return given
        return torch.stack([self.parse(row) if isinstance(row, str) else self._row(row) for row in rows])

    def _owners(self, value: str) -> str:
        """The columns that have a value, or a similar one, as the beginning of a remedy."""
        written = {
            f"{column.name}={level}": level
            for column in self.table.columns
            for level in getattr(column, "levels", ())
        }
        near = similar_names(value, written.values())
        found = [repr(text) for text, level in written.items() if level in near]
        return f"did you mean {' or '.join(found[:3])}? " if found else ""

    def _row(self, cells: Mapping[str, Any]) -> Float64[Tensor, " d"]:
        row = torch.full((len(self.parts),), torch.nan, dtype=torch.float64)
        for name, value in cells.items():
            if name not in self.parts:
                near = did_you_mean(name, self.parts)
                raise ConfigError(
                    f"no column is named {name!r}; {near}the columns are {list_names(self.parts)}"
                )
            if hasattr(value, "__len__") and not isinstance(value, str | bytes):
                raise ConfigError(
                    f"column {name!r}: {value!r:.40} is not one value: give a row each, as a list of "
                    "{column: value}"
                )
            j = self.parts.index(name)
            row[j] = _number(self.table.columns[j], value)
            if row[j].isnan():
                raise ConfigError(f"column {name!r}: a missing cell cannot be given: leave it out to draw it")
        self.table.read(row[None])
        return row


def _number(column: Any, value: Any) -> float:
    """A cell as a number of the medium. Errors: ConfigError."""
    return column.parse(value) if isinstance(value, str) else float(column.numbers([value])[0])


def _source(representation: Any) -> Any:
    """The representation of the rows themselves."""
    return representation.source
