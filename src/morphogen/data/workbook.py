"""Sheets of workbooks (.xlsx, .xls, .ods), which pandas reads with python-calamine, the extra "excel".

The format is told by the content, so that a workbook under the suffix of another format is read too.
A sheet may have titles and empty rows above its table, which begins with the first row that fills nearly all
columns; merged cells above it are part of the names, and merged cells below have one value. Whether the row
has names is decided as for CSV; cells keep the types that they have in the workbook.
"""

__all__ = ["read_sheet", "require_openpyxl"]

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.caller import setting
from morphogen.counted import counted
from morphogen.data.column_names import nameless_column
from morphogen.data.csv_dialect import is_header
from morphogen.data.dataset import DataError
from morphogen.data.merged_cells import with_merged
from morphogen.data.merged_headers import Range, find_header
from morphogen.data.origin import Origin
from morphogen.data.table_options import TableOptions
from morphogen.similar_names import did_you_mean, list_names

if TYPE_CHECKING:
    from pandas import DataFrame

STDERR = 2  # its file descriptor
FEWEST = 3  # rows that can be split


def read_sheet(path: Path, options: TableOptions) -> tuple["DataFrame", Origin, tuple[str, ...]]:
    """The table of the first sheet that has one, or of the one that the options name; its place; and notes.

    Errors: DataError without the extra, for a damaged workbook and for an unknown sheet.
    """
    import pandas as pd

    try:
        with _quiet(), pd.ExcelFile(path, engine="calamine") as book:
            sheets = pd.read_excel(book, sheet_name=None, header=None, dtype=object, na_filter=False)
            merged = {name: _merged(book.book, name) for name in sheets}
    except ImportError:
        raise DataError(_needs_extra(path)) from None
    except (OSError, KeyboardInterrupt, SystemExit):
        raise
    except BaseException as error:  # whatever a damaged file leads to, and a panic is no Exception
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise DataError(
            f"{path}: pandas cannot read it as a workbook ({reason}); save it again without a password, "
            "or as CSV"
        ) from None
    cells = {str(name): _filled(sheet) for name, sheet in sheets.items()}
    name = _choose(path, cells, options.sheet)
    others = [other for other in cells if other != name and cells[other].size]
    ways = f"; not read: {', '.join(others)} ({setting('table', 'sheet', 'NAME')} chooses)" if others else ""
    if not cells[name].size:
        raise DataError(f"{path}: table option sheet={name}: is empty; choose another of {', '.join(cells)}")
    frame, origin, notes = _with_names(cells[name], merged[name], options.header)
    return (
        frame,
        origin._replace(sheet=name, others=others),
        ((f"sheet {name!r}{ways}",) if ways else ()) + notes,
    )


def require_openpyxl(path: Path) -> None:
    """Errors: DataError if openpyxl is not installed."""
    if find_spec("openpyxl") is None:
        raise DataError(_needs_extra(path))


@contextmanager
def _quiet() -> Iterator[None]:
    """Nothing is written to standard error, where the reader, written in Rust, reports its panics."""
    kept, nowhere = os.dup(STDERR), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, STDERR)
    try:
        yield
    finally:
        os.dup2(kept, STDERR)
        os.close(kept)
        os.close(nowhere)


def _needs_extra(path: Path) -> str:
    return f"{path}: a workbook needs the extra `excel`: pip install 'morphogen[excel]'; or save it as CSV"


def _choose(path: Path, cells: Mapping[str, "DataFrame"], chosen: str | None) -> str:
    """The name of the sheet to read. Errors: DataError."""
    if chosen is not None:
        if chosen not in cells:
            near, names = did_you_mean(chosen, cells), list_names([*cells])
            raise DataError(f"{path}: table option sheet={chosen}: {near}choose one of {names}")
        return chosen
    if not (filled := [name for name, sheet in cells.items() if sheet.size]):
        raise DataError(f"{path}: is empty; give a table of at least 3 rows, better hundreds")
    return next((name for name in filled if _has_table(cells[name])), filled[0])


def _has_table(cells: "DataFrame") -> bool:
    """Whether a sheet has several columns, and rows enough for a split besides their names."""
    rows, columns = cells.shape
    return columns > 1 and rows > FEWEST


def _filled(sheet: "DataFrame") -> "DataFrame":
    """The rows and columns of a sheet that have a cell; empty cells are missing."""
    cells = sheet.mask(sheet.map(lambda cell: isinstance(cell, str) and not cell.strip()), None)
    kept = cells.notna()
    return cells.loc[kept.any(axis=1), kept.any(axis=0)]


def _merged(book: Any, sheet: Any) -> Sequence[Range]:
    """The ranges of merged cells; () for formats whose reader does not tell."""
    return getattr(book.get_sheet_by_name(sheet), "merged_cell_ranges", None) or ()


def _with_names(
    cells: "DataFrame", merged: Sequence[Range], header: str | None
) -> tuple["DataFrame", Origin, tuple[str, ...]]:
    """The table below the rows with the names of its columns, its place, and notes."""
    found = find_header(cells, merged)
    named, notes = is_header(found.names, found.below)
    if header is not None:
        named, notes = header == "yes", []
    width = cells.shape[1]
    names = [*found.names] if named else [f"column{j + 1}" for j in range(width)]
    if titles := " / ".join(" ".join(filter(None, row)) for row in found.titles):
        notes = [f"skipped above the table: {titles[:60]!r}", *notes]
    body, given = with_merged(cells.iloc[found.at + named :], merged)
    places = range(int(cells.columns[0]), int(cells.columns[-1]) + 1)
    notes += [nameless_column(j) for j in places if j not in cells.columns]
    kept = [*map(int, cells.columns)]
    by_place = dict(zip(kept, names, strict=True))
    if given:
        listed = ", ".join(repr(by_place[j] or f"Unnamed: {j}") for j in given)
        count = counted(sum(given.values()), "empty cell")
        notes.append(f"merged cells of {listed}: {count} have the value of their range")
    origin = Origin(body.reindex(columns=places), kept, [by_place.get(j, "") for j in places])
    frame = body.set_axis([name or f"Unnamed: {j}" for j, name in enumerate(names)], axis=1)
    return frame.infer_objects(), origin, tuple(notes)
