"""Dates and times in text: one format for a whole column, and what is ambiguous about it."""

__all__ = ["MICROSECONDS", "are_written", "date_format", "first_year", "microseconds", "whole_unit"]

import re
import warnings
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np

from morphogen.caller import setting

MICROSECONDS = {  # in a unit
    "days": 86_400_000_000,
    "hours": 3_600_000_000,
    "minutes": 60_000_000,
    "seconds": 1_000_000,
    "milliseconds": 1_000,
    "microseconds": 1,
}
CLOCKS = ("%I:%M %p", "%I:%M:%S %p", "%I:%M%p")
UNGUESSED = (
    *("%d/%m/%y", "%m/%d/%y", "%d.%m.%y", "%d-%m-%y", "%d-%b-%y", "%b %Y", "%H:%M", "%H:%M:%S"),
    *CLOCKS,
    *(f"{day} {clock}" for clock in CLOCKS for day in ("%m/%d/%Y", "%d/%m/%Y", "%Y-%m-%d", "%m/%d/%y")),
)
AHEAD = 10  # years that plans reach into the future
DAY_AFTER_YEAR = re.compile(r"%Y\W?%d")  # nobody writes dates so


def date_format(cells: Sequence[str], order: str | None = None) -> tuple[str | None, str | None]:
    """The `strftime` format of all cells (None: they are not dates), and a note if it is ambiguous.

    Arguments:
        cells: distinct cells.
        order: "day-first" or "month-first"; None: inferred, month first where both are possible.
    """
    fitting = _candidates(cells[0])
    for some in (cells[:100], cells):
        fitting = [form for form in fitting if not np.isnat(_parse(some, form)).any()]
    if not fitting:
        return None, None
    wanted = [form for form in fitting if order is None or _order(form) in (order, None)]
    if not wanted:
        return None, None
    read = _order(wanted[0])
    other = next((found for form in wanted if (found := _order(form)) not in (read, None)), None)
    if order is not None or read is None or other is None:
        return wanted[0], None
    return wanted[0], (
        f"dates such as {cells[0]} are read {read}; {setting('table', 'dates', other)} swaps day and month"
    )


def microseconds(cells: Sequence[str], form: str) -> np.ndarray:
    """Microseconds since 1970 of dates in a format, int64 [N]."""
    return _parse(cells, form).astype(np.int64)


def are_written(cells: Sequence[str], form: str) -> bool:
    """Whether cells are dates in a format, with all digits that it writes."""
    from pandas import DatetimeIndex

    times = _parse(cells, form)
    return not np.isnat(times).any() and DatetimeIndex(times).strftime(form).tolist() == list(cells)


def first_year(times: np.ndarray) -> int:
    """The first of the hundred years in which dates with two-digit years have the smallest range.

    Of these it is the latest hundred whose dates are not beyond today, or reach from the past a few years on.

    Arguments:
        times: microseconds since 1970, of any century.
    """
    years = np.unique((times.astype("datetime64[us]").astype("datetime64[Y]").astype(int) + 1970) % 100)
    gaps = np.diff(years, append=years[0] + 100)
    today = date.today().year
    possible = []
    for i in np.flatnonzero(gaps == gaps.max()):
        start = int(years[(i + 1) % len(years)])
        span = int(years[i] - start) % 100
        possible += [
            (first + span, first)
            for first in (1800 + start, 1900 + start, 2000 + start)
            if first + span <= today or first <= today <= first + span <= today + AHEAD
        ]
    return max(possible)[1]


def whole_unit(times: np.ndarray) -> str:
    """The largest unit in which these microseconds are whole numbers."""
    return next(unit for unit, size in MICROSECONDS.items() if not (times % size).any())


def _candidates(cell: str) -> list[str]:
    """Formats that may fit a cell, the preferred one first: with dots the day comes first."""
    from pandas.tseries.api import guess_datetime_format

    if len(re.findall(r"\d", cell)) < 3 or len(cell) > 40:
        return []
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # that the guess does not follow `dayfirst`
        guesses = [guess_datetime_format(cell, dayfirst=first) for first in (False, True)]
    forms = [form for form in (*guesses, *UNGUESSED) if form and not DAY_AFTER_YEAR.search(form)]
    if cell.endswith("Z"):
        forms = [form.replace("%z", "Z") for form in forms]
    dotted = "." in cell.split()[0]
    return sorted(dict.fromkeys(forms), key=lambda form: dotted and _order(form) == "month-first")


def _parse(cells: Sequence[str], form: str) -> Any:
    """datetime64[us] [N], NaT where a cell does not have the format."""
    from pandas import to_datetime

    times = to_datetime(list(cells), format=form, errors="coerce", utc="%z" in form)
    return times.tz_localize(None).as_unit("us").to_numpy()


def _order(form: str) -> str | None:
    """Whether day or month comes first in a format that has both as numbers before the year."""
    if "%d" not in form or "%m" not in form or form.lower().startswith("%y"):
        return None
    return "day-first" if form.index("%d") < form.index("%m") else "month-first"
