r"""Distance to the closest record: are synthetic rows nearer to training rows than to a held-out control?

    d(x, y)   = mean over columns of |x_j - y_j| / range_j, of 1[x_j != y_j] for categories    (Gower 1971)
    closer    = fraction of synthetic rows with min_train d < min_held-out d
    ratio     = median of min_train d / median of min_held-out d

A missing cell is at distance 0 from a missing one, and 1 from any other. Training rows and control are
equally many, so that rows of the data's distribution have closer = 0.5 and ratio = 1; a tie is decided by a
coin (Platzer & Reutterer 2021, "Holdout-based empirical assessment of mixed-type synthetic data"). Rows
equal to a training row in all columns are counted among all training rows; "duplicates_held_out" is the
same for held-out rows, which no model has copied.
"""

__all__ = ["closest_record"]

from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float64
from torch import Tensor

from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.resampling import interval, weights
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
    near, far = (_nearest(rows, cells.some(n, seed, "closest record"), train) for cells in (train, held_out))
    coin = (Rng(seed, len(rows), ("closest record", "coin")).uniform() < 0.5).numpy()
    closer = np.where(near == far, coin, near < far)
    return {
        "closer": proportion(torch.from_numpy(closer)),
        "ratio": _median_ratio(near, far, seed),
        "control": n,
        "duplicates": proportion(torch.from_numpy(_duplicates(synthetic, train))),
        "duplicates_held_out": proportion(torch.from_numpy(_duplicates(held_out, train))),
    }


def _nearest(rows: Cells, others: Cells, train: Cells) -> Float64[np.ndarray, " n"]:
    """The distance of each row to the nearest of the others; ranges are those of the training rows."""
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
    return (total.amin(1) / len(rows.order)).numpy()


def _difference(
    one: Float64[Tensor, "n 1"], other: Float64[Tensor, "1 m"], is_category: bool
) -> Float64[Tensor, "n m"]:
    """The distances of the cells of a column."""
    difference = (one != other).double() if is_category else (one - other).abs()
    absent, lacking = one.isnan(), other.isnan()
    return torch.where(absent | lacking, (absent ^ lacking).double(), difference)


def _median_ratio(near: np.ndarray, far: np.ndarray, seed: int) -> Any:
    """The ratio of the medians with its interval; None if half of the rows are in the control."""
    weight = weights(len(near), seed, "closest record")
    values = np.full(weight.shape[1], np.nan)
    for r, w in enumerate(weight.T.astype(np.int64)):
        if not w.any():  # a half of a single row
            continue
        other = np.median(np.repeat(far, w))
        values[r] = np.median(np.repeat(near, w)) / other if other > 0 else np.nan
    return interval(values, len(near), 0)


def _duplicates(rows: Cells, train: Cells) -> Bool[np.ndarray, " n"]:
    """Which rows equal a training row in all columns."""
    known = {row.tobytes() for row in _matrix(train)}
    return np.array([row.tobytes() in known for row in _matrix(rows)])


def _matrix(cells: Cells) -> Float64[np.ndarray, "n d"]:
    """The rows as floats; missing cells and zeros have one value each, bit for bit."""
    rows = np.stack([cells.values[name] for name in cells.order], 1) + 0.0
    return np.where(np.isnan(rows), -np.inf, rows)
