"""Rows of totals below a table: their numbers are the sums or the means of their columns.

A model of the rows learns such a row as one of them, far from all others. Whether it is one cannot be decided
from the numbers alone, so a note names it. No paper: a rule of thumb.
"""

__all__ = ["totals_note"]

from collections.abc import Iterable

import numpy as np

from morphogen.data.columns import Numbers, Reading

FEWEST = 5  # rows above the totals; fewer can agree by chance
CLOSE = 1e-9  # relative difference of a total from the sum


def totals_note(readings: Iterable[Reading]) -> list[str]:
    """A note if the last row holds the sum or the mean of a column, and lacks cells that the others have."""
    columns = list(readings)
    if not columns or len(columns[0].cells) <= FEWEST:
        return []
    totalled = [(column.name, kind) for column in columns if (kind := _total(column))]
    lacks = any(column.missing[-1] and not column.missing[:-1].all() for column in columns)
    if not totalled or not (lacks or len(totalled) > 1):
        return []
    listed = ", ".join(f"the {kind} of {name!r}" for name, kind in totalled)
    row = len(columns[0].cells)
    return [
        f"row {row}, the last one, looks like totals ({listed}) and is read as data: "
        "leave it out of the file, unless it is an example"
    ]


def _total(column: Reading) -> str:
    """What the last cell is of the cells above, in words; "": a cell like them."""
    if not isinstance(column, Numbers):
        return ""
    *above, last = column.values
    known = np.array(above)[~np.isnan(above)]
    if np.isnan(last) or len(known) < FEWEST or (last <= known.max() and np.ptp(known) == 0):
        return ""
    sums = {"sum": known.sum(), "mean": known.mean()}
    close = [kind for kind, value in sums.items() if abs(last - value) <= CLOSE * max(abs(value), 1e-300)]
    return close[0] if close and last not in known else ""
