"""From columns of a pandas DataFrame to columns that can be modelled: what their cells are.

    text                    numbers, dates or words
    any other dtype         what it is (see `typed_cells`)

Missing are the cells that pandas reads as missing, "?", and numbers that arithmetic cannot hold: those beyond
1e150, 1e12 times further from the median than 99 % of the column, or a few 1e6 interquartile ranges away. So
are one or two words, such as "k.A.", in a column of numbers or dates.
"""

__all__ = ["read_columns"]

import re
from collections import Counter
from collections.abc import Container, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from morphogen.caller import setting
from morphogen.counted import counted
from morphogen.data.columns import WHOLE, Dates, Reading
from morphogen.data.compact_dates import NUMBERS, compact_dates
from morphogen.data.dates import MICROSECONDS, date_format, first_year, microseconds
from morphogen.data.number_marks import Marks
from morphogen.data.table_options import TableOptions
from morphogen.data.typed_cells import dates_reading, numbers_reading, typed_reading, with_dtype, with_values
from morphogen.data.words import Words
from morphogen.representations.tabular.number_text import (
    UNIT,
    is_missing,
    is_number,
    number_pattern,
    signed,
    to_float,
    without_unit,
)
from morphogen.representations.tabular.pandas_series import in_century
from morphogen.representations.tabular.python_values import text_of

if TYPE_CHECKING:
    from pandas import DataFrame, Series

ODD, ODD_WORDS = 0.05, 2  # largest share of cells with words in a column of numbers, and of different ones
DASHES = 0.5  # largest share with dashes and other signs instead
NONZERO = re.compile("[^eE]*[1-9]")  # a number whose mantissa is not 0
MOSTLY = 0.9  # share of numbers in a column of words that is worth a note


def read_columns(
    frame: "DataFrame", options: TableOptions, usual: str = "."
) -> tuple[dict[str, Reading | str], tuple[str, ...]]:
    """What each column is, or in words why it cannot be used; and notes.

    Arguments:
        frame: the table, with distinct names of columns.
        options: what the user decided.
        usual: decimal mark of text where no column decides.
    """
    order = None if options.dates == NUMBERS else options.dates
    texts, odd = _texts(frame, options, order)
    texts, units, notes = _without_units(texts)
    distinct = {name: {cell for cell in cells if cell is not None} for name, cells in texts.items()}
    marks = Marks.of(distinct, usual, options.decimal)
    dated = (lambda reading, column: reading) if options.dates == NUMBERS else compact_dates
    typed = {name: typed_reading(name, frame[name]) for name in frame if name not in texts}
    readings: dict[str, Reading | str] = {
        name: dated(reading, frame[name]) if isinstance(reading, Reading) else reading
        for name, reading in typed.items()
    }
    for name in texts:
        column = frame[name]
        reading = _text(name, texts[name], marks.decimal[name], order)
        reading = replace(reading, marker=_marker(column, reading.missing))
        if isinstance(reading, Words | Dates):
            reading = with_dtype(reading, column)
        if isinstance(reading, Words) and _kind(column) in MIXED:
            reading = with_values(reading, column)
        reading = reading if name in units else dated(reading, column)
        readings[name] = reading if options.missing else _doubtful(reading, column)
    return {name: readings[name] for name in frame}, (*marks.notes, *notes, *odd)


def _texts(
    frame: "DataFrame", options: TableOptions, order: str | None
) -> tuple[dict[str, np.ndarray], list[str]]:
    """The cells of columns of text, None where one is missing, and notes on the words that are missing.

    Arguments:
        frame, options: as for `read_columns`.
        order: of dates, by the user.
    """
    gone, infers = (options.missing or "").split(","), options.missing is None
    usual = "empty" not in gone
    texts = {name: _stripped(frame[name], usual, gone) for name in frame if _kind(frame[name]) in TEXT}
    odd = {name: found for name, cells in texts.items() if infers and (found := _odd(cells, order))}
    for name, found in odd.items():
        texts[name] = np.array([None if cell in found else cell for cell in texts[name]], dtype=object)
    return texts, [
        f"{word!r} in column {name!r} is read as missing ({counted(count, 'cell')}); "
        f"{setting('table', 'missing', 'usual')} reads it as a word"
        for name, found in odd.items()
        for word, count in found.items()
    ]


def _without_units(
    texts: Mapping[str, np.ndarray],
) -> tuple[dict[str, np.ndarray], dict[str, str], list[str]]:
    """Columns of text whose numbers have no units and their sign before them, the units, and notes."""
    plain = dict(texts)
    negative = {name: cell for name, cells in texts.items() if (cell := _negative(cells))}
    for name in negative:
        plain[name] = np.array([cell and signed(cell) for cell in plain[name]], dtype=object)
    units = {name: unit for name, cells in plain.items() if (unit := _unit(cells))}
    for name in units:
        plain[name] = np.array([cell and without_unit(cell) for cell in plain[name]], dtype=object)
    notes = [f"column {name!r}: {cell} is read as {signed(cell)}" for name, cell in negative.items()]
    return plain, units, notes + [f"column {name!r}: numbers in {unit}" for name, unit in units.items()]


def _kind(column: "Series") -> str:
    """What pandas infers about the cells, ignoring missing ones."""
    from pandas.api.types import infer_dtype

    return infer_dtype(column, skipna=True)


def _marker(column: "Series", missing: np.ndarray) -> str:
    """The most common text of a missing cell."""
    texts = Counter(str(cell).strip() for cell in column[missing] if isinstance(cell, str))
    return texts.most_common(1)[0][0] if texts else ""


def _odd(cells: np.ndarray, order: str | None) -> dict[str, int]:
    """One or two words and their cells, in a column whose others are numbers or dates."""
    known = Counter(cell for cell in cells if cell is not None)
    words = {
        cell: count
        for cell, count in known.items()
        if not any(map(str.isdigit, cell)) and not is_number(cell)
    }
    spoken = sum(count for cell, count in words.items() if any(map(str.isalpha, cell)))
    is_few = spoken <= ODD * known.total() and sum(words.values()) <= DASHES * known.total()
    if not 0 < len(words) <= ODD_WORDS or not is_few:
        return {}
    others = sorted({*known} - {*words})
    are_numbers = all(is_number(without_unit(cell)) for cell in others)
    return words if are_numbers or date_format(others, order)[0] is not None else {}


def _stripped(column: "Series", usual: bool = True, words: Sequence[str] = ()) -> np.ndarray:
    """The cells as text without white space around it, object [N]; None where one is missing.

    Arguments:
        column: of text, or of what is written as text.
        usual: whether texts such as NA are missing, not only empty ones.
        words: others that are missing.
    """
    cells = column.to_numpy(object)
    missing = column.isna().to_numpy()
    texts = [None if gone else text_of(cell) for cell, gone in zip(cells, missing, strict=True)]
    is_gone = is_missing if usual else "".__eq__
    return np.array(
        [None if text is None or is_gone(text) or text in words else text for text in texts], dtype=object
    )


def _unit(cells: np.ndarray) -> str:
    """The currency or percent sign that all cells have around a number; "" if there is none."""
    units = set()
    for cell in cells:
        if cell is not None:
            match = UNIT.fullmatch(cell)
            if match is None or not is_number(without_unit(cell)):
                return ""
            units.add(match["before"] or match["after"])
    return units.pop() if len(units) == 1 else ""


def _negative(cells: np.ndarray) -> str:
    """The first negative number of accounting, (1.50) or 1.50-, among numbers with others; "": none."""
    known = [cell for cell in cells if cell is not None]
    found = [cell for cell in known if signed(cell) != cell]
    is_negative = 0 < len(found) < len(known) and all(is_number(without_unit(cell)) for cell in known)
    return found[0] if is_negative else ""


def _doubtful(reading: Reading, column: "Series") -> Reading:
    """A column of words with a note on the first word that is read as missing."""
    cells = column.to_numpy(object)[reading.missing]
    word = next((cell for cell in cells if isinstance(cell, str) and cell.strip().isalpha()), None)
    if word is None or not isinstance(reading, Words):
        return reading
    note = f"{word.strip()} is read as missing; {setting('table', 'missing', 'empty')} reads it as a word"
    return replace(reading, notes=(*reading.notes, f"column {reading.name!r}: {note}"))


def _text(name: str, cells: np.ndarray, decimal: str, order: str | None) -> Reading:
    """A column of text: numbers, dates or words."""
    distinct = sorted({cell for cell in cells if cell is not None})
    numbers = {cell: match for cell in distinct if (match := number_pattern(decimal).fullmatch(cell))}
    if len(numbers) < len(distinct):
        form, note = date_format(distinct, order)
        if form is not None:
            times = dict(zip(distinct, microseconds(distinct, form), strict=True))
            reading = dates_reading(name, _looked_up(cells, times), form, note)
            return _in_century(reading) if "%y" in form else reading
        return Words(name, cells, _nearly_numbers(name, cells, numbers))
    for cell in numbers:
        if why := _identifier(cell):
            return Words(name, cells, (f"column {name!r} is read as words: {cell} {why}",))
    values = {cell: to_float(cell, decimal) for cell in numbers}
    notes = []
    if grouped := next((cell for cell, match in numbers.items() if match["group"]), None):
        notes.append(f"column {name!r}: {grouped} is read as {values[grouped]:.15g}, with a thousands mark")
    if tiny := next((cell for cell in values if values[cell] == 0 and NONZERO.match(cell)), None):
        notes.append(f"column {name!r}: {tiny} is too small for float64 and is read as 0")
    return numbers_reading(name, _looked_up(cells, values), tuple(notes))


def _in_century(reading: Dates) -> Dates:
    """Dates with two-digit years in the hundred years that suit them, with a note."""
    size = MICROSECONDS[reading.unit]
    first = first_year((reading.known * size).astype(np.int64))
    dates = replace(reading, cells=in_century(reading.cells * size, first) / size)
    years = (dates.known * size).astype("datetime64[us]").astype("datetime64[Y]")
    note = f"column {dates.name!r}: two-digit years are read as {years.min()} to {years.max()}"
    return replace(dates, notes=(*dates.notes, note))


def _looked_up(cells: np.ndarray, values: Mapping[str, Any]) -> np.ndarray:
    """The value of each cell, float64 [N], NaN where one is missing."""
    return np.array([np.nan if cell is None else values[cell] for cell in cells], dtype=np.float64)


def _identifier(cell: str) -> str:
    """Why a number is an identifier; "": it is not."""
    if not cell.isdigit():
        return ""
    if len(cell) > 1 and cell[0] == "0":
        return "has a leading zero"
    return "has more digits than float64 holds" if int(cell) > WHOLE else ""


def _nearly_numbers(name: str, cells: np.ndarray, numbers: Container[str]) -> tuple[str, ...]:
    """A note on the first other cell of a column that mostly has numbers."""
    other = [i for i, cell in enumerate(cells) if cell is not None and cell not in numbers]
    known = sum(cell is not None for cell in cells)
    if not known or len(other) > (1 - MOSTLY) * known:
        return ()
    return (
        f"column {name!r} is read as words: {known - len(other):,} of {counted(known, 'cell')} are numbers, "
        f"but row {other[0] + 1} has {cells[other[0]][:20]!r}; correct such cells or leave them empty",
    )


MIXED = ("mixed", "mixed-integer")  # what pandas infers of columns of several types
TEXT = ("string", "empty", *MIXED)
