"""From columns of a pandas DataFrame to columns that can be modelled: what their cells are.

    numbers, bool, category, datetime64      what they are
    text                                     numbers, dates or words

Missing are the cells that pandas reads as missing, "?", and numbers that arithmetic cannot hold: those beyond
1e150, 1e12 times further from the median than 99 % of the column, or a few 1e6 interquartile ranges away. So
are one or two words, such as "k.A.", in a column of numbers or dates.
"""

__all__ = ["is_missing", "read_columns"]

import re
from collections import Counter
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from morphogen.data.columns import Dates, Numbers, Reading, Words
from morphogen.data.dates import MICROSECONDS, date_format, microseconds, whole_unit
from morphogen.data.number_marks import Marks, is_number, number_pattern, to_float
from morphogen.data.table_options import TableOptions

if TYPE_CHECKING:
    from pandas import DataFrame, Series

MISSING = re.compile(  # what pandas reads as missing, in any case, and "?"
    r"\??|#n/a( n/a)?|#na|-?1\.#(ind|qnan)|-?nan|<na>|n/?a|null|none", re.IGNORECASE
)
LARGEST = 1e150  # beyond it, a variance overflows
OUTLYING = 1e12  # distances of 99 % of the cells
RANGES, FEW = 1e6, 0.01  # interquartile ranges from the median, and the largest share of cells beyond them
ODD, ODD_WORDS = 0.05, 2  # largest share of cells with words in a column of numbers, and of different ones
WHOLE = 2**53  # integers beyond it are not all float64
UNIT = re.compile(  # a number with a currency sign before it, or this or a percent sign after it
    r"(?P<sign>[+\-\u2212]?)(?P<before>[$€£¥₹])?\s*(?P<number>\S.*?)\s*(?P<after>(?(before)|[%$€£¥₹]?))"
)
NONZERO = re.compile("[^eE]*[1-9]")  # a number whose mantissa is not 0
MANY = 50  # rows with different integers, from which on these may be identifiers, and quartiles are reliable
MOSTLY = 0.9  # share of numbers in a column of words that is worth a note


def is_missing(cell: str) -> bool:
    """Whether a cell of text is read as missing."""
    return MISSING.fullmatch(cell) is not None


def read_columns(
    frame: "DataFrame", options: TableOptions, usual: str = "."
) -> tuple[dict[str, Reading | str], tuple[str, ...]]:
    """What each column is, or in words why it cannot be used; and notes.

    Arguments:
        frame: the table, with distinct names of columns.
        options: what the user decided.
        usual: decimal mark of text where no column decides.
    """
    gone, infers = (options.missing or "").split(","), options.missing is None
    usual_too = "empty" not in gone
    texts = {name: _stripped(frame[name], usual_too, gone) for name in frame if _kind(frame[name]) in TEXT}
    odd = {name: found for name, cells in texts.items() if infers and (found := _odd(cells, options.dates))}
    for name, found in odd.items():
        texts[name] = np.array([None if cell in found else cell for cell in texts[name]], dtype=object)
    units = {name: unit for name, cells in texts.items() if (unit := _unit(cells))}
    for name in units:
        texts[name] = np.array([cell and _without_unit(cell) for cell in texts[name]], dtype=object)
    distinct = {name: {cell for cell in cells if cell is not None} for name, cells in texts.items()}
    marks = Marks.of(distinct, usual, options.decimal)
    readings: dict[str, Reading | str] = {}
    for name in frame:
        column = frame[name]
        if name not in texts:
            readings[name] = _typed(name, column)
            continue
        reading = _text(name, texts[name], marks.decimal[name], options.dates)
        dtype = str(column.dtype) if isinstance(reading, Words | Dates) else ""
        reading = replace(reading, dtype=dtype, marker=_marker(column, reading.missing))
        readings[name] = reading if options.missing else _doubtful(reading, column)
    notes = [f"column {name!r}: numbers in {unit}, which samples leave out" for name, unit in units.items()]
    notes += [
        f"{word!r} in column {name!r} is read as missing ({count} cell{'s' * (count > 1)}); "
        "--table missing=usual reads it as a word"
        for name, found in odd.items()
        for word, count in found.items()
    ]
    return readings, (*marks.notes, *notes)


def _kind(column: "Series") -> str:
    """What pandas infers about the cells, ignoring missing ones."""
    from pandas.api.types import infer_dtype

    return infer_dtype(column, skipna=True)


def _typed(name: str, column: "Series") -> Reading | str:
    """A column that is not text."""
    kind = _kind(column)
    if kind not in READERS:
        return f"its cells are {kind}"
    return replace(READERS[kind](name, column), dtype=_dtype(column, kind))


def _dtype(column: "Series", kind: str) -> str:
    """The dtype of a column, as `Column.series` makes it again; "": numbers or text."""
    if kind == "categorical":
        levels = column.cat.categories.dtype
        return f"{'ordered' if column.cat.ordered else 'category'}[{levels}]"
    if column.dtype == object:
        return "date" if kind == "date" else "bool" if kind == "boolean" and column.notna().all() else ""
    return str(column.dtype)


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
    if not 0 < len(words) <= ODD_WORDS or sum(words.values()) > ODD * known.total():
        return {}
    others = sorted({*known} - {*words})
    are_numbers = all(is_number(_without_unit(cell)) for cell in others)
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
    texts = [None if gone else str(cell).strip() for cell, gone in zip(cells, missing, strict=True)]
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
            if match is None or not is_number(_without_unit(cell)):
                return ""
            units.add(match["before"] or match["after"])
    return units.pop() if len(units) == 1 else ""


def _without_unit(cell: str) -> str:
    match = UNIT.fullmatch(cell)
    return match["sign"] + match["number"] if match else cell


def _doubtful(reading: Reading, column: "Series") -> Reading:
    """A column of words with a note on the first word that is read as missing."""
    cells = column.to_numpy(object)[reading.missing]
    word = next((cell for cell in cells if isinstance(cell, str) and cell.strip().isalpha()), None)
    if word is None or not isinstance(reading, Words):
        return reading
    note = f"{word.strip()} is read as missing; --table missing=empty reads it as a word"
    return replace(reading, notes=(*reading.notes, f"column {reading.name!r}: {note}"))


def _text(name: str, cells: np.ndarray, decimal: str, order: str | None) -> Reading:
    """A column of text: numbers, dates or words."""
    distinct = sorted({cell for cell in cells if cell is not None})
    numbers = {cell: match for cell in distinct if (match := number_pattern(decimal).fullmatch(cell))}
    if len(numbers) < len(distinct):
        form, note = date_format(distinct, order)
        if form is not None:
            times = dict(zip(distinct, microseconds(distinct, form), strict=True))
            return _dates(name, _looked_up(cells, times), form, note)
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
    return _numbers(name, _looked_up(cells, values), tuple(notes))


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
        f"column {name!r} is read as words: {known - len(other)} of {known} cells are numbers, but row "
        f"{other[0] + 1} has {cells[other[0]][:20]!r}; correct such cells or leave them empty",
    )


def _numbers(name: str, cells: np.ndarray, notes: tuple[str, ...] = ()) -> Numbers:
    """A column of numbers; those that no float64 arithmetic can hold are missing, with a note."""
    extreme = np.abs(cells) > LARGEST
    known = cells[~np.isnan(cells) & ~extreme]
    if len(known):
        distance = np.abs(cells - np.median(known))
        typical = np.quantile(np.abs(known - np.median(known)), 0.99, method="lower")
        extreme |= (distance > OUTLYING * typical) & (typical > 0)
        spread = np.subtract(*np.quantile(known, [0.75, 0.25]))
        beyond = (distance > RANGES * spread) & (spread > 0)
        extreme |= beyond & (len(known) >= MANY) & (beyond.sum() <= max(1, FEW * len(known)))
    if extreme.any():
        row = int(extreme.nonzero()[0][0])
        count = f"{extreme.sum()} cells are" if extreme.sum() > 1 else "a cell is"
        notes += (f"column {name!r}: {count} left out as extreme: row {row + 1} has {cells[row]:g}",)
    if len(known) >= MANY and not (known % 1).any() and len(np.unique(known)) == len(known):
        notes += (f"column {name!r} has a different integer in every row; if it identifies rows, remove it",)
    return Numbers(name, np.where(extreme, np.nan, cells), notes)


def _number_column(name: str, column: "Series") -> Reading:
    """Numbers; integers that float64 does not hold are words."""
    cells = column.to_numpy(object)
    known = cells[column.notna().to_numpy()]
    if any(isinstance(cell, int | np.integer) and abs(int(cell)) > WHOLE for cell in known):
        return _text(name, _stripped(column), ".", None)
    if column.dtype == np.float32:
        column = column.astype(str).astype(float)  # 0.1, not 0.10000000149
    return _numbers(name, column.astype("Float64").to_numpy(np.float64, na_value=np.nan))


def _bool_column(name: str, column: "Series") -> Reading:
    return Words(name, _stripped(column))


def _category_column(name: str, column: "Series") -> Reading:
    return Words(name, _stripped(column), order=tuple(str(level).strip() for level in column.cat.categories))


def _time_column(name: str, column: "Series") -> Reading:
    """Dates and times with or without a time zone; those with one are in UTC."""
    from pandas import to_datetime

    times = to_datetime(column, utc=True).dt.tz_localize(None).to_numpy().astype("datetime64[us]")
    numbers = np.where(np.isnat(times), np.nan, times.astype(np.int64).astype(np.float64))
    return _dates(name, numbers)


def _duration_column(name: str, column: "Series") -> Reading:
    seconds = column.astype("timedelta64[us]").dt.total_seconds().to_numpy(np.float64)
    return _numbers(name, seconds, (f"column {name!r}: durations are read in seconds",))


def _dates(name: str, times: np.ndarray, form: str | None = None, note: str | None = None) -> Dates:
    """Dates and times in the unit that all are whole numbers of.

    Arguments:
        name: of the column.
        times: microseconds since 1970, NaN where one is missing.
        form: how they were written; None: they were not text.
        note: on what was ambiguous.
    """
    unit = whole_unit(times[~np.isnan(times)])
    notes = () if note is None else (f"column {name!r}: {note}",)
    form = form or FORMATS.get(unit, FRACTIONS)
    return Dates(name, times / MICROSECONDS[unit], notes, format=form, unit=unit)


TEXT = ("string", "empty", "mixed", "mixed-integer", "time", "period")
FORMATS = {"days": "%Y-%m-%d", "hours": "%Y-%m-%d %H:%M", "minutes": "%Y-%m-%d %H:%M"}
FORMATS |= {"seconds": "%Y-%m-%d %H:%M:%S"}
FRACTIONS = "%Y-%m-%d %H:%M:%S.%f"
READERS: dict[str, Callable[[str, "Series"], Reading]] = {
    **dict.fromkeys(("integer", "floating", "mixed-integer-float", "decimal"), _number_column),
    "boolean": _bool_column,
    "categorical": _category_column,
    **dict.fromkeys(("datetime64", "datetime", "date"), _time_column),
    **dict.fromkeys(("timedelta64", "timedelta"), _duration_column),
}
