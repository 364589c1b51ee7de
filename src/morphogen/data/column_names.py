"""Names of the columns of a table: distinct, and on one line each."""

__all__ = ["distinct_names", "nameless_column"]

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pandas import DataFrame


def distinct_names(frame: "DataFrame") -> "tuple[DataFrame, list[str]]":
    """The table with distinct names of columns, as pandas makes them, on one line each; and notes."""
    names: list[str] = []
    notes = []
    for column in frame.columns:
        parts = column if isinstance(column, tuple) else (column,)
        name = written = " ".join(" ".join(map(str, parts)).split())
        while name in names:
            name = f"{written}.{sum(other.startswith(written) for other in names)}"
        if name != written:
            notes.append(f"two columns are named {written!r}: the second is {name!r} here")
        names.append(name)
    return frame.set_axis(names, axis=1), notes


def nameless_column(place: int) -> str:
    """A note on a column without a name and without a cell; `place` is from 0."""
    return f"column {place + 1} has no name and no cell: left out"
