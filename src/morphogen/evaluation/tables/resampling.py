r"""Intervals of statistics that are functions of counts of rows, from random halves of the rows.

Each row of a table has a weight, 1, and 1 or 0 in each of 50 pairs of complementary halves (McCarthy 1969,
"Pseudo-replication: half samples"). A statistic is computed from weighted counts, for all halves at once:

    counts = onehot(codes)^T W              W [N, 1 + 100], the first column is 1
    variance = mean (s_h - mean s)^2        of a statistic s, over the halves h

A half deviates from the table by as much as the table from the distribution: the halves of a pair are
independent samples of n / 2 rows, and half of their difference has the variance of the table's statistic.
Differences within pairs alone vanish where an absolute difference is near 0; around the mean of all halves
the variance is at worst too large there. All columns of a table are halved together, so that the interval of
their average respects their dependence.

The interval is that of the statistic's expected value at this n. Distances between distributions are larger
than that of the truth, since both sides are samples, and the more so the more categories there are for so
few rows; the same figure of held-out rows says what is reachable. `bias` is the excess at n / 2 over that at
n: the bias itself where it falls as 1 / n, and 0.4 of it near a distance of 0, where it falls as 1 / sqrt(n).
"""

__all__ = ["HALVES", "counts", "interval", "masses", "weights"]

import math

import numpy as np
from jaxtyping import Float64, Int
from scipy.sparse import csr_matrix

from morphogen.evaluation.intervals import Interval, student
from morphogen.numerics.randomness import Rng

HALVES = 100  # two of each pair


def weights(n: int, seed: int, table: str) -> Float64[np.ndarray, "n r"]:
    """The weights of n rows in the table (the first column) and in its halves, which are pairs of columns.

    Arguments:
        n: number of rows.
        seed: of the halves.
        table: name of the table; tables of other names are halved independently.
    """
    place = Rng(seed, HALVES // 2, ("halves", table)).bits(n).argsort(dim=1, stable=True).argsort(dim=1)
    first = (place % 2 == 0).numpy().T
    halves = np.stack([first, ~first], axis=2).reshape(n, HALVES)
    return np.concatenate([np.ones((n, 1)), halves], axis=1)


def counts(
    codes: Int[np.ndarray, " n"], size: int, weight: Float64[np.ndarray, "n r"]
) -> Float64[np.ndarray, "k r"]:
    """The weighted number of rows of each code 0 .. size-1, in the table and in each half."""
    n = len(codes)
    onehot = csr_matrix((np.ones(n, weight.dtype), (codes, np.arange(n))), shape=(size, n))
    return onehot @ weight


def masses(tally: Float64[np.ndarray, "k r"]) -> Float64[np.ndarray, "k r"]:
    """Counts divided by their sum; NaN where there are no rows. No paper: these are relative frequencies."""
    total = tally.sum(0)
    return np.divide(tally, total, out=np.full(tally.shape, np.nan), where=total > 0)


def interval(
    values: Float64[np.ndarray, " r"], n: int, low: float = -math.inf, high: float = math.inf
) -> Interval | None:
    """The first value with its 95 % interval from the halves, and its bias; None if it is undefined.

    Without halves in which the statistic is defined, the interval is all that it can take.

    Arguments:
        values: the statistic of the table, then that of each half; NaN where it is undefined.
        n: number of rows behind it.
        low, high: smallest and largest value of the statistic; the ends are clipped to them.
    """
    value, halves = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not math.isfinite(value):
        return None
    half, bias = math.inf, 0.0
    if len(halves) > 1:
        half, bias = student(len(halves) // 2) * float(halves.std()), float(halves.mean()) - value
    return {
        "value": value,
        "low": max(low, value - half),
        "high": min(high, value + half),
        "n": n,
        "resamples": len(halves),
        "bias": bias,
    }
