r"""Columns of dates, times and periods: grids of whole units since 1970.

A time is what the clocks of its time zone show, so that days begin at midnight there.
"""

__all__ = ["DateColumn", "PeriodColumn"]

import re
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np
from jaxtyping import Float

from morphogen.component import ConfigError
from morphogen.representations.tabular.numbers import GridColumn
from morphogen.representations.tabular.pandas_series import (
    clock_times,
    dtype_named,
    in_century,
    known_cells,
    number_series,
    numbers_of,
    time_series,
)

if TYPE_CHECKING:
    from pandas import Series

UNITS = {
    "days": "D",
    "hours": "h",
    "minutes": "m",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
}
SAME = ("UTC", "UTC+00:00", "Etc/UTC")  # time zones whose clocks are those of times without one
COMPACT = re.compile("(%[A-Za-z])+")  # formats without a mark, whose dates are numbers: 20240319
TEXT = re.compile(r"|object|str|string(\[.*\])?")  # dtypes of dates that are text


class DateColumn(GridColumn):
    """A column of dates or times, stored in the medium as whole units since 1970.

    Arguments:
        name: of the column.
        starts: the first date of each interval, in steps, in order.
        last: the last one, in steps.
        format: how they are written, as `strftime` takes it.
        unit: "days", "hours", "minutes", "seconds", "milliseconds" or "microseconds".
        weights, pandas_dtype, marker: see `Column`.
        spacing: stride and offset of the grid, in units; see `GridColumn`.
        zone: time zone of the clocks; "": the times have none.
    """

    def __init__(
        self, name: str, starts: tuple[int, ...], last: int, format: str, unit: str = "days",
        weights: tuple[float, ...] = (), pandas_dtype: str = "", marker: str = "",
        spacing: tuple[int, int] = (1, 0), zone: str = "",
    ):  # fmt: skip
        super().__init__(name, starts, last, 0, weights, pandas_dtype, marker, spacing)
        self.format, self.unit, self.zone = format, unit, zone

    def parse(self, text: str) -> float:
        """A date or time in the format of the column. Errors: ConfigError."""
        return float(self.numbers([text])[0])

    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        """Dates, as text in the format of the column or of pandas, as whole units since 1970.

        Two-digit years are in the hundred years from that of the first date on.

        Errors: ConfigError for other cells, and for times with a time zone where the column has none.
        """
        from pandas import Series, Timedelta, to_datetime

        given = known_cells(Series(values), self.marker)
        given = _as_text(given) if COMPACT.fullmatch(self.format) else given
        if given.dtype.kind in "iuf":
            return super().numbers(values)
        words = [isinstance(cell, str) for cell in given]
        if not any(words):
            self._check_zone(given)
        try:
            times = to_datetime(given, format=self.format, utc=True) if any(words) else given
            zone = "" if any(words) else self.zone
            clocks = clock_times(times, zone)
            clocks = (
                in_century(clocks, self._time(self.low).year)
                if any(words) and "%y" in self.format
                else clocks
            )
            return clocks / (Timedelta(1, self.unit) / Timedelta(1, "us"))
        except (TypeError, ValueError):
            raise ConfigError(
                f"column {self.name!r}: {given.iloc[0]!r} is not a date in the format {self.format}"
            ) from None

    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        distinct, index = np.unique(values.round(), return_inverse=True)
        return np.array([self._text(value) for value in distinct.tolist()], dtype=object)[index]

    def series(self, values: Float[np.ndarray, " n"], pandas_dtype: str = "") -> "Series":
        from pandas import Series

        known = ~np.isnan(values)
        if TEXT.fullmatch(pandas_dtype):
            texts = np.full(len(values), None, dtype=object)
            texts[known] = self.written(values[known])
            return Series(texts, dtype=dtype_named(pandas_dtype or "object"))
        if COMPACT.fullmatch(self.format):
            numbers = np.full(len(values), np.nan)
            numbers[known] = self.written(values[known]).astype(np.float64)
            return number_series(numbers, pandas_dtype)
        times = np.full(len(values), np.datetime64("NaT", "us"))
        times[known] = values[known].round().astype(np.int64).astype(f"datetime64[{UNITS[self.unit]}]")
        return time_series(times, self.zone, pandas_dtype)

    def class_values(self) -> str:
        return ""

    def _check_zone(self, times: "Series") -> None:
        """Errors: ConfigError for clocks of a time zone where those of the column have none, or reversed."""
        known = times.dropna()
        zone = getattr(known.iloc[0], "tzinfo", None) if len(known) else None
        given = "" if zone is None else str(zone)
        own = self.zone or ("UTC" if self.format.endswith(("%z", "Z")) else "")
        if not len(known) or bool(given) == bool(own) or (given or own) in SAME:
            return
        has, other = (given or "no time zone"), (own or "no time zone")
        read = f"pd.to_datetime(df[{self.name!r}]).dt.tz_localize({own or None!r})"
        raise ConfigError(f"column {self.name!r} has times of {has}, the model of {other}: write {read}")

    def _time(self, value: float) -> datetime:
        """The time of whole units since 1970."""
        return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(**{self.unit: value})

    def _text(self, value: float) -> str:
        time = self._time(value)
        milliseconds = f"{time.microsecond // 1000:03d}"
        return time.strftime(
            self.format.replace("%f", milliseconds) if self.unit == "milliseconds" else self.format
        )


class PeriodColumn(GridColumn):
    """A column of periods such as months, stored in the medium as their number since 1970.

    Arguments:
        name: of the column.
        starts: the first period of each interval, in steps, in order.
        last: the last one, in steps.
        frequency: as pandas writes it: "M", "Q-DEC", "W-SUN".
        weights, pandas_dtype, marker: see `Column`.
        spacing: stride and offset of the grid, in periods; see `GridColumn`.
    """

    def __init__(
        self, name: str, starts: tuple[int, ...], last: int, frequency: str,
        weights: tuple[float, ...] = (), pandas_dtype: str = "", marker: str = "",
        spacing: tuple[int, int] = (1, 0),
    ):  # fmt: skip
        super().__init__(name, starts, last, 0, weights, pandas_dtype, marker, spacing)
        self.frequency = frequency

    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        """Periods, or their text, as their number since 1970."""
        from pandas import PeriodIndex, Series

        given = known_cells(Series(values), self.marker)
        if given.dtype.kind in "iuf":
            return super().numbers(values)
        try:
            index = PeriodIndex(given, freq=self.frequency)
        except (TypeError, ValueError):
            raise ConfigError(
                f"column {self.name!r}: {given.iloc[0]!r} is not a period, such as "
                f"{self.format_value(self.low)}"
            ) from None
        return np.where(index.isna(), np.nan, index.asi8.astype(np.float64))

    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        from pandas import PeriodIndex

        numbers = values.round().astype(np.int64)
        return PeriodIndex.from_ordinals(numbers, freq=self.frequency).map(str).to_numpy(object)

    def series(self, values: Float[np.ndarray, " n"], pandas_dtype: str = "") -> "Series":
        from pandas import Period, PeriodIndex, Series

        known = ~np.isnan(values)
        if not pandas_dtype:
            texts = np.full(len(values), None, dtype=object)
            texts[known] = self.written(values[known])
            return Series(texts, dtype=object)
        missing = Period("NaT", freq=self.frequency)
        index = PeriodIndex.from_ordinals(np.where(known, values, 0).astype(np.int64), freq=self.frequency)
        periods = Series(index).where(known, missing)
        return periods.astype(pandas_dtype)

    def class_values(self) -> str:
        return ""


def _as_text(column: "Series") -> "Series":
    """Numbers, as which dates are written, as their text; other cells as they are."""
    from pandas import Series
    from pandas.api.types import infer_dtype

    if infer_dtype(column, skipna=True) not in ("integer", "floating", "mixed-integer-float", "decimal"):
        return column
    return Series(
        [None if number != number else f"{number:.0f}" for number in numbers_of(column)], dtype=object
    )
