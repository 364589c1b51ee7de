r"""Columns of pandas as float64 cells, and back in their dtype.

    numbers                  float64; those of 16 and 32 bits by their shortest decimals
    durations                seconds
    dates and times          microseconds since 1970 on the clocks of one time zone
    times of day             microseconds since midnight

A dtype is written as pandas writes it; object[int], object[decimal], object[date], ... are columns of Python
objects. NaN is a missing cell.
"""

__all__ = [
    "clock_times",
    "dtype_name",
    "dtype_named",
    "in_century",
    "known_cells",
    "number_series",
    "numbers_of",
    "texts_of",
    "time_series",
    "written_dtype",
]

import re
from collections.abc import Callable
from datetime import time
from decimal import Decimal
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from morphogen.numerics.decimals import shortest_decimals
from morphogen.representations.tabular.number_text import is_missing
from morphogen.representations.tabular.python_values import plain, text_of

if TYPE_CHECKING:
    from pandas import Series

DURATION = re.compile(r"(timedelta64|duration)\[.*|object\[timedelta\]")
TIMES = re.compile(r"object\[(?P<part>\w+)\]|(?P<arrow>date|time)(32|64)\[.*\]\[pyarrow\]")
ARROW = re.compile(  # those that pandas does not read by their name
    r"decimal128\((?P<digits>\d+), (?P<scale>\d+)\)\[pyarrow\]|string\[pyarrow\]"
)


def dtype_named(name: str) -> Any:
    """The dtype of a name; object for a column of Python objects. Errors: those of pandas for other names."""
    from pandas import ArrowDtype
    from pandas.api.types import pandas_dtype

    if name.startswith("object["):
        return np.dtype(object)
    if not (match := ARROW.fullmatch(name)):
        return pandas_dtype(name)
    import pyarrow

    digits = match["digits"] and (int(match["digits"]), int(match["scale"]))
    return ArrowDtype(pyarrow.decimal128(*digits) if digits else pyarrow.string())


def dtype_name(dtype: Any) -> str:
    """The name by which `dtype_named` finds a dtype; "" if there is none."""
    for name in (str(dtype), f"{dtype}[{getattr(dtype, 'storage', '')}]"):
        try:
            if dtype_named(name) == dtype:
                return name
        except (KeyError, TypeError, ValueError, NotImplementedError):
            continue
    return ""


def written_dtype(name: str) -> str:
    """The dtype in which a column is written as text: its own for durations, whose unit a number lacks."""
    return name if DURATION.fullmatch(name) else ""


def known_cells(column: "Series", marker: str = "") -> "Series":
    """A column in which texts of missing cells are missing.

    Arguments:
        column: cells of any type.
        marker: such a text beside the usual ones; "": none.
    """
    if column.dtype.kind in "biufmM":
        return column
    words = [
        isinstance(cell, str) and (is_missing(cell.strip()) or cell.strip() == marker) for cell in column
    ]
    return column.mask(words) if any(words) else column


def texts_of(column: "Series") -> list[str | None] | None:
    """The cells as text, None where one is missing; None if no cell is text."""
    if column.dtype.kind in "biufmM" or not any(isinstance(cell, str) for cell in column):
        return None
    return [None if gone else text_of(cell) for cell, gone in zip(column, column.isna(), strict=True)]


def numbers_of(column: "Series") -> Float[np.ndarray, " n"]:
    """Numbers, and durations in seconds. Errors: TypeError and ValueError for other cells."""
    from pandas import to_timedelta
    from pandas.api.types import infer_dtype

    kind = infer_dtype(column, skipna=True)
    if kind in ("timedelta", "timedelta64"):
        durations = to_timedelta(column.astype(object)).to_numpy().astype("timedelta64[us]")
        return np.where(np.isnat(durations), np.nan, durations.astype(np.int64) / 1e6)
    if kind not in ("integer", "floating", "mixed-integer-float", "decimal", "boolean", "string", "empty"):
        raise TypeError(f"cells are {kind}")
    stored = column.dtype if isinstance(column.dtype, np.dtype) else _stored(column.dtype)
    if stored.kind == "f" and stored.itemsize < 8:  # 0.1, not 0.10000000149
        return shortest_decimals(column.to_numpy(dtype=stored, na_value=np.nan))
    if kind in ("integer", "floating") and column.dtype != object:
        return column.astype("Float64").to_numpy(np.float64, na_value=np.nan)
    cells = zip(column.to_numpy(object), column.isna(), strict=True)
    return np.array([np.nan if gone else float(plain(cell)) for cell, gone in cells], dtype=np.float64)


def number_series(cells: Float[np.ndarray, " n"], dtype: str) -> "Series":
    """Numbers, or durations, in a dtype: the inverse of `numbers_of`."""
    from pandas import Series

    missing = np.isnan(cells)
    if DURATION.fullmatch(dtype):
        durations = np.full(len(cells), np.timedelta64("NaT"), dtype="timedelta64[us]")
        durations[~missing] = np.round(cells[~missing] * 1e6).astype(np.int64)
        return _objects(Series(durations)) if dtype.startswith("object") else Series(durations).astype(dtype)
    if (match := ARROW.fullmatch(dtype)) and match["scale"]:
        return Series(_of_type(np.round(cells, int(match["scale"])), _decimal), dtype=dtype_named(dtype))
    if dtype in NUMBERS:
        return Series(_of_type(cells, NUMBERS[dtype]), dtype=object)
    return Series(cells).astype(dtype or "float64")


def clock_times(column: "Series", zone: str = "") -> Float[np.ndarray, " n"]:
    """Microseconds since 1970 on the clocks of a time zone, or since midnight for times of day.

    Arguments:
        column: dates, times, or times of day.
        zone: the time zone; "": the times have none.

    Errors: TypeError and ValueError for other cells.
    """
    from pandas import to_datetime
    from pandas.api.types import infer_dtype

    missing = column.isna().to_numpy()
    if infer_dtype(column, skipna=True) == "time":
        clocks = zip(column.to_numpy(object), missing, strict=True)
        return np.array([np.nan if gone else _since_midnight(clock) for clock, gone in clocks])
    times = to_datetime(column, utc=True)
    times = (times.dt.tz_convert(zone) if zone else times).dt.tz_localize(None).to_numpy("datetime64[us]")
    return np.where(np.isnat(times), np.nan, times.astype(np.int64).astype(np.float64))


def in_century(clocks: Float[np.ndarray, " n"], first_year: int) -> Float[np.ndarray, " n"]:
    """Times in the hundred years from `first_year` on, with the same two digits of their year.

    Arguments:
        clocks: microseconds since 1970; NaN where one is missing.
        first_year: of the hundred.
    """
    moved, known = clocks.copy(), ~np.isnan(clocks)
    times = clocks[known].astype(np.int64).astype("datetime64[us]")
    months = times.astype("datetime64[M]")
    years = times.astype("datetime64[Y]").astype(np.int64) + 1970
    shifted = months + 12 * (first_year + (years - first_year) % 100 - years)
    moved[known] = (shifted.astype("datetime64[us]") + (times - months)).astype(np.int64)
    return moved


def time_series(times: Any, zone: str, dtype: str) -> "Series":
    """Times on the clocks of a time zone, datetime64[us] [N], in a dtype: the inverse of `clock_times`.

    Clocks that are set back show an hour twice: the first one is meant. An hour that they skip begins after.
    """
    from pandas import Series

    series = Series(times)
    if zone:
        first = np.ones(len(series), dtype=bool)
        series = series.dt.tz_localize(zone, ambiguous=first, nonexistent="shift_forward")
    parts = TIMES.match(dtype)
    if parts is None:
        return series.astype(dtype)
    part = parts["part"] or parts["arrow"]
    cells = series if part == "datetime" else series.dt.date if part == "date" else series.dt.time
    return Series(_objects(cells), dtype=object if dtype.startswith("object") else dtype)


def _stored(dtype: Any) -> np.dtype:
    """The dtype of NumPy that an extension dtype stores: that of Float32 is float32."""
    return np.dtype(getattr(dtype, "numpy_dtype", getattr(dtype, "subtype", object)))


def _objects(series: "Series") -> "Series":
    """The cells as Python objects, None where one is missing."""
    from pandas import Series

    cells = np.full(len(series), None, dtype=object)
    known = series.notna().to_numpy()
    for i in np.flatnonzero(known):
        cells[i] = series.iloc[i]
    return Series(cells, dtype=object)


def _of_type(cells: Float[np.ndarray, " n"], kind: Callable[[float], Any]) -> list[Any]:
    return [None if cell != cell else kind(cell) for cell in cells.tolist()]


def _decimal(cell: float) -> Decimal:
    return Decimal(int(cell) if cell % 1 == 0 else repr(cell))


def _since_midnight(clock: time) -> float:
    seconds = (clock.hour * 60 + clock.minute) * 60 + clock.second
    return float(seconds * 1_000_000 + clock.microsecond)


NUMBERS: dict[str, Callable[[float], Any]] = {
    "object[int]": int,
    "object[float]": float,
    "object[decimal]": _decimal,
}
