"""Merged cells below the names of a sheet: each row and column of a range has its value.

Region | Shop | Sales
North  | a    | 5
       | b    | 7            North, b, 7

A range without other cells beside it is a line of text, and is left as it is.
"""

__all__ = ["with_merged"]

from bisect import bisect_left, bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from morphogen.data.merged_headers import Range

if TYPE_CHECKING:
    from pandas import DataFrame


def with_merged(body: "DataFrame", merged: Sequence[Range]) -> "tuple[DataFrame, Mapping[int, int]]":
    """The rows with the values of merged cells, and how many cells of each column have got one.

    Arguments:
        body: the rows below the names, with their places in the sheet as labels; empty cells are missing.
        merged: the ranges of merged cells in the sheet.
    """
    import pandas as pd

    cells, given = body.to_numpy(object, copy=True), Counter[int]()
    rows, columns, known = [*map(int, body.index)], [*map(int, body.columns)], body.notna().to_numpy()
    for (top, left), (bottom, right) in merged:
        i, below = bisect_left(rows, top), bisect_right(rows, bottom)
        j, beyond = bisect_left(columns, left), bisect_right(columns, right)
        if (rows[i : i + 1], columns[j : j + 1]) != ([top], [left]) or not known[i, j]:
            continue
        beside = known[i:below, :j].any(axis=1) | known[i:below, beyond:].any(axis=1)
        for row in i + np.flatnonzero(beside):
            cells[row, j:beyond] = cells[i, j]
        empty = ~known[i:below, j:beyond] & beside[:, None]
        given.update(dict(zip(columns[j:beyond], empty.sum(axis=0).tolist(), strict=True)))
    return pd.DataFrame(cells, body.index, body.columns), +given
