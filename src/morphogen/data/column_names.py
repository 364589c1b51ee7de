"""Names of the columns of a table: distinct, and on one line each."""

__all__ = ["distinct_names", "nameless_column"]

from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def distinct_names(frame: "DataFrame") -> "tuple[DataFrame, list[str]]":
    """The table with distinct names of columns, as pandas makes them, on one line each; and notes."""
    written = [" ".join(" ".join(map(str, _parts(column))).split()) for column in frame.columns]
    names: dict[str, None] = {}
    numbers = {name: count(1) for name in written}  # of the names, and those that are not tried yet
    notes = []
    for name in written:
        free = name
        while free in names or (free in numbers and free != name):
            free = f"{name}.{next(numbers[name])}"
        if free != name:
            notes.append(f"two columns are named {name!r}: the second is {free!r} here")
        names[free] = None
    return frame.set_axis([*names], axis=1), notes


def nameless_column(place: int) -> str:
    """A note on a column without a name and without a cell; `place` is from 0."""
    return f"column {place + 1} has no name and no cell: left out"


def _parts(column: object) -> tuple[object, ...]:
    return column if isinstance(column, tuple) else (column,)
