"""Columns of a table that hold texts, which no table models: how to give them as texts."""

__all__ = ["check_texts", "pandas_expression", "texts_notes"]

from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np

from morphogen.caller import setting
from morphogen.data.columns import Numbers, Reading
from morphogen.data.csv_dialect import SPACE
from morphogen.data.dataset import DataError
from morphogen.data.records import SAMPLE, are_texts, is_prose
from morphogen.data.table_choice import FEW_NUMBERS
from morphogen.data.words import Words

READERS = {  # pandas expressions by the suffix of a file; others are CSV
    ".parquet": "pd.read_parquet({file})",
    ".json": "pd.read_json({file})",
    **dict.fromkeys((".jsonl", ".ndjson"), "pd.read_json({file}, lines=True)"),
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods"), "pd.read_excel({file})"),
}


def pandas_expression(file: str, suffix: str, separator: str) -> str:
    """The expression that reads a table.

    Arguments:
        file: its name as an expression.
        suffix: of its name.
        separator: of the cells of a CSV file; "": white space.
    """
    separated = "" if separator == "," else f", sep={separator or SPACE!r}"
    return READERS.get(suffix.lower(), f"pd.read_csv({{file}}{separated})").format(file=file)


def check_texts(where: str, frame: str, dropped: Iterable[Reading], used: Sequence[Reading]) -> None:
    """Errors: DataError for texts beside one column of classes or none.

    Arguments:
        where: what the error names.
        frame: the table as an expression.
        dropped: columns that are not modelled.
        used: those that are, without the condition.
    """
    if len(used) > 1 or not all(map(_is_label, used)):
        return
    are_data = are_texts if used else is_prose
    if found := [reading for reading in dropped if _is(are_data, reading)]:
        names = [reading.name for reading in found]
        what = f"columns {names[0]!r} and {names[1]!r} hold" if names[1:] else f"column {names[0]!r} holds"
        without = setting("table", "drop", ",".join(names))
        rest = f"; {without} reads a table of the others" if used else ""
        raise DataError(f"{where}: {what} texts: {_remedy(frame, found)}; a text has no labels{rest}")


def texts_notes(frame: str, dropped: Iterable[Reading]) -> list[str]:
    """Notes on columns of texts that are dropped from a table with other columns."""
    return [
        f"column {reading.name!r} holds texts, which a table leaves out: {_remedy(frame, [reading])}"
        for reading in dropped
        if _is(are_texts, reading)
    ]


def _remedy(frame: str, readings: Sequence[Reading]) -> str:
    """How to give one column as texts, or two as pairs."""
    columns = [f"{frame}[{reading.name!r}]" for reading in readings]
    if len(columns) > 1:
        lines = 'lines {"source": "...", "target": "..."} of a file .jsonl'
        return f"give them as pairs, mg.load_data(list(zip({columns[0]}, {columns[1]}))), or as {lines}"
    known = ".dropna()" if readings[0].missing.any() else ""
    listed = f"mg.load_data(list({columns[0]}{known}))"
    return f'give them as a list, {listed}, or as lines {{"text": "..."}} of a file .jsonl'


def _is(kind: Callable[[Sequence[Any]], bool], reading: Reading) -> bool:
    """Whether the cells of a column are texts of a kind."""
    return isinstance(reading, Words) and kind(list(reading.known[:SAMPLE]))


def _is_label(reading: Reading) -> bool:
    """Whether a column has classes: words, or a few whole numbers."""
    if isinstance(reading, Words):
        return True
    few = len(np.unique(reading.known)) <= FEW_NUMBERS
    return few and isinstance(reading, Numbers) and not (reading.known % 1).any()
