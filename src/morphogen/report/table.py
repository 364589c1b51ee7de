"""The table: every figure with its interval, also drawn as a bar on its column's own scale, so that an eye sees what overlaps.

A column nobody has a figure in is left out. Bold marks a column's best model and every model whose interval overlaps its, but
only where somebody is clearly worse: where nothing is told apart, nothing is bold.
"""

__all__ = ["Cell", "columns", "table"]

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from morphogen.report.rows import MEASURES, Figure, Measure, Row, alike, beats, best, figure


@dataclass(frozen=True)
class Cell:
    """One figure as it is shown; `bar` is where its interval lies on the column's scale: left, width, point, in percent."""

    anchor: str
    text: str
    interval: str = ""
    bar: tuple[float, float, float] | None = None
    leading: bool = False


def columns(rows: Sequence[Row], unit: str, every: bool = False) -> list[Measure]:
    """The measures that some row has, or every one."""
    used = [measure for measure in MEASURES if every or any(figure(row, measure.key) is not None for row in rows)]
    return [replace(measure, heading=unit) if measure.key == "likelihood" else measure for measure in used]


def table(rows: Sequence[Row], shown: Sequence[Measure]) -> list[list[Cell]]:
    """The cells, row by row; a figure that was not measured is a dash."""
    found = {measure.key: [figure(row, measure.key) for row in rows] for measure in shown}
    leading = {measure.key: _leading(rows, measure) for measure in shown}
    lines = []
    for i, row in enumerate(rows):
        line = []
        for measure in shown:
            of_column = [known for known in found[measure.key] if known is not None]
            line.append(_cell(row, measure, found[measure.key][i], of_column, row.name in leading[measure.key]))
        lines.append(line)
    return lines


def _cell(row: Row, measure: Measure, found: Figure | None, column: list[Figure], leading: bool) -> Cell:
    if found is None:
        return Cell(row.cell(measure.key), "–")
    timed = measure.key.endswith("_per_second") or measure.key == "parameters"
    interval = "" if timed or found.low == found.high else f"{measure.form(found.low)} – {measure.form(found.high)}"
    return Cell(row.cell(measure.key), found.written(measure.form), interval, _bar(measure, found, column), leading)


def _leading(rows: Sequence[Row], measure: Measure) -> set[str]:
    if not measure.better:
        return set()
    models = [row for row in rows if row.model]
    found = best(models, measure.key)
    measured = {row.name: own for row in models if (own := figure(row, measure.key)) is not None}
    if found is None or not any(beats(found[1], own, measure.key) for own in measured.values()):
        return set()
    return {name for name, own in measured.items() if alike(found[1], own)}


def _bar(measure: Measure, found: Figure, column: list[Figure]) -> tuple[float, float, float] | None:
    """Where an interval lies between the column's least and greatest ends; infinite ends are cut off there."""
    ends = [end for known in column for end in (known.low, known.value, known.high) if math.isfinite(end) and (end > 0 or not measure.log)]
    if not ends or (span := _scale(measure, max(ends)) - _scale(measure, min(ends))) <= 0:
        return None
    low, point, high = (
        100 * (_scale(measure, min(max(end, min(ends)), max(ends))) - _scale(measure, min(ends))) / span
        for end in (found.low, found.value, found.high)
    )
    return round(low, 1), round(max(high - low, 0.0), 1), round(point, 1)


def _scale(measure: Measure, value: float) -> float:
    return math.log(value) if measure.log else value
