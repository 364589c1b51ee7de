r"""Columns of a DataFrame whose dtype says what their cells are.

    bool, category, interval       categories, which keep their Python values
    numbers, durations             numbers; durations in seconds
    datetime64, date, time         dates and times, on the clocks of their time zone
    period                         periods

Samples have the dtype of the data. What cannot be given back, or is read more coarsely, is in a note.
"""

__all__ = ["dates_reading", "numbers_reading", "typed_reading", "with_dtype", "with_values"]

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from morphogen.caller import setting
from morphogen.data.columns import WHOLE, Dates, Durations, Numbers, Periods, Reading
from morphogen.data.dates import MICROSECONDS, whole_unit
from morphogen.data.words import Words
from morphogen.representations.tabular.pandas_series import clock_times, dtype_name, numbers_of, time_series
from morphogen.representations.tabular.python_values import text_of, to_json

if TYPE_CHECKING:
    from pandas import Series

LARGEST = 1e150  # beyond it, a variance overflows
OUTLYING = 1e12  # distances of 99 % of the cells
RANGES, FEW = 1e6, 0.01  # interquartile ranges from the median, and the largest share of cells beyond them
MANY = 50  # rows with different integers, from which on these may be identifiers, and quartiles are reliable


def typed_reading(name: str, column: "Series") -> Reading | str:
    """A column that is not text; in words, why it cannot be used."""
    from pandas.api.types import infer_dtype

    kind = infer_dtype(column, skipna=True)
    if kind not in READERS:
        return f"its cells are {kind}"
    reading = READERS[kind](name, column)
    if reading.dtype:
        return reading
    if column.dtype == object:
        return replace(reading, dtype="object" if isinstance(reading, Words) else OBJECTS.get(kind, "object"))
    return with_dtype(reading, column)


def with_values(reading: Words, column: "Series") -> Words:
    """Words that keep the Python values of their column, or a note that samples have their text."""
    values: dict[tuple[str, type], Any] = {}
    for cell, text in zip(column.to_numpy(object), _texts(column), strict=True):
        if text is not None:
            values.setdefault((text, type(cell)), cell)
    ordered = sorted(values.items(), key=lambda item: (item[0][0], item[0][1].__name__))
    return _keeping(reading, [value for _, value in ordered])


def with_dtype(reading: Reading, column: "Series") -> Reading:
    """A column with its dtype; if samples cannot have that, with a note."""
    if dtype := dtype_name(column.dtype):
        return replace(reading, dtype=dtype)
    note = f"column {reading.name!r}: samples do not have its dtype {column.dtype}"
    return replace(reading, notes=(*reading.notes, note))


def numbers_reading(name: str, cells: np.ndarray, notes: tuple[str, ...] = ()) -> Numbers:
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
        notes += (
            f"column {name!r} has a different integer in every row; if it identifies rows, leave it out: "
            f"{setting('table', 'drop', name)}",
        )
    return Numbers(name, np.where(extreme, np.nan, cells), notes)


def dates_reading(
    name: str, times: np.ndarray, form: str | None = None, note: str | None = None, zone: str = ""
) -> Dates:
    """Dates and times in the unit that all are whole numbers of.

    Arguments:
        name: of the column.
        times: microseconds since 1970, NaN where one is missing.
        form: how they were written; None: they were not text.
        note: on what was ambiguous.
        zone: time zone of the clocks; "": the times have none.
    """
    unit = whole_unit(times[~np.isnan(times)])
    notes = () if note is None else (f"column {name!r}: {note}",)
    form = form or FORMATS.get(unit, FRACTIONS)
    return Dates(name, times / MICROSECONDS[unit], notes, format=form, unit=unit, zone=zone)


def _keeping(reading: Words, values: Sequence[Any]) -> Words:
    """Words with these Python values, which have their text."""
    texts, written, notes = [*map(text_of, values)], [*map(to_json, values)], reading.notes
    if None in written:
        odd = values[written.index(None)]
        what = f"cells of type {type(odd).__name__}, such as {text_of(odd)[:40]}"
        return replace(reading, notes=(*notes, f"column {reading.name!r}: {what}, are text in samples"))
    if same := next((text for text in texts if texts.count(text) > 1), None):
        kinds = " and ".join(repr(value) for value in values if text_of(value) == same)
        notes += (f"column {reading.name!r}: {kinds} are one category",)
    return replace(reading, written_values=tuple(zip(texts, written, strict=True)), notes=notes)


def _texts(column: "Series") -> np.ndarray:
    """The cells as text, None where one is missing."""
    cells = zip(column.to_numpy(object), column.isna(), strict=True)
    return np.array([*(None if gone else text_of(cell) for cell, gone in cells)], dtype=object)


def _number_column(name: str, column: "Series") -> Reading:
    """Numbers; integers that float64 does not hold are words."""
    cells = column[column.notna()].to_numpy(object)
    big = [cell for cell in cells if isinstance(cell, int | np.integer) and abs(int(cell)) > WHOLE]
    if big:
        note = f"column {name!r} is read as words: {big[0]} has more digits than float64 holds"
        return with_values(Words(name, _texts(column), (note,)), column)
    return numbers_reading(name, numbers_of(column))


def _valued_column(name: str, column: "Series") -> Reading:
    return with_values(Words(name, _texts(column)), column)


def _category_column(name: str, column: "Series") -> Reading:
    categories = [*column.cat.categories]
    texts = np.array([*map(text_of, categories), None], dtype=object)
    reading = Words(name, texts[column.cat.codes.to_numpy()], order=tuple(dict.fromkeys(texts[:-1])))
    reading = _keeping(reading, categories)
    inner = column.cat.categories.dtype if reading.written_values or not categories else "str"
    return replace(reading, dtype=f"{'ordered' if column.cat.ordered else 'category'}[{inner}]")


def _time_column(name: str, column: "Series") -> Reading:
    """Dates and times; the clocks of a time zone, if they tell all times apart, and of UTC otherwise."""
    from pandas import to_datetime

    given = _zone(column)
    zone = given and (given if _is_told_apart(column, given) else "UTC")
    reading = dates_reading(name, clock_times(column, zone), zone=zone)
    if zone != given:
        note = f"column {name!r}: {given} sets its clocks back within the data, so that times are read in UTC"
        reading = replace(reading, notes=(*reading.notes, note))
    if column.dtype != object and str(column.dtype).startswith("datetime64[ns"):
        fine = to_datetime(column, utc=True)
        if bool((fine != fine.dt.floor("us"))[fine.notna()].any()):
            note = f"column {name!r}: times are read to the microsecond"
            reading = replace(reading, notes=(*reading.notes, note))
    return reading


def _zone(column: "Series") -> str:
    """The time zone of a column; "UTC" for several, "" for none."""
    if column.dtype != object:
        name = str(column.dtype)
        return str(column.dt.tz) if (name.startswith("datetime64") and "," in name) or "tz=" in name else ""
    zones = {str(getattr(cell, "tzinfo", None)) for cell in column[column.notna()]}
    return "" if zones == {"None"} else zones.pop() if len(zones) == 1 else "UTC"


def _is_told_apart(column: "Series", zone: str) -> bool:
    """Whether the clocks of a time zone show each time of a column once."""
    from pandas import to_datetime

    times = to_datetime(column, utc=True)
    try:
        clocks = times.dt.tz_convert(zone).dt.tz_localize(None)
        again = time_series(clocks.to_numpy("datetime64[us]"), zone, f"datetime64[us, {zone}]")
    except (KeyError, TypeError, ValueError):  # pandas does not know it by this name
        return False
    told = again.dt.tz_convert("UTC").to_numpy() == times.dt.as_unit("us").dt.tz_convert("UTC").to_numpy()
    return bool(np.all(told | times.isna().to_numpy()))


def _period_column(name: str, column: "Series") -> Reading:
    from pandas import PeriodIndex

    index = PeriodIndex(column)
    cells = np.where(index.isna(), np.nan, index.asi8.astype(np.float64))
    return Periods(name, cells, frequency=index.freqstr)


def _clock_column(name: str, column: "Series") -> Reading:
    """Times of day."""
    times = clock_times(column)
    unit = whole_unit(times[~np.isnan(times)])
    form = {"seconds": "%H:%M:%S"}.get(unit, "%H:%M:%S.%f" if unit.endswith("oseconds") else "%H:%M")
    return dates_reading(name, times, form)


def _duration_column(name: str, column: "Series") -> Reading:
    seconds = numbers_of(column)
    reading = numbers_reading(name, seconds, (f"column {name!r}: durations are read in seconds",))
    return Durations(reading.name, reading.cells, reading.notes)


FORMATS = {"days": "%Y-%m-%d", "hours": "%Y-%m-%d %H:%M", "minutes": "%Y-%m-%d %H:%M"}
FORMATS |= {"seconds": "%Y-%m-%d %H:%M:%S"}
FRACTIONS = "%Y-%m-%d %H:%M:%S.%f"
OBJECTS = {  # dtypes of columns of Python objects, by what pandas infers
    "integer": "object[int]",
    "floating": "object[float]",
    "mixed-integer-float": "object[float]",
    "decimal": "object[decimal]",
    "date": "object[date]",
    "time": "object[time]",
    "datetime": "object[datetime]",
    "datetime64": "object[datetime]",
    "timedelta": "object[timedelta]",
    "timedelta64": "object[timedelta]",
}
READERS: dict[str, Callable[[str, "Series"], Reading]] = {
    **dict.fromkeys(("integer", "floating", "mixed-integer-float", "decimal"), _number_column),
    **dict.fromkeys(("boolean", "interval"), _valued_column),
    "categorical": _category_column,
    **dict.fromkeys(("datetime64", "datetime", "date"), _time_column),
    **dict.fromkeys(("timedelta64", "timedelta"), _duration_column),
    "time": _clock_column,
    "period": _period_column,
}
