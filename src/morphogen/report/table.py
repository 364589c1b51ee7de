"""The table: every figure with its interval, also drawn as a bar on the scale of its column.

Columns without any figure are omitted. Bold marks the best model of a column and every model whose interval
overlaps with its own, but only if some model is significantly worse.
"""

__all__ = ["Cell", "columns", "table", "with_figures"]

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from morphogen.report.rows import MEASURES, Figure, Measure, Row, beats, best, figure, overlap


@dataclass(frozen=True)
class Cell:
    """A formatted figure; `bar` is its interval on the column's scale: left end, width, value in percent."""

    anchor: str
    text: str
    interval: str = ""
    bar: tuple[float, float, float] | None = None
    leading: bool = False


def columns(rows: Sequence[Row], unit: str) -> list[Measure]:
    """The measures that at least one row has."""
    used = with_figures(rows, MEASURES)
    return [replace(measure, heading=unit) if measure.key == "likelihood" else measure for measure in used]


def with_figures(rows: Sequence[Row], measures: Sequence[Measure]) -> list[Measure]:
    """Those of some measures that at least one row has."""
    return [measure for measure in measures if any(figure(row, measure.key) is not None for row in rows)]


def table(rows: Sequence[Row], shown: Sequence[Measure]) -> list[list[Cell]]:
    """The cells, row by row; a figure that was not measured is a dash."""
    figures = {measure.key: [figure(row, measure.key) for row in rows] for measure in shown}
    leading = {measure.key: _leading(rows, measure) for measure in shown}
    lines = []
    for i, row in enumerate(rows):
        line = []
        for measure in shown:
            column = [known for known in figures[measure.key] if known is not None]
            line.append(
                _cell(row, measure, figures[measure.key][i], column, row.name in leading[measure.key])
            )
        lines.append(line)
    return lines


def _cell(row: Row, measure: Measure, value: Figure | None, column: list[Figure], leading: bool) -> Cell:
    if value is None:
        return Cell(row.cell(measure.key), "–")
    with_interval = not measure.is_timing and measure.key != "parameters" and value.low != value.high
    interval = " – ".join(value.ends(measure.format)) if with_interval else ""
    text, bar = value.formatted(measure.format), _bar(measure, value, column)
    return Cell(row.cell(measure.key), text, interval, bar, leading)


def _leading(rows: Sequence[Row], measure: Measure) -> set[str]:
    """Names of the models to set in bold."""
    if not measure.better or measure.is_timing:
        return set()
    models = [row for row in rows if row.is_model]
    lead = best(models, measure.key)
    measured = {row.name: known for row in models if (known := figure(row, measure.key)) is not None}
    if lead is None or not any(beats(lead[1], known, measure.key) for known in measured.values()):
        return set()
    return {name for name, known in measured.items() if overlap(lead[1], known)}


def _bar(measure: Measure, value: Figure, column: list[Figure]) -> tuple[float, float, float] | None:
    """The interval on the scale from the column's smallest to its largest end; infinite ends are clipped."""
    ends = [
        end
        for known in column
        for end in (known.low, known.value, known.high)
        if math.isfinite(end) and (end > 0 or not measure.log)
    ]
    if not ends or (span := _scale(measure, max(ends)) - _scale(measure, min(ends))) <= 0:
        return None
    low, point, high = (
        100 * (_scale(measure, min(max(end, min(ends)), max(ends))) - _scale(measure, min(ends))) / span
        for end in (value.low, value.value, value.high)
    )
    return round(low, 1), round(max(high - low, 0.0), 1), round(point, 1)


def _scale(measure: Measure, value: float) -> float:
    return math.log(value) if measure.log else value
