r"""Tables: CSV files in any dialect, Parquet, JSON, workbooks, and pandas DataFrames.

The type of each column is inferred (see `cells` and `columns`). Missing cells are data: NaN in the medium.
One column may be the condition: its values are the classes, and it is not part of the medium; rows without a
class are dropped and counted. The split is by the hash of each row, or the user's own; the weights of a
column's codes are those of the training part.
"""

__all__ = ["Rows", "load_table", "table_of", "table_of_parts"]

from collections import Counter
from collections.abc import Mapping, Sequence
from itertools import compress
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from jaxtyping import Float64, Int
from torch import Tensor

from morphogen.caller import option, setting
from morphogen.component import to_config
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch
from morphogen.data.cells import read_columns
from morphogen.data.column_names import distinct_names
from morphogen.data.columns import Numbers, Reading
from morphogen.data.dataset import DataError, Dataset, Examples, with_labels
from morphogen.data.determined import determined_notes
from morphogen.data.flattened import flattened_notes
from morphogen.data.number_formats import number_formats
from morphogen.data.row_contents import row_contents
from morphogen.data.splits import Part, Split, split, trained_only
from morphogen.data.table_choice import MOST_CLASSES, check_condition, numbered_classes, without
from morphogen.data.table_files import Table, join_parts, read_table_file, read_table_folder
from morphogen.data.table_options import TableOptions
from morphogen.data.table_texts import check_texts, pandas_expression, texts_notes
from morphogen.data.totals import totals_notes
from morphogen.data.words import Words, many_words
from morphogen.numerics.gower import Gower
from morphogen.representations.tabular import CsvFormat, Tabular
from morphogen.similar_names import list_names

if TYPE_CHECKING:
    from pandas import DataFrame

MOSTLY = 0.5  # fraction of missing cells that is worth a note
SHOWN = 12  # columns that the notes list
REMEDY = "give a table with numbers, dates or categories, and fill in empty cells"


class Rows(Examples):
    """Rows of a table.

    Arguments:
        values: [N, D], categories as indices.
        labels: [N], or None.
        levels: number of categories of each column, 0: numbers; (): all are numbers.
    """

    def __init__(
        self,
        values: Float64[Tensor, "n d"],
        labels: Int[Tensor, " n"] | None = None,
        levels: Sequence[int] = (),
    ):
        self.values, self.labels, self.vectors = values, labels, Gower(values, levels)

    def coordinates(self, medium: Float64[Tensor, "m d"]) -> Float64[Tensor, "m e"]:
        return self.vectors(medium)

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.values[indices], {} if self.labels is None else {"label": self.labels[indices]})


def load_table(path: Path, condition: str | None = None, options: Mapping[str, str] | None = None) -> Dataset:
    """Load a table.

    Arguments:
        path: of a file: CSV, Parquet (.parquet), JSON (.json, .jsonl) or a workbook (.xlsx, .xls, .ods); or
            of a folder with such files of the user's own split: train.csv and test.csv, for example.
        condition: name of the column whose values are the classes; None: no classes.
        options: those of `TableOptions`, by name.

    Errors: DataError.
    """
    chosen = TableOptions.of(options)
    table = read_table_folder(path, chosen) if path.is_dir() else read_table_file(path, chosen)
    try:
        return _dataset(path.name, str(path), table, condition, chosen)
    except DataError as error:
        if table.origin is None or not table.origin.others:
            raise
        name, others = table.origin.sheet, table.origin.others
        ways = f"{setting('table', 'sheet', others[0])} reads another of {list_names([name, *others])}"
        raise DataError(f"{error}; this is sheet {name!r}, and {ways}") from None


def table_of(
    name: str, frame: "DataFrame", condition: str | None = None, options: Mapping[str, str] | None = None
) -> Dataset:
    """The data set of a DataFrame; its index is not used.

    Arguments:
        name: of the data set, for reports and errors.
        frame: numbers, text, booleans, categories, dates and times are read; other columns are dropped.
        condition: name of the column whose values are the classes; None: no classes.
        options: those of `TableOptions`, by name.

    Errors: DataError.
    """
    return _dataset(name, name, Table(frame), condition, TableOptions.of(options))


def table_of_parts(
    name: str,
    frames: "Mapping[str, DataFrame]",
    condition: str | None = None,
    options: Mapping[str, str] | None = None,
) -> Dataset:
    """The data set of DataFrames that are already split; types of columns are inferred from all of them.

    Arguments:
        name, condition, options: as for `table_of`.
        frames: "train" and "valid", "test" or both; a missing one is cut from train.

    Errors: DataError.
    """
    table = join_parts(name, [(part, Table(frame)) for part, frame in frames.items()])
    return _dataset(name, name, table, condition, TableOptions.of(options))


def _dataset(name: str, where: str, table: Table, condition: str | None, options: TableOptions) -> Dataset:
    """The data set of a table; `where` is what errors begin with."""
    whole, renamed = distinct_names(table.frame)
    frame = without(where, whole, options.drop)
    _check(where, frame, condition)
    cells, marks = read_columns(frame, options, table.decimal)
    expression = _expression(where, table)
    readings, constants, rows, dropped = _usable(where, expression, cells, condition)
    label = None if condition is None else readings.pop(condition)
    if not readings:
        raise DataError(f"{where}: no usable column is left ({'; '.join(dropped)}); {REMEDY}")
    kept = _in_order(frame, [*readings.values(), *([] if label is None else [label])])
    made, repeated = _split(where, kept, list(compress(table.parts, rows)), dropped)
    classes, labels = ((), None) if label is None else label.classes()
    if labels is not None:
        made, known, untrained = trained_only(made, labels.tolist(), classes, "row")
        classes, labels = tuple(classes[k] for k in known), np.searchsorted(known, labels)
        dropped += [*untrained, *numbered_classes(label)]
    values = torch.from_numpy(np.stack([reading.values for reading in readings.values()], 1))
    levels = [len(reading.levels) if isinstance(reading, Words) else 0 for reading in readings.values()]
    train, valid, test = (
        Rows(values[part], None if labels is None else torch.from_numpy(labels[part]), levels)
        for part in (made.train, made.valid, made.test)
    )
    parts = [tuple(r.column(np.array(made.train)) for r in some) for some in (readings.values(), constants)]
    column, conditions = None, with_labels(())
    if label is not None and labels is not None:
        weights = tuple(np.bincount(labels[made.train], minlength=len(classes)).tolist())
        column = label.class_column(classes, (0, *weights))
        conditions = {"label": Classes(classes, weights)}
    names = {reading.name for reading in (*kept, *constants)}
    order, ignored = (tuple(n for n in whole if (n in names) is known) for known in (True, False))
    csv = _csv_format(table._replace(frame=frame), readings, options.decimal)
    tabular = Tabular(parts[0], column, parts[1], order, csv, ignored)
    totals = totals_notes(frame.reset_index(drop=True)[rows], kept, condition)
    similar = flattened_notes(frame, expression, condition) or determined_notes(readings.values())
    notes = [*_column_notes(readings), *similar, *totals, *table.notes, *renamed, *marks]
    notes += [note for reading in kept for note in reading.notes] + [*repeated, *dropped, *made.copied("row")]
    line = made.line.replace("each example's content", "each row")
    return Dataset(name, "table", train, valid, test, conditions, tabular, line, tuple(notes))


def _check(where: str, frame: "DataFrame", condition: str | None) -> None:
    """Errors: DataError for a condition that is no column, and for fewer rows than parts."""
    check_condition(where, frame, condition)
    if len(frame) < 3:
        raise DataError(
            f"{where}: {len(frame)} rows cannot be split into train, valid and test; "
            "give at least 3, better hundreds"
        )


def _in_order(frame: "DataFrame", readings: Sequence[Reading]) -> list[Reading]:
    """Columns as in the table, whichever has the classes: the split depends on the order of the cells."""
    places = {name: place for place, name in enumerate(frame)}
    return sorted(readings, key=lambda reading: places[reading.name])


def _csv_format(table: Table, readings: Mapping[str, Reading], decimal: str | None) -> CsvFormat | None:
    """How samples are written: as the data; None: with commas and decimal points, or it is no CSV file.

    Arguments:
        table, readings: the data.
        decimal: mark that the user chose.
    """
    if not table.separator:
        return None
    names = [name for name, reading in readings.items() if isinstance(reading, Numbers)]
    forms = number_formats(table.frame, names, table.decimal, decimal)
    marks = Counter(form.decimal for form in forms.values() if form.decimals > 0)
    usual = marks.most_common(1)[0][0] if marks else table.decimal
    others = {name: form for name, form in forms.items() if not form.is_plain(usual)}
    format = CsvFormat(table.separator, usual, table.has_mark, others)
    return None if to_config(format) == to_config(CsvFormat()) else format


def _expression(where: str, table: Table) -> str:
    """The pandas expression of a table: that reads its file, or "df"."""
    path = Path(where)
    return pandas_expression(repr(where), path.suffix, table.separator) if path.is_file() else "df"


def _usable(
    where: str, expression: str, cells: Mapping[str, Reading | str], condition: str | None
) -> tuple[dict[str, Reading], list[Reading], np.ndarray, list[str]]:
    """The usable and the constant columns of the rows that have a class, which rows these are, and notes.

    Errors: DataError if the condition is not usable, or nothing is left.
    """
    faults = {name: _fault(reading) for name, reading in cells.items()}
    _check_condition(where, condition, faults)
    readings = {name: reading for name, reading in cells.items() if isinstance(reading, Reading)}
    count = max((len(reading.cells) for reading in readings.values()), default=0)
    rows = np.ones(count, dtype=bool) if condition is None else ~readings[condition].missing
    readings = {name: reading.keep(rows) for name, reading in readings.items()}
    faults |= {name: reading.fault() or "" for name, reading in readings.items() if not faults[name]}
    _check_condition(where, condition, faults)
    usable = {name: reading for name, reading in readings.items() if not faults[name]}
    constants = [reading for reading in readings.values() if reading.is_constant]
    ways = {reading.name: "not modelled, but in samples" for reading in constants}
    dropped = [
        f"column {name!r} {ways.get(name, 'dropped')}: {fault}" for name, fault in faults.items() if fault
    ]
    gone = [reading for name, reading in readings.items() if faults[name] and not reading.is_constant]
    check_texts(where, expression, gone, usable, condition)
    dropped += texts_notes(expression, gone)
    if left_out := int((~rows).sum()):
        dropped.append(f"{left_out} of {count} rows dropped: they have no {condition!r}, the class")
    if not usable:
        raise DataError(f"{where}: no usable column is left ({'; '.join(dropped)}); {REMEDY}")
    _check_classes(where, usable, condition)
    return usable, constants, rows, dropped


def _fault(reading: Reading | str) -> str:
    """Why a column cannot be used; "": it can."""
    if isinstance(reading, str):
        return reading
    if counts := reading.counts_rows():
        return f"it only counts the rows ({counts})"
    fault = reading.fault()
    return "; ".join([fault, *reading.notes]) if fault else ""


def _check_condition(where: str, condition: str | None, faults: Mapping[str, str]) -> None:
    """Errors: DataError if the condition has a fault."""
    if condition is not None and faults[condition]:
        raise DataError(
            f"{where}: column {condition!r} cannot be the classes: {faults[condition]}; "
            f"choose another {option('condition')}"
        )


def _check_classes(where: str, readings: Mapping[str, Reading], condition: str | None) -> None:
    """Errors: DataError for too many classes."""
    if condition is not None and (count := len(readings[condition].classes()[0])) > MOST_CLASSES:
        raise DataError(
            f"{where}: column {condition!r} has {count} different values; a condition has at most "
            f"{MOST_CLASSES}, choose another {option('condition')}"
        )


def _split(
    where: str, readings: Sequence[Reading], parts: Sequence[Part], dropped: Sequence[str]
) -> tuple[Split, tuple[str, ...]]:
    """The rows of train, valid and test, by content or as `parts` has them, and notes.

    `dropped` says what is gone, if too little is left.
    """
    contents, notes = row_contents([reading.texts() for reading in readings])
    try:
        return split(contents, parts), notes
    except DataError as error:
        raise DataError(f"{where}: {'; '.join([str(error), *dropped])}") from None


def _column_notes(readings: Mapping[str, Reading]) -> list[str]:
    """A note that lists the inferred type of each column and how often it is missing, and special columns."""
    rates = {name: float(reading.missing.mean()) for name, reading in readings.items()}
    gone = {name: f", {100 * rate:.2g}% missing" if rate else "" for name, rate in rates.items()}
    kinds = [f"{name} ({reading.kind}{gone[name]})" for name, reading in readings.items()]
    more = f" and {len(kinds) - SHOWN} more" if len(kinds) > SHOWN else ""
    listed = f"columns: {', '.join(kinds[:SHOWN])}{more}"
    return [listed, *_mostly_missing(readings), *many_words(readings.values())]


def _mostly_missing(readings: Mapping[str, Reading]) -> list[str]:
    """Notes on columns that are used although most of their cells are missing."""
    rates = {name: float(reading.missing.mean()) for name, reading in readings.items()}
    return [
        f"column {name!r} is missing in {rate:.0%} of the rows; so it is in samples"
        for name, rate in rates.items()
        if rate > MOSTLY
    ]
