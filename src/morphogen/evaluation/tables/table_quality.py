"""All figures of the quality of a synthetic table, each with its 95 % interval and its number of rows.

    column_shapes, missing_difference, columns        the distribution of each column
    pair_trends, correlation_difference, pairs        the dependence of each pair
    rules, breaks_no_rule                             rules of the data and how often the rows keep them
    usefulness                                        predictors trained on the rows, tested on held-out rows
    closest_record                                    nearness to training rows, and duplicates

The first two compare with training rows, as SDMetrics does, and a model that only repeats these is best in
them; the last one finds it. Held-out rows can be passed as the synthetic ones: what they reach, no model
needs to exceed. They are not compared with themselves: `usefulness` is empty then, and `closest_record` has
duplicates only. No paper: each figure's own module has its reference.
"""

__all__ = ["TableQuality", "sample_quality", "table_quality"]

from typing import TYPE_CHECKING, Any, TypedDict

import numpy as np
import torch

from morphogen.component import ConfigError
from morphogen.data.dataset import Dataset
from morphogen.evaluation.intervals import Interval, fraction
from morphogen.evaluation.tables.cells import Cells, cells_of
from morphogen.evaluation.tables.closest_record import closest_record
from morphogen.evaluation.tables.column_shapes import column_shapes
from morphogen.evaluation.tables.discovery import find_rules
from morphogen.evaluation.tables.halved import Halved
from morphogen.evaluation.tables.pair_trends import pair_trends
from morphogen.evaluation.tables.resampling import average_of, interval
from morphogen.evaluation.tables.rules import Rule, breaks_none, kept
from morphogen.evaluation.tables.usefulness import targets, usefulness
from morphogen.wrong_calls import explains_calls

if TYPE_CHECKING:
    from pandas import DataFrame

MOST_ROWS = 20_000  # of each table, in the figures of columns and pairs
PAIR_HALVES = 50


class TableQuality(TypedDict):
    """The figures of `table_quality`; those that do not exist for a table are None or an empty list."""

    n: dict[str, int]
    overall: Interval | None
    column_shapes: Interval | None
    missing_difference: Interval | None
    pair_trends: Interval | None
    all_pairs: Interval | None
    correlation_difference: Interval | None
    rules_kept: Interval | None
    breaks_no_rule: Interval | None
    columns: dict[str, dict[str, Any]]
    pairs: list[dict[str, Any]]
    rules: list[dict[str, Any]]
    usefulness: list[dict[str, Any]]
    closest_record: dict[str, Any]


@explains_calls
def table_quality(
    train: "DataFrame",
    held_out: "DataFrame",
    synthetic: "DataFrame",
    condition: str | None = None,
    seed: int = 0,
) -> TableQuality:
    """The quality of a synthetic table, as JSON.

    Arguments:
        train: the real rows that the model was trained on. Its dtypes say which columns are numbers, dates
            and categories.
        held_out: real rows that it was not trained on.
        synthetic: rows of the model, with the same columns.
        condition: the column that `usefulness` predicts; None: those that can be predicted best.
        seed: of resampling, and of the choice of rows where not all are used.

    Errors: DataError for a table without rows or without a column; ConfigError for an unknown condition.
    """
    tables = cells_of({"train": train, "held_out": held_out, "synthetic": synthetic})
    if condition is not None and condition not in tables["train"].order:
        raise ConfigError(
            f"no column is named {condition!r}; choose one of {', '.join(tables['train'].order)}"
        )
    return _quality(tables["train"], tables["held_out"], tables["synthetic"], condition, seed)


def sample_quality(medium: Any, condition: Any, data: Dataset, seed: int = 0) -> TableQuality:
    """The quality of samples of a model of a table, in the columns of its data set.

    Arguments:
        medium: the samples, float64 [N, D], NaN where a cell is missing.
        condition: their conditions, by name, as a batch has them.
        data: the data set that the model was trained on.
        seed: of resampling.
    """
    parts = [part.first() for part in (data.train, data.test)]
    representation: Any = data.representation
    labelled = "label" in (condition or {})  # else the model draws no label
    label = representation.label.name if labelled else None
    train, held_out = (_cells_of_batch(part.medium, part.condition, data, label) for part in parts)
    return _quality(train, held_out, _cells_of_batch(medium, condition, data, label), label, seed)


def _quality(
    train: Cells, held_out: Cells, synthetic: Cells, condition: str | None, seed: int
) -> TableQuality:
    real, rows = (c.some(MOST_ROWS, seed, name) for c, name in ((train, "train"), (synthetic, "synthetic")))
    tables = Halved.of(real, seed, "real"), Halved.of(rows, seed, "synthetic")
    shapes, shape_values = column_shapes(tables)
    trends, trend_values = pair_trends((tables[0].first(PAIR_HALVES), tables[1].first(PAIR_HALVES)))
    overall = average_of([shape_values[: len(trend_values)], trend_values], 1 + PAIR_HALVES)
    rules = find_rules(train, held_out, seed)
    columns = targets(train) if condition is None else [condition]
    is_control = _is_beginning(synthetic, held_out)
    return {
        "n": {"train": len(train), "held_out": len(held_out), "synthetic": len(synthetic)},
        "overall": interval(overall, min(len(real), len(rows)), 0, 1),
        "column_shapes": shapes.score,
        "missing_difference": shapes.missing_difference,
        "pair_trends": trends.score_dependent,
        "all_pairs": trends.score,
        "correlation_difference": trends.correlation_difference,
        "rules_kept": _average_kept(rules, synthetic),
        "breaks_no_rule": breaks_none(rules, synthetic),
        "columns": shapes.columns,
        "pairs": trends.pairs,
        "rules": [_record(rule, held_out, synthetic) for rule in rules],
        "usefulness": [] if is_control else usefulness(train, held_out, synthetic, columns, seed),
        "closest_record": closest_record(train, held_out, synthetic, seed)
        | ({"closer": None, "ratio": None} if is_control else {}),
    }


def _is_beginning(rows: Cells, held_out: Cells) -> bool:
    """Whether rows are the first of the held-out rows, so that a comparison of both would say nothing."""
    return len(rows) <= len(held_out) and all(
        np.array_equal(rows.values[name], held_out.values[name][: len(rows)], equal_nan=True)
        for name in rows.order
    )


def _record(rule: Rule, held_out: Cells, synthetic: Cells) -> dict[str, Any]:
    figures = {"held_out": kept(rule, held_out), "synthetic": kept(rule, synthetic)}
    return {"kind": rule.kind, "columns": list(rule.columns), "text": rule.text} | figures


def _average_kept(rules: list[Rule], cells: Cells) -> Interval | None:
    """The mean over rows of the fraction of the rules about a row that it keeps; None if there are none."""
    applies, keeps = np.zeros(len(cells)), np.zeros(len(cells))
    for rule in rules:
        concerned = rule.applies(cells)
        applies += concerned
        keeps += concerned & rule.keeps(cells)
    rows = applies > 0
    return fraction(torch.from_numpy(keeps[rows] / applies[rows])) if rows.any() else None


def _cells_of_batch(medium: torch.Tensor, condition: Any, data: Dataset, label: str | None) -> Cells:
    """The cells of a medium of rows, and of the column of its classes if that has a name."""
    columns: Any = data.representation.columns
    names = [column.name for column in columns]
    levels = {c.name: c.levels for c in columns if getattr(c, "levels", None) is not None}
    values = dict(zip(names, medium.double().cpu().numpy().T, strict=True))
    codes = {name: np.where(np.isnan(values[name]), -1, values[name]).astype(np.int64) for name in levels}
    numbers = {name: values[name] for name in names if name not in levels}
    if label:
        codes[label], levels[label] = condition["label"].cpu().numpy().astype(np.int64), data.classes
        names.append(label)
    return Cells(numbers, codes, levels, tuple(names))
