r"""Usefulness: a predictor that was trained on synthetic rows is tested on real ones.

This is TSTR, "train on synthetic, test on real" (Esteban, Hyland & Raetsch 2017). One column is predicted
from all others by gradient-boosted trees (Friedman 2001; scikit-learn's histograms), trained on synthetic
rows and, for comparison, on as many real training rows; both are tested on held-out rows:

    categories   mean of 1[prediction = truth]                          accuracy
    numbers      1 - mean of (prediction - truth)^2 / variance(truth)   R^2

R^2 has the interval of a ratio of means, linearized (Cochran 1977): the variance of the truth varies too.
The difference is that of the two predictors on the same rows, so that its interval is narrower than the
difference of the intervals. A column that nothing predicts says nothing about the rows: if the predictor
trained on real rows is not significantly better than a constant, there is no figure.

The column is the condition, if there is one; else those that the others predict best, without being
determined by one of them, by the average fraction of its entropy that another column explains (Theil's U,
1970).
"""

__all__ = ["targets", "usefulness"]

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float64
from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

from morphogen.evaluation.intervals import Interval, mean, proportion
from morphogen.evaluation.tables.cells import Cells

MOST_ROWS = 5000  # that a predictor is trained or tested on
MOST_CLASSES = 32
MOST_LEVELS = 200  # of a category as a feature; the rarest others are one
TARGETS = 3
ROUNDS = 30  # trees of each class; few, since four to six predictors are trained
DETERMINED = 0.98  # fraction of the entropy explained from which a column follows from another one
BINS = 10


def usefulness(
    train: Cells, held_out: Cells, synthetic: Cells, columns: Sequence[str], seed: int = 0
) -> list[dict[str, Any]]:
    """The scores of predictors of some columns, trained on synthetic and on real rows, on held-out rows.

    A column without two classes, without held-out cells, or that real rows do not predict significantly
    better than a constant does, is left out.

    Arguments:
        train, held_out, synthetic: the tables.
        columns: that are predicted.
        seed: of the choice of rows.
    """
    figures = []
    for column in columns:
        test = _known(held_out, column).some(MOST_ROWS, seed, "test on real")
        own, other = (_known(cells, column) for cells in (train, synthetic))
        n = min(len(own), len(other), MOST_ROWS)
        if min(n, len(test)) < 2 or _is_constant(own.values[column]):
            continue
        sets = [cells.some(n, seed, "train on") for cells in (other, own)]
        scores = [_scores(cells, own, test, column) for cells in sets]
        baseline = _baseline(own.values[column], test.values[column], column in test.codes)
        if not mean(torch.from_numpy(scores[1] - baseline))["low"] > 0:
            continue
        figures.append(
            {
                "column": column,
                "measure": "accuracy" if column in test.codes else "r2",
                "synthetic": _figure(scores[0], column in test.codes),
                "real": _figure(scores[1], column in test.codes),
                "difference": mean(torch.from_numpy(scores[0] - scores[1])),
                "baseline": _figure(baseline, column in test.codes),
                "trained_on": n,
            }
        )
    return figures


def targets(cells: Cells) -> list[str]:
    """The columns that the others predict best without determining them, at most three.

    Arguments:
        cells: the training rows.
    """
    codes = {name: _coarse(cells, name) for name in cells.order}
    usable = [name for name in cells.order if _is_target(cells, name)]
    explained = {
        name: [_explained(codes[name], codes[other]) for other in cells.order if other != name]
        for name in usable
    }
    open_ = [name for name in usable if explained[name] and max(explained[name]) < DETERMINED]
    return sorted(open_, key=lambda name: -float(np.mean(explained[name])))[:TARGETS]


def _figure(scores: Float64[np.ndarray, " n"], is_category: bool) -> Interval:
    rows = torch.from_numpy(scores)
    return proportion(rows > 0) if is_category else mean(rows)


def _scores(cells: Cells, real: Cells, test: Cells, column: str) -> Float64[np.ndarray, " n"]:
    """The score of each test row, by a predictor trained on some rows."""
    features = [name for name in cells.order if name != column]
    x, x_test = (_features(each, real, features) for each in (cells, test))
    truth, y = test.values[column], cells.values[column]
    categorical = [name in cells.codes for name in features]
    arguments: dict[str, Any] = {
        "max_iter": ROUNDS,
        "early_stopping": False,
        "categorical_features": categorical,
    }
    if column in cells.codes:
        if _is_constant(y):
            return (truth == y[0]).astype(np.float64)
        classifier = HistGradientBoostingClassifier(
            max_leaf_nodes=15, random_state=0, learning_rate=0.2, **arguments
        )
        return (classifier.fit(x, y).predict(x_test) == truth).astype(np.float64)
    regressor = HistGradientBoostingRegressor(random_state=0, learning_rate=0.2, **arguments).fit(x, y)
    return _explained_variance(regressor.predict(x_test), truth)


def _baseline(known: np.ndarray, truth: np.ndarray, is_category: bool) -> Float64[np.ndarray, " n"]:
    """The scores of a constant prediction: the most frequent category, or the mean."""
    if not is_category:
        return _explained_variance(np.full(len(truth), known.mean()), truth)
    found, count = np.unique(known, return_counts=True)
    return (truth == found[count.argmax()]).astype(np.float64)


def _explained_variance(prediction: np.ndarray, truth: np.ndarray) -> Float64[np.ndarray, " n"]:
    """Rows whose mean is R^2 and whose spread is that of the ratio."""
    errors, squares = (prediction - truth) ** 2, (truth - truth.mean()) ** 2
    variance = max(squares.mean(), 1e-300)
    ratio = errors.mean() / variance
    return 1 - ratio - (errors - ratio * squares) / variance


def _features(cells: Cells, real: Cells, names: Sequence[str]) -> Float64[np.ndarray, "n d"]:
    """The columns as floats, NaN where missing; categories as ranks of their frequency in the real rows."""
    columns = []
    for name in names:
        if name in cells.numbers:
            columns.append(cells.numbers[name])
            continue
        tally = np.bincount(real.codes[name] + 1, minlength=len(cells.levels[name]) + 1)[1:]
        rank = np.argsort(np.argsort(-tally, kind="stable")).clip(max=MOST_LEVELS)
        codes = cells.codes[name]
        columns.append(np.where(codes < 0, np.nan, rank[codes].astype(np.float64)))
    known = [
        np.zeros(len(cells)) if np.isnan(values).all() else values for values in columns
    ]  # no trees on NaN
    return np.stack(known, 1) if known else np.zeros((len(cells), 1))


def _is_target(cells: Cells, name: str) -> bool:
    values = cells.values[name][~cells.missing(name)]
    distinct = len(np.unique(values))
    return 2 <= distinct <= MOST_CLASSES if name in cells.codes else distinct > MOST_CLASSES


def _coarse(cells: Cells, name: str) -> np.ndarray:
    """Codes from 0: the most frequent categories, or ten equally heavy bins, with missing as a code."""
    if name in cells.codes:
        tally = np.bincount(cells.codes[name] + 1)
        rank = np.argsort(np.argsort(-tally, kind="stable"))
        return rank[cells.codes[name] + 1].clip(max=MOST_CLASSES)
    values, missing = cells.numbers[name], cells.missing(name)
    if missing.all():
        return np.zeros(len(values), dtype=np.int64)
    inner = np.quantile(values[~missing], np.linspace(0, 1, BINS + 1)[1:-1])
    return np.where(missing, BINS, np.searchsorted(inner, values, side="right"))


def _explained(target: np.ndarray, other: np.ndarray) -> float:
    """Theil's U: the fraction of the entropy of a column that another one explains."""
    width = int(other.max()) + 1
    joint = np.bincount(target * width + other, minlength=(int(target.max()) + 1) * width).reshape(-1, width)
    p = joint / joint.sum()
    a, b = p.sum(1), p.sum(0)
    total = -(a[a > 0] * np.log(a[a > 0])).sum()
    with np.errstate(divide="ignore", invalid="ignore"):
        information = np.where(p > 0, p * np.log(p / np.outer(a, b)), 0).sum()
    return float(information / total) if total > 0 else 1.0


def _known(cells: Cells, column: str) -> Cells:
    """The rows in which a column is not missing."""
    return cells[np.flatnonzero(~cells.missing(column))]


def _is_constant(values: np.ndarray) -> bool:
    return len(np.unique(values)) < 2
