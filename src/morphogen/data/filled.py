"""Files with some cells filled in, and other columns and rows, titles, sheets and formats as they are."""

__all__ = ["fill_csv", "fill_workbook", "whole_table"]

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.data.dataset import DataError
from morphogen.data.table_files import Table
from morphogen.files import naming

if TYPE_CHECKING:
    from pandas import DataFrame, Series


def whole_table(table: Table, drawn: Mapping[int, "Series"]) -> "DataFrame":
    """All rows and columns of the file.

    Arguments:
        table: as it was read.
        drawn: for columns of the table, by place, the cells by the label of their row.
    """
    whole = (table.frame if table.origin is None else table.origin.cells).copy()
    places = range(whole.shape[1]) if table.origin is None else table.origin.columns
    names = [*whole.columns]
    for j, cells in drawn.items():
        place = places[j] if table.origin is None else names.index(places[j])
        column = whole.iloc[:, place]
        filled = column.astype(object)
        filled[cells.index] = cells.astype(object)
        is_text = column.dtype.kind in "OU" or str(column.dtype) in ("str", "string")
        whole.isetitem(place, filled if is_text else filled.astype(column.dtype))
    return whole if table.origin is None else whole.set_axis(table.origin.names, axis=1)


def fill_csv(target: Path, table: Table, drawn: Mapping[int, "Series"]) -> None:
    """Write a CSV file with its own lines above the rows, separator and line ends; see `whole_table`."""
    origin = table.origin
    if origin is None:
        raise DataError(f"{target}: the table is not from a CSV file")
    rows = whole_table(table, drawn).to_csv(
        sep=table.separator, header=False, index=False, lineterminator=origin.line_end
    )
    head = "".join(line + origin.line_end for line in origin.head.splitlines())
    with naming(target):
        target.write_text(head + rows, encoding="utf-8-sig" if table.has_mark else "utf-8", newline="")


def fill_workbook(file: Path, target: Path, table: Table, drawn: Mapping[int, "Series"]) -> None:
    """Write a copy of an .xlsx workbook with cells filled in; formulas are never replaced.

    A filled cell without a number format has that of the first other cell of its column.
    """
    from openpyxl import load_workbook

    origin = table.origin
    if origin is None:
        raise DataError(f"{file}: the table is not from a workbook")
    book = load_workbook(file, keep_vba=target.suffix.lower() == ".xlsm")
    sheet = book[origin.sheet]
    for j, cells in drawn.items():
        column = origin.columns[j] + 1
        known = (row for row in table.frame.index if row not in cells.index)
        first = next(known, None)
        usual = "General" if first is None else sheet.cell(int(first) + 1, column).number_format
        for row, value in cells.items():
            cell = sheet.cell(int(str(row)) + 1, column)
            if cell.data_type == "f" or type(cell).__name__ == "MergedCell":
                continue
            cell.value = _plain(value)
            if cell.number_format == "General":
                cell.number_format = usual
    with naming(target):
        book.save(target)


def _plain(value: Any) -> Any:
    """A value as openpyxl takes it: of Python, not of numpy or pandas."""
    if hasattr(value, "to_pydatetime"):
        return value.to_pydatetime()
    return value.item() if hasattr(value, "item") else value
