r"""Tables: CSV files (comma, semicolon, tab or bar; with or without a header row) and Parquet.

The type of each column is inferred (see `columns`). Rows with a missing cell are dropped and counted, up to
half of the table; a column with more than a quarter of its cells missing is dropped instead. One column may
be the condition: its values are the classes, and it is not part of the medium. The split is by the hash of
each row; means and standard deviations are those of the training part.
"""

__all__ = ["Rows", "load_table"]

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
from morphogen.data.dataset import DataError, Dataset, Examples, with_labels
from morphogen.data.splits import split
from morphogen.representations.tabular import Tabular

SHOWN = 12  # columns that the notes list
COLUMN_MISSING = 0.25  # largest fraction of missing cells in a column
ROWS_MISSING = 0.5  # largest fraction of rows with a missing cell


class Rows(Examples):
    """Rows of a table.

    Arguments:
        values: [N, D], categories as indices.
        labels: [N], or None.
    """

    def __init__(self, values: Float64[Tensor, "n d"], labels: Int[Tensor, " n"] | None = None):
        self.values, self.labels = values, labels

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.values[indices], {} if self.labels is None else {"label": self.labels[indices]})


class _Cells(NamedTuple):
    """A table as text: the column names, the cells of each column, and a note on how it was parsed."""

    names: list[str]
    columns: list[list[str]]
    notes: tuple[str, ...] = ()


def load_table(path: Path, condition: str | None = None) -> Dataset:
    """Load a table.

    Arguments:
        path: of a .csv, .tsv or .parquet file.
        condition: name of the column whose values are the classes; None: no classes.

    Errors: DataError.
    """
    cells = _parse_parquet(path) if path.suffix.lower() == ".parquet" else _parse_csv(path)
    if condition is not None and condition not in cells.names:
        similar = difflib.get_close_matches(condition, cells.names, cutoff=0.5) or cells.names[:20]
        raise DataError(f"{path}: no column is named {condition!r}; choose one of {', '.join(similar)}")
    complete, notes = _drop_missing(path, cells)
    readings, dropped = _read_columns(path, complete, condition)
    names, label = ((), None) if condition is None else readings.pop(condition).classes()
    if not readings:
        raise DataError(
            f"{path}: no usable column is left ({'; '.join(dropped)}); "
            "give a table with numbers or categories"
        )
    kept = [
        column
        for name, column in zip(complete.names, complete.columns, strict=True)
        if name in readings or name == condition
    ]
    try:
        parts = split(["\x1f".join(row).encode() for row in zip(*kept, strict=True)])
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    values = torch.from_numpy(np.stack([reading.values for reading in readings.values()], 1))
    train, valid, test = (
        Rows(values[part], None if label is None else torch.from_numpy(label[part]))
        for part in (parts.train, parts.valid, parts.test)
    )
    table = Tabular(tuple(reading.column(np.array(parts.train)) for reading in readings.values()))
    line = parts.line.replace("each example's content", "each row")
    notes = [_column_note(readings), *cells.notes, *notes, *dropped]
    return Dataset(path.name, "table", train, valid, test, with_labels(names), table, line, tuple(notes))


def _column_note(readings: dict[str, Reading]) -> str:
    """A note that lists the inferred type of each column."""
    kinds = [f"{reading.name} ({reading.kind})" for reading in readings.values()]
    more = f" and {len(kinds) - SHOWN} more" if len(kinds) > SHOWN else ""
    return f"columns: {', '.join(kinds[:SHOWN])}{more}"


def _read_columns(path: Path, cells: _Cells, condition: str | None) -> tuple[dict[str, Reading], list[str]]:
    """The usable columns by name, and a note on each of the others."""
    readings, dropped = {}, []
    for name, column in zip(cells.names, cells.columns, strict=True):
        reading = read_column(name, column)
        if not isinstance(reading, str):
            readings[name] = reading
        elif name == condition:
            raise DataError(
                f"{path}: column {name!r} cannot be the classes: {reading}; choose another --condition"
            )
        else:
            dropped.append(f"column {name!r} dropped: {reading}")
    if condition is not None:
        if condition not in readings:
            raise DataError(
                f"{path}: column {condition!r} is missing in more than a quarter of the rows; "
                "choose another --condition"
            )
        if len(classes := readings[condition].classes()[0]) > MOST_WORDS:
            raise DataError(
                f"{path}: column {condition!r} has {len(classes)} different values; a condition has at most "
                f"{MOST_WORDS}, choose another --condition"
            )
    return readings, dropped


def _drop_missing(path: Path, cells: _Cells) -> tuple[_Cells, list[str]]:
    """The table without sparse columns and incomplete rows, and notes on what was dropped."""
    missing = np.array([[cell.lower() in MISSING for cell in column] for column in cells.columns])
    n_rows = missing.shape[1]
    sparse = missing.mean(1) > COLUMN_MISSING
    notes = [
        f"column {cells.names[j]!r} dropped: missing in {missing[j].mean():.0%} of the rows"
        for j in sparse.nonzero()[0]
    ]
    if sparse.all():
        raise DataError(
            f"{path}: every column is missing in more than {COLUMN_MISSING:.0%} of the rows; "
            "fill in the cells"
        )
    complete = ~missing[~sparse].any(0)
    if (incomplete := n_rows - int(complete.sum())) > ROWS_MISSING * n_rows:
        worst = cells.names[int(np.where(sparse, 0, missing.mean(1)).argmax())]
        raise DataError(
            f"{path}: {incomplete} of {n_rows} rows have missing cells, most often in {worst!r}; "
            "fill them in or remove that column"
        )
    if incomplete:
        notes.append(f"{incomplete} of {n_rows} rows dropped: they have missing cells")
    rows = complete.nonzero()[0].tolist()
    kept = [j for j, is_sparse in enumerate(sparse) if not is_sparse]
    return _Cells([cells.names[j] for j in kept], [[cells.columns[j][i] for i in rows] for j in kept]), notes


def _parse_csv(path: Path) -> _Cells:
    """Parse a CSV file. The separator is the one that divides the first line into most cells."""
    content = path.read_bytes()
    if b"\0" in content[:65536]:
        raise DataError(f"{path}: has zero bytes, so it is not CSV; save the table as CSV in UTF-8")
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: byte {error.start} is not valid UTF-8; convert the file, for example: "
            "iconv -f latin1 -t utf8"
        ) from None
    header = text.lstrip("\r\n").partition("\n")[0]
    separator = max(",;\t|", key=lambda mark: len(next(csv.reader([header], delimiter=mark), [])))
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator)
    rows: list[list[str]] = []
    try:
        for row in reader:
            if row and rows and len(row) != len(rows[0]):
                raise DataError(
                    f"{path}: line {reader.line_num} has {len(row)} cells, the first line has "
                    f"{len(rows[0])}; correct that line"
                )
            if row:
                rows.append([cell.strip() for cell in row])
    except csv.Error as error:
        raise DataError(f"{path}: line {reader.line_num} is not CSV ({error}); correct that line") from None
    if separator == ";":  # then a comma is the decimal point
        rows = [[re.sub(r"^([+-]?\d+),(\d+)$", r"\1.\2", cell) for cell in row] for row in rows]
    return _with_header(path, rows)


def _with_header(path: Path, rows: list[list[str]]) -> _Cells:
    """Take the first row as the column names, unless it contains a number."""
    headless = bool(rows) and any(NUMBER.fullmatch(cell) for cell in rows[0])
    names = [
        f"column{i + 1}" if headless or not cell else cell for i, cell in enumerate(rows[0] if rows else [])
    ]
    body = rows if headless else rows[1:]
    if len(body) < 3:
        raise DataError(
            f"{path}: {len(body)} rows cannot be split into train, valid and test; "
            "give at least 3, better hundreds"
        )
    if len(set(names)) < len(names):
        duplicate = next(name for name in names if names.count(name) > 1)
        raise DataError(f"{path}: two columns are named {duplicate!r}; rename one")
    note = f"no header row: the first row has numbers; the columns are named {names[0]} to {names[-1]}"
    return _Cells(names, [list(column) for column in zip(*body, strict=True)], (note,) if headless else ())


def _parse_parquet(path: Path) -> _Cells:
    """Parse a Parquet file; needs the extra `tables`."""
    try:
        from pyarrow import ArrowException, parquet
    except ImportError:
        raise DataError(
            f"{path}: Parquet needs pyarrow; install it: pip install 'morphogen[tables]', "
            "or save the table as CSV"
        ) from None
    try:
        table = parquet.read_table(path)
    except ArrowException as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: pyarrow cannot read it as Parquet ({reason}); save it again, or as CSV"
        ) from None
    columns = [[_cell(value) for value in column.to_pylist()] for column in table.columns]
    return _with_header(path, [list(map(str, table.column_names)), *map(list, zip(*columns, strict=True))])


def _cell(value: object) -> str:
    """A value as text, as CSV would store it."""
    return "" if value is None else repr(value) if isinstance(value, float) else str(value).strip()
