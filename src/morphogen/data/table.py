r"""A table of rows: a CSV file (comma, semicolon, tab or bar; with or without a row of names), or Parquet.

What each column is is read from it (`columns`). Rows with a missing cell are left out and counted, up to half of the table; a
column that misses more than a quarter of its cells is left out instead. One column may be the condition: its values are the
classes, and the medium does not hold it. The parts are by the hash of each row, moments come from the training part alone.
"""

__all__ = ["SUFFIXES", "Rows", "load_table"]

import csv
import difflib
import io
import re
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from morphogen.contract import Batch
from morphogen.data.columns import MISSING, MOST_WORDS, NUMBER, Reading, read_column
from morphogen.data.dataset import DataError, Dataset, Examples
from morphogen.data.splits import split
from morphogen.representations.tabular import Tabular

SUFFIXES = (".csv", ".tsv", ".parquet")
SHOWN = 12  # columns that the notes tell of
COLUMN_MISSING, ROWS_MISSING = 0.25, 0.5  # the largest shares of missing cells in a column, and of rows that have one


class Rows(Examples):
    """Rows of a table.

    Arguments:
        values: [N, D], categories as numbers.
        labels: [N], or None.
    """

    def __init__(self, values: Float64[Tensor, "n d"], labels: Int[Tensor, " n"] | None = None):
        self.values, self.labels = values, labels

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.values[indices], None if self.labels is None else self.labels[indices])


class _Cells(NamedTuple):
    """A table as it is written: the names of its columns, the cells of each, and a note on how it was read."""

    names: list[str]
    columns: list[list[str]]
    notes: tuple[str, ...] = ()


def load_table(path: Path, condition: str | None = None) -> Dataset:
    """The table in a file.

    Arguments:
        path: ends in .csv, .tsv or .parquet.
        condition: the name of the column whose values are the classes; None: no classes.

    Errors: DataError.
    """
    cells = _parquet(path) if path.suffix.lower() == ".parquet" else _csv(path)
    if condition is not None and condition not in cells.names:
        near = difflib.get_close_matches(condition, cells.names, cutoff=0.5) or cells.names[:20]
        raise DataError(f"{path}: no column is named {condition!r}; take one of {', '.join(near)}")
    whole, notes = _complete(path, cells)
    readings, left_out = _read(path, whole, condition)
    names, labels = ((), None) if condition is None else readings.pop(condition).classes()
    if not readings:
        raise DataError(f"{path}: no column is left to learn ({'; '.join(left_out)}); give a table with numbers or categories")
    kept = [column for name, column in zip(whole.names, whole.columns, strict=True) if name in readings or name == condition]
    try:
        parts = split(["\x1f".join(row).encode() for row in zip(*kept, strict=True)])
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    values = torch.from_numpy(np.stack([reading.values for reading in readings.values()], 1))
    train, valid, test = (
        Rows(values[part], None if labels is None else torch.from_numpy(labels[part])) for part in (parts.train, parts.valid, parts.test)
    )
    columns = tuple(reading.column(np.array(parts.train)) for reading in readings.values())
    line = parts.line.replace("each example's content", "each row")
    return Dataset(
        path.name,
        "table",
        train,
        valid,
        test,
        names,
        Tabular(columns),
        line,
        (_told(readings), *cells.notes, *notes, *left_out),
    )


def _told(readings: dict[str, Reading]) -> str:
    """What each column was taken for."""
    kinds = [f"{reading.name} ({reading.kind})" for reading in readings.values()]
    return "columns: " + ", ".join(kinds[:SHOWN]) + (f" and {len(kinds) - SHOWN} more" if len(kinds) > SHOWN else "")


def _read(path: Path, cells: _Cells, condition: str | None) -> tuple[dict[str, Reading], list[str]]:
    """The columns that are kept, by name, and a note on each that is not."""
    readings, left_out = {}, []
    for name, column in zip(cells.names, cells.columns, strict=True):
        found = read_column(name, column)
        if not isinstance(found, str):
            readings[name] = found
        elif name == condition:
            raise DataError(f"{path}: column {name!r} makes no classes: {found}; choose another --condition")
        else:
            left_out.append(f"column {name!r} left out: {found}")
    if condition is not None:
        if condition not in readings:
            raise DataError(f"{path}: column {condition!r} misses more than a quarter of its cells; choose another --condition")
        if len(classes := readings[condition].classes()[0]) > MOST_WORDS:
            raise DataError(f"{path}: column {condition!r} has {len(classes)} different values; a condition has at most {MOST_WORDS}")
    return readings, left_out


def _complete(path: Path, cells: _Cells) -> tuple[_Cells, list[str]]:
    """The table without what is missing, and what that was."""
    gaps = np.array([[cell.lower() in MISSING for cell in column] for column in cells.columns])
    rows = gaps.shape[1]
    sparse = gaps.mean(1) > COLUMN_MISSING
    notes = [f"column {cells.names[j]!r} left out: missing in {gaps[j].mean():.0%} of the rows" for j in sparse.nonzero()[0]]
    if sparse.all():
        raise DataError(f"{path}: every column is missing in more than {COLUMN_MISSING:.0%} of the rows; fill them in")
    whole = ~gaps[~sparse].any(0)
    if (lost := rows - int(whole.sum())) > ROWS_MISSING * rows:
        worst = cells.names[int(np.where(sparse, 0, gaps.mean(1)).argmax())]
        raise DataError(f"{path}: {lost} of {rows} rows miss a cell, most often {worst!r}; fill them in or remove that column")
    if lost:
        notes.append(f"{lost} of {rows} rows left out: they miss a cell")
    keep = whole.nonzero()[0].tolist()
    columns = [[column[i] for i in keep] for column, out in zip(cells.columns, sparse, strict=True) if not out]
    return _Cells([name for name, out in zip(cells.names, sparse, strict=True) if not out], columns), notes


def _csv(path: Path) -> _Cells:
    """A file of separated values. The separator is the one that cuts the first line into most cells."""
    content = path.read_bytes()
    if b"\0" in content[:65536]:
        raise DataError(f"{path}: holds zero bytes, so it is no CSV; save the table as CSV in UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: byte {error.start} is no UTF-8; convert it, as in: iconv -f latin1 -t utf8") from None
    first = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t|", key=lambda mark: len(next(csv.reader([first], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row and rows and len(row) != len(rows[0]):
                raise DataError(f"{path}: line {reader.line_num} has {len(row)} cells, the first has {len(rows[0])}; mend that line")
            if row:
                rows.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} is no CSV ({error}); mend that line") from None
    if separator == ";":  # where the comma is the decimal point
        rows = [[re.sub(r"^([+-]?\d+),(\d+)$", r"\1.\2", cell) for cell in row] for row in rows]
    return _named(path, rows)


def _named(path: Path, rows: list[list[str]]) -> _Cells:
    """The first row are the names, unless it holds a number."""
    headless = bool(rows) and any(NUMBER.fullmatch(cell) for cell in rows[0])
    names = [f"column{i + 1}" if headless or not cell else cell for i, cell in enumerate(rows[0] if rows else [])]
    body = rows if headless else rows[1:]
    if len(body) < 3:
        raise DataError(f"{path}: {len(body)} rows are too few to learn, choose and test on; give at least 3, better hundreds")
    if len(set(names)) < len(names):
        twice = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: two columns are named {twice!r}; rename one")
    note = (f"the first row holds numbers, so it is taken as data: the columns are {names[0]} to {names[-1]}",) if headless else ()
    return _Cells(names, [list(column) for column in zip(*body, strict=True)], note)


def _parquet(path: Path) -> _Cells:
    try:
        from pyarrow import ArrowException, parquet  # an extra: CSV needs nothing but Python
    except ImportError:
        raise DataError(f"{path}: reading Parquet needs pyarrow; pip install 'morphogen[tables]', or save the table as CSV") from None
    try:
        table = parquet.read_table(path)
    except ArrowException as error:
        raise DataError(f"{path}: is no Parquet that pyarrow can read ({str(error).splitlines()[0]}); save it again, or as CSV") from None
    columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    return _named(path, [list(map(str, table.column_names)), *map(list, zip(*columns, strict=True))])


def _cell(value: object) -> str:
    """A value as CSV would hold it."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value).strip()
