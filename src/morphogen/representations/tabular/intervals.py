r"""Intervals of a column of numbers, chosen by its training rows.

    few distinct values (at most n / 8 or 2 sqrt(n), and 2048)   each value has an interval of its own
    many                                                       about equally heavy intervals, 2 sqrt(n) of
                                                               them, at most 256; a value that is heavier
                                                               than one has an interval of its own

On a grid an interval is a run of grid points, and those between the values that have their own are one each.
On the real line the interval of a value that repeats has width 0: an atom.

No paper: the equal-frequency histogram, with atoms.
"""

__all__ = ["grid_intervals", "real_intervals"]

import math

import numpy as np
from jaxtyping import Float, Int

MOST = 256  # equally heavy intervals
MOST_VALUES = 2048  # values with an interval of their own
REPEATS = 8  # rows per distinct value from which on each has its own


def grid_intervals(train: Int[np.ndarray, " n"], low: int, high: int) -> tuple[tuple[int, ...], list[int]]:
    """The first grid point of each interval, and its training rows.

    Arguments:
        train: training values, in steps.
        low, high: the smallest and the largest value of all rows, in steps.
    """
    alone, bounds = _cut(train)
    starts = np.unique([low, *alone, *alone + 1, *np.ceil(bounds).astype(np.int64)])
    starts = starts[(starts >= low) & (starts <= high)]
    places = np.searchsorted(starts, train, side="right") - 1
    return tuple(starts.tolist()), np.bincount(places, minlength=len(starts)).tolist()


def real_intervals(
    train: Float[np.ndarray, " n"], low: float, high: float
) -> tuple[tuple[float, ...], list[int]]:
    """The ends of the intervals, atoms twice, and the training rows of each.

    Arguments:
        train: training values.
        low, high: the smallest and the largest value of all rows.
    """
    alone, bounds = _cut(train)
    alone = np.array([low]) if low == high else alone
    ends = np.setdiff1d([low, high, *bounds], alone)
    ends = np.sort(np.concatenate([ends, alone, alone]))
    first = np.searchsorted(ends, train, side="left")
    places = np.where(np.isin(train, alone), first, np.searchsorted(ends, train, side="right") - 1)
    counts = np.bincount(places.clip(0, len(ends) - 2), minlength=len(ends) - 1)
    return tuple(ends.tolist()), counts.tolist()


def _cut(train: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The values that have an interval of their own, and the bounds between intervals of the others."""
    values, counts = np.unique(train, return_counts=True)
    n, most = len(train), max(2.0, min(MOST, 2 * math.sqrt(len(train))))
    if len(values) <= min(max(n / REPEATS, most), MOST_VALUES):
        own = counts > (0 if train.dtype.kind == "i" else n / most)
    else:
        own = counts > n / most
    rest, before = values[~own], np.cumsum(counts[~own]) - counts[~own]
    if not len(rest):
        return values[own], values[:0].astype(np.float64)
    share = max(1.0, most * counts[~own].sum() / n)  # as many intervals as their rows would have of all
    group = np.floor(before * share / counts[~own].sum())
    between = np.searchsorted(values[own], rest)  # values of their own before it
    cut = (np.diff(group) > 0) & (np.diff(between) == 0)
    return values[own], (rest[:-1] + (rest[1:] - rest[:-1]) / 2)[cut]
