r"""Distance to the closest record: are synthetic rows nearer to training rows than to a held-out control?

    d(x, y)   = mean over columns of |x_j - y_j| / range_j, of 1[x_j != y_j] for categories    (Gower 1971)
    closer    = fraction of synthetic rows with min_train d < min_held-out d
    ratio     = median of min_train d / median of min_held-out d

A missing cell is at distance 0 from a missing one, and 1 from any other. Training rows and control are
equally many, so that rows of the data's distribution have closer = 0.5 and ratio = 1; a tie is decided by a
coin (Platzer & Reutterer 2021, "Holdout-based empirical assessment of mixed-type synthetic data"). Rows
equal to a training row in all columns are counted among all training rows; "duplicates_held_out" is the
same for held-out rows, which no model has copied.

Rows that are nearest to the same record depend on each other: had it been in the other table, all of them
would have moved. A record with its rows is therefore a cluster (Cochran 1977, ch. 9), in the stratum of its
table; a row decided by the coin is one by itself. With n records in each table and S_c = sum over the rows
of a cluster of closer - p,

    variance(closer) = n / (n - 1) sum_tables sum_c (S_c - mean_c S_c)^2 / rows^2

but no less than that of independent rows. The interval of the ratio is from random halves of the clusters.
"""

__all__ = ["closest_record"]

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from morphogen.evaluation.intervals import Interval, around, proportion, wilson
from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.resampling import weights
from morphogen.numerics.randomness import Rng

CONTROL = 3000  # largest number of training rows, and of held-out rows
SAMPLES = 1000  # largest number of synthetic rows


def closest_record(train: Cells, held_out: Cells, synthetic: Cells, seed: int = 0) -> dict[str, Any]:
    """How near synthetic rows are to training rows and to as many held-out rows, and how many are duplicates.

    Arguments:
        train, held_out, synthetic: the tables.
        seed: of the choice of rows, the coin and the resampling.
    """
    n = min(len(train), len(held_out), CONTROL)
    rows = synthetic.some(SAMPLES, seed, "closest record")
    (near, near_record), (far, far_record) = (
        _nearest(rows, cells.some(n, seed, "closest record"), train) for cells in (train, held_out)
    )
    coin = (Rng(seed, len(rows), ("closest record", "coin")).uniform() < 0.5).numpy()
    tied = near == far
    closer = np.where(tied, coin, near < far)
    record = np.where(tied, 2 * n + np.arange(len(rows)), np.where(closer, near_record, n + far_record))
    return {
        "closer": _share(closer, record, n),
        "ratio": _median_ratio(near, far, record, seed),
        "control": n,
        "duplicates": proportion(torch.from_numpy(_duplicates(synthetic, train))),
        "duplicates_held_out": proportion(torch.from_numpy(_duplicates(held_out, train))),
    }


def _nearest(
    rows: Cells, others: Cells, train: Cells
) -> tuple[Float64[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Distance to the nearest of the others, and which it is; ranges are those of the training rows."""
    plain: list[tuple] = []  # numbers without missing cells are measured together
    special: list[tuple] = []
    for name in rows.order:
        one, other = rows.values[name], others.values[name]
        is_category = name in train.codes
        if not is_category:
            known = train.numbers[name][~train.missing(name)]
            scale = float(np.ptp(known)) or 1.0 if len(known) else 1.0
            one, other = one / scale, other / scale
        whole = not (is_category or np.isnan(one).any() or np.isnan(other).any())
        (plain if whole else special).append((one, other, is_category))
    total = torch.zeros(len(rows), len(others), dtype=torch.float64)
    if plain:
        left, right = (torch.from_numpy(np.stack([pair[i] for pair in plain], 1)) for i in (0, 1))
        total += torch.cdist(left, right, p=1)
    for one, other, is_category in special:
        total += _difference(torch.from_numpy(one)[:, None], torch.from_numpy(other)[None], is_category)
    least = total.min(1)
    return (least.values / len(rows.order)).numpy(), least.indices.numpy()


def _difference(
    one: Float64[Tensor, "n 1"], other: Float64[Tensor, "1 m"], is_category: bool
) -> Float64[Tensor, "n m"]:
    """The distances of the cells of a column."""
    difference = (one != other).double() if is_category else (one - other).abs()
    absent, lacking = one.isnan(), other.isnan()
    return torch.where(absent | lacking, (absent ^ lacking).double(), difference)


def _share(closer: Bool[np.ndarray, " n"], record: Int[np.ndarray, " n"], n: int) -> Interval:
    """The fraction of rows that are closer, with the variance of clusters.

    Arguments:
        closer: whether each row is nearest to a training row.
        record: nearest record of each row: 0 .. n - 1 of the training rows, n .. 2 n - 1 of the control, and
            from 2 n rows decided by the coin, of which each is one.
        n: number of records of each.
    """
    p, m = float(closer.mean()), len(closer)
    sums = np.bincount(record, closer - p, 2 * n + m)
    deviations = [part - part.mean() for part in (sums[:n], sums[n : 2 * n])]
    total = n / max(n - 1, 1) * sum((each**2).sum() for each in deviations) + (sums[2 * n :] ** 2).sum()
    effective = p * (1 - p) * m**2 / total if total > 0 else m
    return wilson(p, m, min(m, effective))


def _median_ratio(near: np.ndarray, far: np.ndarray, record: np.ndarray, seed: int) -> Interval | None:
    """The ratio of the medians with its interval; None if half of the rows are in the control."""
    clusters = np.unique(record, return_inverse=True)[1]
    values = []
    for w in weights(int(clusters.max()) + 1, seed, "closest record").T > 0:
        rows = w[clusters]
        other = np.median(far[rows]) if rows.any() else 0.0
        values.append(np.median(near[rows]) / other if other > 0 else np.nan)
    value, halves = values[0], np.array(values[1:])
    if not np.isfinite(value):
        return None
    halves = halves[np.isfinite(halves)]
    found = around(value, float(halves.var()) if len(halves) else 0.0, len(near), len(halves) // 2, 0.0)
    return {**found, "resamples": len(halves)}


def _duplicates(rows: Cells, train: Cells) -> Bool[np.ndarray, " n"]:
    """Which rows equal a training row in all columns."""
    known = {row.tobytes() for row in _matrix(train)}
    return np.array([row.tobytes() in known for row in _matrix(rows)])


def _matrix(cells: Cells) -> Float64[np.ndarray, "n d"]:
    """The rows as floats; missing cells and zeros have one value each, bit for bit."""
    rows = np.stack([cells.values[name] for name in cells.order], 1) + 0.0
    return np.where(np.isnan(rows), -np.inf, rows)
