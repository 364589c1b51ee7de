"""Names of columns in several rows of a sheet, whose upper ones are merged over several columns.

Filiale | 2024          | 2025
        | Preis | Menge | Preis | Menge      Filiale, 2024 Preis, 2024 Menge, 2025 Preis, 2025 Menge
"""

__all__ = ["Header", "find_header"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pandas import DataFrame

SAMPLE, FULL = 200, 0.8  # rows that are looked at, and the fraction of columns that have a name

Range = tuple[tuple[int, int], tuple[int, int]]  # the first and the last cell, as row and column


class Header(NamedTuple):
    """The row that may have the names of the columns.

    Arguments:
        at: its place among the rows.
        titles: the rows above it, as text.
        names: of the columns, with those of merged cells above them.
        below: the first rows of the table, as text.
    """

    at: int
    titles: Sequence[Sequence[str]]
    names: Sequence[str]
    below: Sequence[Sequence[str]]


def find_header(cells: "DataFrame", merged: Sequence[Range]) -> Header:
    """The first row that fills nearly all columns, and the rows of merged cells above it.

    Arguments:
        cells: of a sheet, without empty rows and columns, with their places in the sheet as labels.
        merged: the ranges of merged cells in the sheet.
    """
    texts = [
        ["" if cell is None or cell != cell else str(cell) for cell in row]
        for row in cells.head(SAMPLE).to_numpy()
    ]
    rows, columns = [*map(int, cells.index[: len(texts)])], [*map(int, cells.columns)]
    filled = [[*row] for row in texts]
    groups = [_is_group(row, place, columns, merged) for row, place in zip(texts, rows, strict=True)]
    for (top, left), (bottom, right) in merged:
        if top not in rows or not groups[rows.index(top)] or left not in columns:
            continue
        word = texts[rows.index(top)][columns.index(left)]
        for i, row in enumerate(rows):
            for j, column in enumerate(columns):
                if top <= row <= bottom and left <= column <= right:
                    filled[i][j] = word
    full = [sum(map(bool, row)) >= FULL * len(row) for row in filled]
    at = next((i for i, row in enumerate(full) if row and not groups[i]), 0)
    first = at
    while first and groups[first - 1]:
        first -= 1
    stacked = zip(*filled[first : at + 1], strict=True)
    names = [" ".join(dict.fromkeys(filter(None, parts))) for parts in stacked]
    return Header(at, texts[:first], names, texts[at + 1 :])


def _is_group(row: Sequence[str], place: int, columns: Sequence[int], merged: Sequence[Range]) -> bool:
    """Whether a row has names that are merged over some columns, and is not a title."""
    wide = [left for (top, left), (_, right) in merged if top == place and right > left]
    words = sum(map(bool, row))
    return bool(wide) and (words > 1 or (words == 1 and min(wide) > columns[0]))
