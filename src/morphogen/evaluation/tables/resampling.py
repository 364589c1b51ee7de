r"""Intervals of distances between tables that are functions of counts of rows, from random halves.

Each row of a table has a weight, 1, and 1 or 0 in each of 50 pairs of complementary halves (McCarthy 1969,
"Pseudo-replication: half samples"). A distance |D| between two tables is a norm of a difference D of relative
frequencies, computed from weighted counts for all halves h at once:

    counts = onehot(codes)^T W              W [N, 1 + 100], the first column is 1
    e_h    = D_h - D                        noise as large as that of D: half of the rows, drawn from all

The interval is that of the expected value at this n. Since D already has its noise, |D + e_h| have that of
two tables: too large and, near 0, too spread. Therefore the interval is a test that is inverted in the family
a D, a >= 0, of possible true differences:

    { E(a) : | |D| - E(a) | <= t s(a) }     mean and standard deviation over h of |a D + e_h|

Where a = 0 is accepted, as for two tables of one distribution, E(0) is the smallest value that there is; it
is estimated too, so that the interval goes down to |D| - t s(0) there. All columns of a table are halved
together, and a is common to them, so that the interval of their average respects their dependence.

Distances between samples are larger than those of the distributions, and the more so the more categories
there are for so few rows; the same figure of held-out rows says what is reachable. `bias` is the excess at
n / 2 over that at n: the bias itself where it falls as 1 / n, and 0.4 of it near a distance of 0, where it
falls as 1 / sqrt(n).
"""

__all__ = ["HALVES", "absolute", "average_of", "counts", "distances", "interval", "masses", "weights"]

import math
from collections.abc import Callable

import numpy as np
from jaxtyping import Float64, Int
from scipy.sparse import csr_matrix

from morphogen.evaluation.intervals import Interval, student
from morphogen.numerics.randomness import Rng

HALVES = 100  # two of each pair
SCALES = np.array([0, 0.25, 0.5, 0.75, 0.875, 1, 1.125, 1.25, 1.5, 2, 4])  # of the difference: a


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


def distances(
    difference: Float64[np.ndarray, "k r"], norm: Callable[[np.ndarray], np.ndarray]
) -> Float64[np.ndarray, " s"]:
    """The norm of a difference D, then for each half h those of a D + e_h, a in `SCALES`.

    Arguments:
        difference: of the tables (the first column), and of each half.
        norm: of each column.
    """
    whole, noise = difference[:, :1], difference[:, 1:] - difference[:, :1]
    scaled = np.stack([norm(a * whole + noise) for a in SCALES], axis=1)
    return np.concatenate([norm(whole), scaled.ravel()])


def absolute(difference: Float64[np.ndarray, " r"]) -> Float64[np.ndarray, " s"]:
    """The `distances` of a single number. No paper: this is its absolute value.

    Arguments:
        difference: in the tables, then in each half.
    """
    return distances(difference[None], lambda each: np.abs(each[0]))


def average_of(scores: list[Float64[np.ndarray, " s"]], columns: int) -> Float64[np.ndarray, " s"]:
    """The average of those scores that are defined; NaN if none is. No paper: as SDMetrics averages.

    Arguments:
        scores: `distances`, or their complements.
        columns: of the weights.
    """
    stacked = np.stack([np.full(1 + (columns - 1) * len(SCALES), np.nan), *scores])
    defined = np.isfinite(stacked)
    total = np.where(defined, stacked, 0).sum(0)
    return np.divide(total, defined.sum(0), out=np.full(len(total), np.nan), where=defined.any(0))


def interval(
    values: Float64[np.ndarray, " s"], n: int, low: float = -math.inf, high: float = math.inf
) -> Interval | None:
    """A distance with its 95 % interval from the halves, and its bias; None if it is undefined.

    Without halves in which the distance is defined, the interval is all that it can take.

    Arguments:
        values: `distances`, or an average of several, or its complement; NaN where they are undefined.
        n: number of rows behind it.
        low, high: smallest and largest value; the ends are clipped to them.
    """
    value, halves = float(values[0]), values[1:].reshape(-1, len(SCALES))
    if not math.isfinite(value):
        return None
    halves = halves[np.isfinite(halves).all(1)]
    ends, bias = (-math.inf, math.inf), 0.0
    if len(halves) > 1:
        ends = _inverted(value, halves.mean(0), student(len(halves) // 2) * halves.std(0))
        bias = float(halves[:, SCALES == 1].mean()) - value
    return {
        "value": value,
        "low": max(low, ends[0]),
        "high": min(high, ends[1]),
        "n": n,
        "resamples": len(halves),
        "bias": bias,
    }


def _inverted(
    value: float, expected: Float64[np.ndarray, " a"], half: Float64[np.ndarray, " a"]
) -> tuple[float, float]:
    """Ends of the expected values, one for each of `SCALES`, from which a value is at most `half` away."""
    if expected[-1] < expected[0]:  # a complement falls where the distance grows
        low, high = _inverted(-value, -expected, half)
        return -high, -low
    highest = np.maximum.accumulate(expected + half)
    lowest = np.minimum.accumulate((expected - half)[::-1])[::-1]
    first, last = (float(np.interp(value, curve, SCALES)) for curve in (highest, lowest))
    low, high = (float(np.interp(a, SCALES, expected)) for a in (first, last))
    if value <= highest[0]:
        low = value - float(half[0])
    if value >= lowest[-1]:
        high = value + float(half[-1])
    return min(low, value), max(high, value)
