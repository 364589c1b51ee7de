r"""Pair trends: how close the dependence of each pair of columns is to that of the real table.

    two numbers         1 - |rho - rho'| / 2            Pearson's correlations of rows where both are present
    with a category     1 - 1/2 sum_ab |p_ab - q_ab|    total variation of the contingency tables

Missing is a category, and a number beside a category is cut into ten bins of equal width in the range of
the real ones. A correlation with a constant column is undefined and not averaged. `score_dependent` is the
score "Column Pair Trends" of SDMetrics 0.32 (DataCebo 2020): the average over the pairs that are dependent
in the real table, where each table is cut in its own range (so that one outlier moves all bins, which
`score` avoids). The ends of a range vary more than any count, so each half has a range of its own. The mean
of |rho - rho'| is given as well (Pearson 1895; Cramer 1946 for the dependence of categories).
"""

__all__ = ["Trends", "pair_trends"]

import math
from itertools import combinations
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float64, Int
from scipy.special import spence

from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.halved import Halved
from morphogen.evaluation.tables.resampling import absolute, average_of, counts, distances, interval, masses

BINS = 10
# standard deviation of the largest number of a random half, given all, in that of the largest of all; the
# largest of n numbers with an exponential tail is Gumbel's, whose variance does not depend on n
EXTREME = math.sqrt(1 - (math.log(2) ** 2 + spence(3 / 4)) / (math.pi**2 / 6))  # spence(3/4) = Li_2(1/4)
DEPENDENT = {
    "correlation": 0.5,
    "contingency": 0.3,
}  # |rho|, Cramer's V: SDMetrics averages pairs above these


class Trends(NamedTuple):
    """Averages over all pairs and over dependent ones, the mean difference of correlations, each pair."""

    score: Any
    score_dependent: Any
    correlation_difference: Any
    pairs: list[dict[str, Any]]


def pair_trends(halved: tuple[Halved, Halved]) -> tuple[Trends, Float64[np.ndarray, " s"]]:
    """Trends of all pairs of columns; and the `distances` of `score_dependent`.

    Arguments:
        halved: the real table and the synthetic one, with as many halves.
    """
    real, synthetic = tables = [table.cells for table in halved]
    n, own_weights = min(len(real), len(synthetic)), [table.weight for table in halved]
    weighted = list(zip(tables, own_weights, strict=True))
    numbers = [name for name in real.order if name in real.numbers]
    place = {name: i for i, name in enumerate(numbers)}
    rho = [correlations(cells, numbers, w) for cells, w in weighted]
    shared = [{name: _bins(cells, name, real) for name in real.order} for cells in tables]
    own = [{name: _own_bins(cells, name, w) for name in real.order} for cells, w in weighted]
    pairs, scores, dependent_scores, differences = [], [], [], []
    for one, other in combinations(real.order, 2):
        known: dict[str, Any] = {"columns": [one, other], "measure": "contingency"}
        if one in place and other in place:
            first, second = (matrix[:, place[one], place[other]] for matrix in rho)
            differences.append(absolute(first - second))
            score, strength = 1 - differences[-1] / 2, abs(first[0])
            known |= {"measure": "correlation", "real": _number(first[0]), "synthetic": _number(second[0])}
        else:
            score = _contingency(shared, one, other, own_weights)
            strength = _cramer(own[0][one][:, 0], own[0][other][:, 0])
        scores.append(score)
        if dependent := bool(strength > DEPENDENT[known["measure"]]):
            mixed = (one in place) != (other in place)
            dependent_scores.append(_own_contingency(own, one, other, own_weights) if mixed else score)
        pairs.append(known | {"score": interval(score, n, 0, 1), "dependent": dependent})
    averages = [average_of(each, own_weights[1].shape[1]) for each in (scores, dependent_scores, differences)]
    intervals = [interval(each, n, 0, most) for each, most in zip(averages, (1, 1, 2), strict=True)]
    return Trends(intervals[0], intervals[1], intervals[2], pairs), averages[1]


def correlations(
    cells: Cells, names: list[str], weight: Float64[np.ndarray, "n r"]
) -> Float64[np.ndarray, "r d d"]:
    """Pearson's correlations of columns of numbers, of the rows where both are present (Pearson 1895).

    They are those of the table, then of each half; NaN where a column is constant.
    """
    shape = weight.shape[1], len(names), len(names)
    if not names:
        return np.zeros(shape)
    x = np.stack([cells.numbers[name] for name in names], 1)
    present = ~np.isnan(x)
    count = np.maximum(present.sum(0), 1)
    x = np.where(present, x - np.where(present, x, 0).sum(0) / count, 0)  # centred: no digits are lost
    spread = np.abs(x).max(0, initial=0)
    constant = spread == 0
    x, mask = x / np.where(constant, 1, spread), present.astype(np.float64)
    result = np.empty(shape)
    for r, w in enumerate(weight.T):
        left = x * w[:, None]
        total = np.maximum((mask * w[:, None]).T @ mask, 1)
        first, second, cross = left.T @ mask, (left * x).T @ mask, left.T @ x
        variance = (second - first**2 / total).clip(0)
        scale = np.sqrt(variance * variance.T)
        with np.errstate(invalid="ignore", divide="ignore"):
            result[r] = np.where(scale > 1e-300, (cross - first * first.T / total) / scale, np.nan)
    result[:, constant, :] = result[:, :, constant] = np.nan
    return result.clip(-1, 1)


def _contingency(
    tables: list[dict[str, np.ndarray]], one: str, other: str, own_weights: list[np.ndarray]
) -> Float64[np.ndarray, " s"]:
    """1 - the total variation of the joint distribution of two columns of codes from 0."""
    width = max(int(codes[other].max()) for codes in tables) + 1
    joint = [codes[one] * width + codes[other] for codes in tables]
    found, cell = np.unique(np.concatenate(joint), return_inverse=True)
    parts = np.split(cell, [len(joint[0])])
    joint = [masses(counts(part, len(found), w)) for part, w in zip(parts, own_weights, strict=True)]
    return 1 - distances(joint[0] - joint[1], lambda each: np.abs(each).sum(0) / 2)


def _own_contingency(
    tables: list[dict[str, np.ndarray]], one: str, other: str, own_weights: list[np.ndarray]
) -> Float64[np.ndarray, " s"]:
    """The same where each table and each half is cut in its own range."""
    height, width = (max(int(codes[name].max()) for codes in tables) + 1 for name in (one, other))
    joint = []
    for codes, w in zip(tables, own_weights, strict=True):
        place = codes[one].astype(np.int64) * width + codes[other] + height * width * np.arange(w.shape[1])
        tally = np.bincount(place.ravel(), w.ravel(), height * width * w.shape[1])
        joint.append(masses(tally.reshape(w.shape[1], -1).T))
    return 1 - distances(joint[0] - joint[1], lambda each: np.abs(each).sum(0) / 2)


def _cramer(one: np.ndarray, other: np.ndarray) -> float:
    """Cramer's V of two columns of codes; NaN if one of them is constant."""
    n = len(one)
    rows, columns = (np.unique(codes, return_inverse=True)[1] for codes in (one, other))
    smaller = min(int(rows.max()), int(columns.max()))
    cells, count = np.unique(rows * (int(columns.max()) + 1) + columns, return_counts=True)
    row, column = np.divmod(cells, int(columns.max()) + 1)
    expected = np.bincount(rows)[row] * (np.bincount(columns)[column] / n)
    return math.sqrt(max((count**2 / expected).sum() / n - 1, 0) / smaller) if smaller else math.nan


def _bins(cells: Cells, name: str, real: Cells) -> Int[np.ndarray, " n"]:
    """Codes from 0: categories after missing, or ten bins in the range of the real numbers before missing."""
    if name in cells.codes:
        return cells.codes[name] + 1
    present = real.numbers[name][~real.missing(name)]
    inner = np.histogram_bin_edges(present, BINS)[1:-1] if len(present) else np.zeros(0)
    return np.where(cells.missing(name), BINS, np.digitize(cells.numbers[name], inner))


def _own_bins(cells: Cells, name: str, weight: Float64[np.ndarray, "n r"]) -> Int[np.ndarray, "n c"]:
    """The same in the range of the table, and in one with the noise of its ends for each half.

    In the table the largest number shares its bin with missing cells. Those of a category, [n, 1], do not
    depend on rows.
    """
    if name in cells.codes:
        return cells.codes[name][:, None] + 1
    values, missing = cells.numbers[name], cells.missing(name)
    bins = np.full(weight.shape, BINS + 1, dtype=np.int16)
    if missing.all():
        return bins
    bins[:, 0] = np.digitize(values, np.histogram_bin_edges(values[~missing], BINS))
    for r, ends in enumerate(_noisy_ranges(values, weight), 1):
        edges = np.histogram_bin_edges(ends, BINS)
        bins[:, r] = np.where(missing, BINS + 1, np.digitize(values, edges).clip(1, BINS))
    return bins


def _noisy_ranges(
    values: Float64[np.ndarray, " n"], weight: Float64[np.ndarray, "n r"]
) -> Float64[np.ndarray, "h 2"]:
    """The range of the numbers of a table, with the noise of its ends in each half."""
    rows = (weight[:, 1:] > 0) & ~np.isnan(values)[:, None]
    low, high = np.nanmin(values), np.nanmax(values)
    ends = [
        np.where(rows, values[:, None], high).min(0),
        np.where(rows, values[:, None], low).max(0),
    ]
    noise = [each - each.mean() for each in ends]
    return np.sort(np.stack([low + noise[0] / EXTREME, high + noise[1] / EXTREME], 1), 1)


def _number(value: float) -> float | None:
    return float(value) if np.isfinite(value) else None
