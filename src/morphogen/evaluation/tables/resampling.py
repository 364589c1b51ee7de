r"""Bootstrap intervals of statistics that are functions of counts of rows.

Each row of a table has a weight, 1, and in each of 100 resamples the number of times that it was drawn
(Efron 1979, "Bootstrap methods"). A statistic is computed from weighted counts, for all resamples at once:

    counts = onehot(codes)^T W          W [N, 1 + 100], the first column is 1

All columns of a table are resampled together, so that the interval of their average respects their
dependence.

The interval is value +- 1.96 standard deviations of the resamples. Distances between distributions are too
large in expectation, since both sides are samples, and the resamples show about half of that bias (their
mean minus the value), since the tables that they come from are farther apart than the truth. The interval
extends by twice as much, and covers known distances in 93 to 99 % of all cases. It is not enough where there
are about as many categories as rows; the same figure of held-out rows then says what is reachable.
"""

__all__ = ["RESAMPLES", "counts", "interval", "weights"]

import math

import numpy as np
from jaxtyping import Float64, Int
from scipy.sparse import csr_matrix

from morphogen.evaluation.intervals import Interval, Z
from morphogen.numerics.randomness import Rng

RESAMPLES = 100
UNSEEN = 2  # the bias, relative to what the resamples show of it


def weights(n: int, seed: int, table: str) -> Float64[np.ndarray, "n r"]:
    """The weights of n rows in the table (the first column) and in its resamples.

    Arguments:
        n: number of rows.
        seed: of the resampling.
        table: name of the table; tables of other names are resampled independently.
    """
    drawn = Rng(seed, RESAMPLES, ("bootstrap", table)).integers(n, n).numpy()
    multiplicity = [np.bincount(rows, minlength=n) for rows in drawn]
    return np.stack([np.ones(n), *multiplicity], axis=1).astype(np.float64)


def counts(
    codes: Int[np.ndarray, " n"], size: int, weight: Float64[np.ndarray, "n r"]
) -> Float64[np.ndarray, "k r"]:
    """The weighted number of rows of each code 0 .. size-1, in the table and in each resample."""
    n = len(codes)
    onehot = csr_matrix((np.ones(n, weight.dtype), (codes, np.arange(n))), shape=(size, n))
    return onehot @ weight


def interval(
    values: Float64[np.ndarray, " r"], n: int, low: float = -math.inf, high: float = math.inf
) -> Interval | None:
    """The first value with the 95 % interval of the others around it and their bias; None if it is undefined.

    Arguments:
        values: the statistic of the table, then that of each resample; NaN where it is undefined.
        n: number of rows behind it.
        low, high: smallest and largest value of the statistic; the ends are clipped to them.
    """
    value, resampled = float(values[0]), values[1:][np.isfinite(values[1:])]
    if not math.isfinite(value) or not len(resampled):
        return None
    bias, half = float(resampled.mean()) - value, Z * float(resampled.std())
    return {
        "value": value,
        "low": max(low, value - half - UNSEEN * max(bias, 0.0)),
        "high": min(high, value + half - UNSEEN * min(bias, 0.0)),
        "n": n,
        "resamples": len(resampled),
        "bias": bias,
    }
