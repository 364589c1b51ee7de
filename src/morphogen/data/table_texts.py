"""Columns of a table that hold texts, which no table models: how to give them as texts."""

__all__ = ["check_texts", "pandas_expression", "texts_notes"]

from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from morphogen.caller import option, setting
from morphogen.data.columns import Reading
from morphogen.data.csv_dialect import SPACE
from morphogen.data.dataset import DataError
from morphogen.data.records import SAMPLE, are_texts, is_prose
from morphogen.data.words import Words
from morphogen.media.pictures import PICTURES
from morphogen.media.sound import SOUND

LABELS = ("label", "labels", "target", "class")  # names of columns of classes
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


def check_texts(
    where: str, frame: str, dropped: Sequence[Reading], usable: Mapping[str, Reading], condition: str | None
) -> None:
    """Errors: DataError for texts, or names of pictures or sounds, beside one column of classes or none.

    Arguments:
        where: what the error names.
        frame: the table as an expression.
        dropped: columns that are not modelled.
        usable: those that are, by name.
        condition: the one with the classes; None: none.
    """
    used = [usable[name] for name in usable if name != condition]
    if len(used) > 1 or not all(map(_is_label, used)):
        return
    if files := [reading for reading in dropped if _is(_are_files, reading)]:
        name, label = files[0].name, condition or next((reading.name for reading in used), None)
        classes = "" if label is None else f", list({frame}[{label!r}])"
        remedy = f"mg.load_data(list({frame}[{name!r}]){classes})"
        folder = Path(where).parent
        if Path(where).is_file() and (folder / files[0].known[0]).is_file():
            remedy = option("data", str(folder))
        raise DataError(f"{where}: column {name!r} names files, not cells of a table: give {remedy}")
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


def _are_files(cells: Sequence[str]) -> bool:
    """Whether all cells are names of pictures or sounds."""
    suffixes = (*PICTURES.suffixes, *SOUND.suffixes)
    return len(cells) > 0 and all(cell.lower().endswith(suffixes) for cell in cells)


def _is_label(reading: Reading) -> bool:
    """Whether a column has classes: words, two numbers, or whatever is named as labels are."""
    is_named = reading.name.lower() in LABELS
    return is_named or isinstance(reading, Words) or len(np.unique(reading.known)) == 2
