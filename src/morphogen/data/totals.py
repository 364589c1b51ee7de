"""Rows of totals below a table, whose numbers are the sums or the means of their columns, and lines of text.

A model of the rows learns such a row as one of them, far from all others. Whether it is one cannot be decided
from the numbers alone, so a note names it. A word such as "Total" and one number decide it for any of the
last rows; without a word it is the last one, if it lacks cells or has several such numbers. No paper: a rule
of thumb.

A line such as "Source: Office" is a row at the end with words in its first cell only, as no other row has.
"""

__all__ = ["totals_notes"]

import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from morphogen.data.columns import Numbers, Reading
from morphogen.data.words import Words

if TYPE_CHECKING:
    from pandas import DataFrame, Series

FEWEST = 5  # rows above the totals; fewer can agree by chance
CLOSE = 1e-9  # relative difference of a total from the sum
ROUNDED = 1e-3  # the same for a row with a word, whose cells may be rounded
LAST = 5  # rows that may be totals with a word
LINES = 20  # lines below a table
WORDS = {  # what a row is whose cell has one of these words
    "sum": r"totals?|totale|sub[- ]?totals?|sums?|summe|(gesamt|zwischen)summe|(ins)?gesamt|somme|suma",
    "mean": r"means?|averages?|avg|mittelwert|durchschnitt|moyenne",
}
LABELS = {kind: re.compile(rf"\b({words})\b", re.IGNORECASE) for kind, words in WORDS.items()}


def totals_notes(frame: "DataFrame", readings: Iterable[Reading], condition: str | None = None) -> list[str]:
    """Notes on rows near the end that hold the sum or the mean of a column.

    Arguments:
        frame: all columns as they are written, and as index the numbers of the rows, from 0.
        readings: the columns that are used, of the same rows.
        condition: name of the column whose values are the classes.
    """
    lines = _lines(frame)
    above, below = frame.iloc[: len(frame) - lines], frame.iloc[len(frame) - lines :]
    columns, labels = [column.keep(np.arange(len(above))) for column in readings], _labels(above)
    rows = [place for place in labels if place >= len(above) - LAST]
    found = {place: kinds for place in rows if (kinds := _labelled(columns, place, labels))}
    words = [column.name for column in columns if isinstance(column, Words)]
    values = {name: "class" if name == condition else "category" for name in words}
    notes = []
    for place, kinds in found.items():
        name, word, _ = labels[place]
        row = f"row {frame.index[place] + 1} ({word!r}) looks like totals ({_listed(kinds)})"
        notes.append(_note(row, word, name, values))
    if not notes and (kinds := _unlabelled(columns)):
        last = "" if lines else ", the last one,"
        row = f"row {above.index[-1] + 1}{last} looks like totals ({_listed(kinds)})"
        notes = [_note(row)]
    for place, text in zip(below.index, below.iloc[:, 0], strict=True):
        shown = f"row {place + 1} ({text[:40]!r}) looks like a line below the table"
        notes.append(_note(shown, text.strip(), str(frame.columns[0]), values))
    return notes


def _note(row: str, word: str = "", name: str = "", values: Mapping[str, str] | None = None) -> str:
    """A note on a row that is no example.

    Arguments:
        row: which one it is, and what it looks like.
        word: in one of its cells.
        name: of the column of that cell.
        values: what the values of each column of words are.
    """
    used = f", {word[:40]!r} as a {values[name]} of {name!r}" if values and name in values else ""
    return f"{row} and is read as data{used}: leave it out of the file, unless it is an example"


def _listed(kinds: Mapping[str, str]) -> str:
    return ", ".join(f"the {kind} of {name!r}" for name, kind in kinds.items())


def _lines(frame: "DataFrame") -> int:
    """How many rows at the end are lines of text below the table."""
    if len(frame) <= FEWEST or frame.shape[1] < 2:
        return 0
    last = frame.iloc[-LINES - 1 :].astype(object)
    lines = len(last) - next((i for i in range(len(last), 0, -1) if not _is_line(last.iloc[i - 1])), 0)
    if not lines or lines > LINES or len(frame) - lines < FEWEST:
        return 0
    above = frame.iloc[: len(frame) - lines].astype(object)
    is_known = above.iloc[:, 0].map(str).isin(last.iloc[-lines:, 0])
    return 0 if is_known.any() or _is_empty(above.iloc[:, 1:]).all(axis=1).any() else lines


def _is_line(row: "Series") -> bool:
    """Whether the first cell of a row has words and the others are empty."""
    first = row.iloc[0]
    return isinstance(first, str) and any(map(str.isalpha, first)) and bool(_is_empty(row.iloc[1:]).all())


def _is_empty(cells: Any) -> Any:
    """Whether each cell of a row or of a table is empty, as these are."""
    return cells.isna() | (cells == "")


def _labels(frame: "DataFrame") -> dict[int, tuple[str, str, str]]:
    """The column, the cell and the kind of each row with a word for totals, by the place of the row."""
    found: dict[int, tuple[str, str, str]] = {}
    for name in frame:
        if any(map(_kind, frame[name].iloc[-LAST:])):
            cells = {place: (cell, _kind(cell)) for place, cell in enumerate(frame[name])}
            labels = {place: (name, cell.strip(), kind) for place, (cell, kind) in cells.items() if kind}
            found = labels | found
    return dict(sorted(found.items()))


def _kind(cell: Any) -> str:
    """What a row is by the word in one of its cells; "": the cell has none."""
    if not isinstance(cell, str):
        return ""
    return next((kind for kind, label in LABELS.items() if label.search(cell)), "")


def _labelled(
    columns: Sequence[Reading], place: int, labels: Mapping[int, tuple[str, str, str]]
) -> dict[str, str]:
    """The columns that a row with a word totals: all rows above, or those below the row of totals before."""
    kind, start = labels[place][2], max((other + 1 for other in labels if other < place), default=0)
    whole, group = ([i for i in range(first, place) if i not in labels] for first in (0, start))
    return {
        column.name: kind
        for column in columns
        if isinstance(column, Numbers)
        and any(
            _total(column.values[rows], column.values[place], ROUNDED, (kind,)) for rows in (whole, group)
        )
    }


def _unlabelled(columns: Sequence[Reading]) -> dict[str, str]:
    """The columns that the last row totals, if it lacks cells that the others have, or totals several."""
    if not columns or len(columns[0].cells) <= FEWEST:
        return {}
    kinds = {
        column.name: kind
        for column in columns
        if isinstance(column, Numbers)
        and len(column.known) > FEWEST
        and (kind := _total(column.values[:-1], column.values[-1]))
    }
    lacks = any(column.missing[-1] and not column.missing[:-1].all() for column in columns)
    return kinds if lacks or len(kinds) > 1 else {}


def _total(
    above: np.ndarray, last: float, close: float = CLOSE, kinds: Container[str] = ("sum", "mean")
) -> str:
    """What a cell is of the cells above, in words; "": a cell like them.

    Arguments:
        above: the cells, NaN where one is missing.
        last: the cell.
        close: relative difference that is none.
        kinds: what it may be.
    """
    known = above[~np.isnan(above)]
    if np.isnan(last) or len(known) < 2 or (last <= known.max() and np.ptp(known) == 0):
        return ""
    sums = {"sum": known.sum(), "mean": known.mean()}
    near = [kind for kind, value in sums.items() if abs(last - value) <= close * max(abs(value), 1e-300)]
    return next((kind for kind in near if kind in kinds), "") if last not in known else ""
