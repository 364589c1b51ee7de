"""Sheets of workbooks (.xlsx, .xls, .ods), which pandas reads with python-calamine, the extra "excel".

The format is told by the content, so that a workbook under the suffix of another format is read too.
A sheet may have titles and empty rows above its table, which begins with the first row that fills nearly all
columns. Whether these are names is decided as for CSV; cells keep the types that they have in the workbook.
"""

__all__ = ["read_sheet", "require_openpyxl"]

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

from morphogen.caller import setting
from morphogen.data.csv_dialect import is_header
from morphogen.data.dataset import DataError
from morphogen.data.table_options import TableOptions

if TYPE_CHECKING:
    from pandas import DataFrame

STDERR = 2  # its file descriptor
SAMPLE, FULL = 200, 0.8  # rows that are looked at, and the fraction of columns that have a name


def read_sheet(path: Path, options: TableOptions) -> tuple["DataFrame", tuple[str, ...]]:
    """The table of the first sheet with cells, or of the one that the options name; and notes.

    Errors: DataError without the extra, for a damaged workbook and for an unknown sheet.
    """
    import pandas as pd

    try:
        with _quiet():
            sheets = pd.read_excel(
                path, sheet_name=None, header=None, dtype=object, na_filter=False, engine="calamine"
            )
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
    frame, notes = _with_names(cells[name], options.header)
    return frame, ((f"sheet {name!r}{ways}",) if ways else ()) + notes


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
            raise DataError(f"{path}: table option sheet={chosen}: choose one of {', '.join(cells)}")
        return chosen
    if (name := next((name for name, sheet in cells.items() if sheet.size), None)) is None:
        raise DataError(f"{path}: is empty; give a table of at least 3 rows, better hundreds")
    return name


def _filled(sheet: "DataFrame") -> "DataFrame":
    """The rows and columns of a sheet that have a cell; empty cells are missing."""
    cells = sheet.mask(sheet.map(lambda cell: isinstance(cell, str) and not cell.strip()), None)
    kept = cells.notna()
    return cells.loc[kept.any(axis=1), kept.any(axis=0)]


def _with_names(cells: "DataFrame", header: str | None) -> tuple["DataFrame", tuple[str, ...]]:
    """The table below the row with the names of its columns, and notes."""
    texts = [
        ["" if cell is None or cell != cell else str(cell) for cell in row]
        for row in cells.head(SAMPLE).to_numpy()
    ]
    at = next((i for i, row in enumerate(texts) if sum(map(bool, row)) >= FULL * len(row)), 0)
    named, notes = is_header(texts[at], texts[at + 1 :])
    if header is not None:
        named, notes = header == "yes", []
    names = texts[at] if named else [f"column{j + 1}" for j in range(len(texts[at]))]
    if titles := " / ".join(" ".join(filter(None, row)) for row in texts[:at]):
        notes = [f"skipped above the table: {titles[:60]!r}", *notes]
    body = cells.iloc[at + named :].set_axis(
        [name or f"Unnamed: {j}" for j, name in enumerate(names)], axis=1
    )
    return body.reset_index(drop=True).infer_objects(), tuple(notes)
