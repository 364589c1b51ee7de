"""Tables of a known distribution, and the figures of one draw: for `interval_coverage`."""

__all__ = ["closest", "rows", "scores", "useful"]

from collections.abc import Mapping
from functools import cache
from typing import Any

import numpy as np

from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.closest_record import closest_record
from morphogen.evaluation.tables.column_shapes import column_shapes
from morphogen.evaluation.tables.halved import Halved
from morphogen.evaluation.tables.pair_trends import pair_trends
from morphogen.evaluation.tables.usefulness import usefulness

HALVES = 50


def rows(n: int, rng: np.random.Generator, shift: float = 0.0) -> Cells:
    """Two correlated numbers, a skewed one with missing cells, a category that depends on x, and another."""
    z = rng.normal(size=(n, 4))
    numbers = {
        "x": z[:, 0] + 0.3 * shift,
        "y": 0.8 * z[:, 0] + 0.6 * z[:, 1] * (1 + shift),
        "w": np.where(rng.random(n) < 0.1 + 0.1 * shift, np.nan, np.exp(0.5 * z[:, 2])),
    }
    score = z[:, 0] + 0.7 * z[:, 3]
    masses = np.array([0.4, 0.3, 0.15, 0.1, 0.05]) * (1 - 0.5 * shift) + 0.1 * shift
    codes = {
        "k": (score > 0.5 * shift).astype(np.int64) + (score > 1),
        "m": np.searchsorted(masses.cumsum()[:-1], rng.random(n)).astype(np.int64),
    }
    return Cells(numbers, codes, {"k": list("abc"), "m": list("abcde")}, ("x", "y", "w", "k", "m"))


def scores(trial: int, shift: float) -> Mapping[str, Any]:
    """Shapes and trends of a table of 200 rows and another one."""
    rng = np.random.default_rng(trial)
    real, other = rows(200, rng), rows(200, rng, shift)
    tables = (
        Halved.of(real, trial, "real").first(HALVES),
        Halved.of(other, trial, "synthetic").first(HALVES),
    )
    shapes, trends = column_shapes(tables)[0], pair_trends(tables)[0]
    return {
        "column_shapes": shapes.score,
        "missing_difference": shapes.missing_difference,
        "pair_trends": trends.score_dependent,
        "all_pairs": trends.score,
        "correlation_difference": trends.correlation_difference,
        **{f"shape of {name}": column["shape"] for name, column in shapes.columns.items()},
        **{f"pair {'-'.join(pair['columns'])}": pair["score"] for pair in trends.pairs},
    }


def closest(trial: int) -> Mapping[str, Any]:
    """Rows of the data's distribution beside training rows and a control."""
    rng = np.random.default_rng(trial)
    found = closest_record(rows(150, rng), rows(150, rng), rows(300, rng), trial)
    return {name: found[name] for name in ("closer", "ratio")}


def useful(trial: int) -> Mapping[str, Any]:
    """Fixed predictors of a number and of a category on held-out rows that vary."""
    train, synthetic = _trained_on()
    found = usefulness(train, rows(150, np.random.default_rng(trial)), synthetic, ["y", "k"])
    parts = "synthetic", "real", "difference"
    return {f"{part} ({each['measure']})": each[part] for each in found for part in parts}


@cache
def _trained_on() -> tuple[Cells, Cells]:
    rng = np.random.default_rng(2**32)
    return rows(200, rng), rows(200, rng, 0.5)
