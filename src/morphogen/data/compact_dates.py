"""Dates written as numbers: 20240319, 202403, 20240319103000.

Integers of one length are dates if all of them are, from 1900 to 2100: of other numbers of eight digits, one
in a thousand is. Months could be amounts; they are read if they are of several years, or if the name of their
column says so.
"""

__all__ = ["NUMBERS", "compact_dates"]

import re
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from morphogen.caller import setting
from morphogen.data.columns import Durations, Numbers, Reading
from morphogen.data.dates import are_written, microseconds
from morphogen.data.typed_cells import dates_reading

if TYPE_CHECKING:
    from pandas import Series

NUMBERS = "numbers"  # the table option dates= that reads them as numbers
FORMATS = {6: "%Y%m", 8: "%Y%m%d", 10: "%Y%m%d%H", 12: "%Y%m%d%H%M", 14: "%Y%m%d%H%M%S"}  # by their digits
MONTHS = re.compile(r"date|month|period|yyyymm|datum|monat|fecha|mois|\b(ym|mes)\b", re.IGNORECASE)
DIGITS = re.compile(r"\d+(\.0)?")  # as pandas writes them beside missing cells
YEARS = (1900, 2100)
FEWEST = 3  # different dates


def compact_dates(reading: Reading, column: "Series") -> Reading:
    """Numbers as the dates that they write, with a note; any other column as it is.

    Arguments:
        reading: of the column.
        column: its cells; numbers in text are dates if they are nothing but digits.
    """
    if not isinstance(reading, Numbers) or isinstance(reading, Durations):
        return reading
    known = np.unique(reading.known)
    texts = [cell for cell in column[~reading.missing] if isinstance(cell, str)]
    form = _format(known)
    if form is None or not all(DIGITS.fullmatch(cell.strip()) for cell in texts):
        return reading
    first = f"{known[0]:.0f}"
    if form == FORMATS[6] and len({*(known // 100)}) < 2 and not MONTHS.search(reading.name):
        note = f"column {reading.name!r}: {first} is read as a number; call it month if these are months"
        return replace(reading, notes=(*reading.notes, note))
    times = np.full(len(reading.cells), np.nan)
    times[~reading.missing] = microseconds([f"{cell:.0f}" for cell in reading.known], form)
    what = "month" if form == FORMATS[6] else "date"
    note = f"{first} is read as a {what}; {setting('table', 'dates', NUMBERS)} reads numbers"
    dates = dates_reading(reading.name, times, form, note)
    dtype = reading.dtype or ("Int64" if reading.missing.any() else "int64")
    return replace(dates, dtype=dtype, marker=reading.marker)


def _format(numbers: np.ndarray) -> str | None:
    """The format of different numbers that all are dates; None for others."""
    if len(numbers) < FEWEST or numbers[0] < YEARS[0] or (numbers % 1).any():
        return None
    texts = [f"{number:.0f}" for number in numbers]
    form, years = FORMATS.get(len(texts[0])), (int(texts[0][:4]), int(texts[-1][:4]))
    if form is None or len(texts[-1]) != len(texts[0]) or years[0] < YEARS[0] or years[1] > YEARS[1]:
        return None
    return form if are_written(texts, form) else None
