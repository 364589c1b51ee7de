"""The cells of a table in a file, as a model of such tables takes them."""

__all__ = ["TableCells", "columns_of", "read_cells"]

from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas import DataFrame

    from morphogen.data.columns import Reading
    from morphogen.data.table_files import Table
    from morphogen.data.table_options import TableOptions
    from morphogen.representations.tabular import Column


class TableCells(NamedTuple):
    """A table as it was read.

    Arguments:
        table: of the file.
        options: how it is written.
        frame: its cells as they are written, under distinct names.
        readings: of the columns that could be read.
        cells: numbers as numbers, and None where a cell is missing.
    """

    table: "Table"
    options: "TableOptions"
    frame: "DataFrame"
    readings: "Mapping[str, Reading]"
    cells: "DataFrame"


def columns_of(model: Any) -> "Sequence[Column]":
    """The columns of a model of tables, with that of the classes."""
    source = model.representation.source
    return [*source.columns, *([source.label] if source.label else [])]


def read_cells(file: Path, setting: Any, columns: "Sequence[Column]") -> TableCells:
    """Read a table.

    Arguments:
        file: of the table.
        setting: the option `table` of the data of a run.
        columns: of the model.

    Errors: DataError for a file that is no table.
    """
    from morphogen.data.cells import read_columns
    from morphogen.data.column_names import distinct_names
    from morphogen.data.columns import Reading
    from morphogen.data.table_files import read_table_file
    from morphogen.data.table_options import TableOptions

    options = TableOptions.of(setting)
    table = read_table_file(file, options)
    frame, _ = distinct_names(table.frame)
    read, _ = read_columns(frame, options, table.decimal)
    readings = {name: each for name, each in read.items() if isinstance(each, Reading)}
    return TableCells(table, options, frame, readings, _cells(frame, readings, columns))


def _cells(frame: "DataFrame", readings: "Mapping[str, Reading]", columns: "Sequence[Column]") -> "DataFrame":
    """The table with numbers as its decimal mark and options have them, and None for missing cells."""
    from morphogen.data.columns import Numbers
    from morphogen.representations.tabular import GridColumn, RealColumn

    cells = frame.copy()
    for column in columns:
        reading = readings.get(column.name)
        if isinstance(reading, Numbers) and isinstance(column, GridColumn | RealColumn):
            cells[column.name] = reading.cells
        elif reading is not None:
            cells[column.name] = cells[column.name].astype(object).mask(reading.missing, None)
    return cells
