"""Samples of a table in a row of a report: figures, a picture of the columns, and one of the pairs.

Columns are histograms of numbers and bars of categories, real cells as an area and samples as a line. Pairs
are a grid whose cells are the darker the farther the dependence of two columns is from that of the
real table. The pictures are stand-alone SVG, since they are shown as images, which the stylesheet of a
page does not reach. A third one has the densities of pairs of numbers.
"""

__all__ = ["draw_columns", "draw_pairs", "measure_table"]

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from morphogen.evaluation.tables.table_quality import sample_quality
from morphogen.report.densities import dependent_pairs, draw_densities
from morphogen.report.rows import TABLE_MEASURES
from morphogen.report.svg import CHAR_WIDTH, Drawing
from morphogen.report.table_section import predicted_key

_AVERAGES = {measure.key for measure in TABLE_MEASURES}
MOST_COLUMNS = 24  # of a table that are drawn; the others are in the record
PANEL, HEIGHT, GAP = 150.0, 70.0, 34.0  # size of a histogram, and the space for its name
ACROSS = 3  # histograms in a row: on a phone their names are read at two thirds of their size
REACHED = 0.9  # similarity of new real rows below which it is shown
CELL, FONT = 16.0, 11.0
LEAST = 320.0  # width of a grid of few pairs, whose names would be enlarged beyond those of the histograms
STYLE = (
    "text{font:11px system-ui,sans-serif;fill:#555}.area{fill:#b9c4cf}.grid{stroke:#ccc}.cell{fill:#c2410c}"
    ".line{fill:none;stroke:#c2410c;stroke-width:1.5}.none{fill:#ddd}.frame{fill:none;stroke:#ccc}"
    "@media (prefers-color-scheme:dark){text{fill:#bbb}.area{fill:#4a5560}.grid{stroke:#555}"
    ".cell{fill:#fb923c}.line{stroke:#fb923c}.none{fill:#333}}"
)


def measure_table(medium: Any, condition: Mapping[str, Any], data: Any, seed: int = 0) -> dict[str, Any]:
    """The part of a report's row about samples of a table: {"table": figures, pictures and details}.

    Arguments:
        medium: the samples, [N, D].
        condition: their conditions, by name.
        data: the data set that the model was trained on.
        seed: of resampling.
    """
    quality = sample_quality(medium, condition, data, seed)
    closest = quality["closest_record"]
    averages = {key: figure for key, figure in quality.items() if key in _AVERAGES}
    predicted = {predicted_key(each["column"]): each["difference"] for each in quality["usefulness"]}
    figures = averages | predicted | {key: closest[key] for key in ("closer", "duplicates")}
    pictures = [
        {
            "label": "columns: real (area), samples (line), similarity (number), of what new real rows have",
            "svg": draw_columns(quality["columns"]),
        },
        {"label": "pairs: the darker, the farther from real", "svg": draw_pairs(quality["pairs"])},
        *_densities(medium, data),
    ]
    return {"table": {"figures": figures, "pictures": pictures, "details": quality}}


def draw_columns(columns: Mapping[str, Mapping[str, Any]]) -> str:
    """The histograms of the columns of a table as SVG.

    Arguments:
        columns: those of `table_quality`.
    """
    shown = list(columns.items())[:MOST_COLUMNS]
    across = min(ACROSS, max(len(shown), 1))
    down = -(-len(shown) // across)
    size = across * (PANEL + 10), max(down, 1) * (HEIGHT + GAP)
    drawing = _drawing(*size, "distribution of each column in the real table and in the samples")
    for i, (name, column) in enumerate(shown):
        x, y = (i % across) * (PANEL + 10) + 5, (i // across) * (HEIGHT + GAP) + 16
        histogram = column["histogram"]
        bars = list(zip(histogram["real"], histogram["synthetic"], strict=True))
        score = _score(column)
        drawing.text(x, y - 4, _short(name, PANEL - FONT * CHAR_WIDTH * len(score)) + score)
        top = max([*histogram["real"], *histogram["synthetic"], 1e-9])
        width = PANEL / max(len(bars), 1)
        path = []
        for k, (real, synthetic) in enumerate(bars):
            height, line = HEIGHT * real / top, y + HEIGHT * (1 - synthetic / top)
            left = x + k * width
            drawing.add(
                "rect", "area", x=left, y=y + HEIGHT - height, width=max(width - 0.5, 0.5), height=height
            )
            path.append(f"{left:.1f},{line:.1f} {left + width:.1f},{line:.1f}")
        drawing.add("polyline", "line", points=" ".join(path))
        drawing.line(x, y + HEIGHT, x + PANEL, y + HEIGHT, "grid")
    return str(drawing)


def draw_pairs(pairs: Sequence[Mapping[str, Any]]) -> str:
    """The scores of all pairs of columns as SVG; a pair without a score is grey.

    Arguments:
        pairs: those of `table_quality`.
    """
    names = list(dict.fromkeys(name for pair in pairs for name in pair["columns"]))[:MOST_COLUMNS]
    margin = min(200.0, max([len(name) for name in names], default=0) * FONT * CHAR_WIDTH + 8)
    side = margin + len(names) * CELL + 4
    left = margin + max(0.0, (LEAST - side) / 2)
    title = "similarity of each pair of columns to the real table"
    drawing = _drawing(max(side, LEAST), side, title)
    place = {name: i for i, name in enumerate(names)}
    for name, i in place.items():
        x, y = (start + (i + 0.5) * CELL + 4 for start in (left, margin))
        drawing.text(left - 4, y, _short(name, margin - 8), anchor="end")
        attributes = {"x": x, "y": margin - 4, "transform": f"rotate(-90 {x:g} {margin - 4:g})"}
        drawing.add("text", "", _short(name, margin - 8), **attributes)  # type: ignore[arg-type]
    for pair in pairs:
        one, other = (place.get(name) for name in pair["columns"])
        if one is None or other is None:
            continue
        score = pair["score"]
        opacity = 1.0 if score is None else max(0.04, 1 - score["value"])
        for row, column in ((one, other), (other, one)):
            x, y = left + column * CELL, margin + row * CELL
            css_class = "none" if score is None else "cell"
            drawing.add("rect", css_class, x=x, y=y, width=CELL - 1, height=CELL - 1, fill_opacity=opacity)
    return str(drawing)


def _densities(medium: Any, data: Any) -> list[dict[str, str]]:
    """The picture of the densities of the pairs of numbers that depend most; [] without two such columns."""
    columns, ordered = data.representation.columns, data.representation.ordered
    numbers = [j for j, is_number in enumerate(ordered) if is_number][:MOST_COLUMNS]
    if len(numbers) < 2:
        return []
    real, synthetic = (
        rows[:, numbers].double().cpu().numpy() for rows in (data.train.first().medium, medium)
    )
    pairs = [list(pair) for pair in dependent_pairs(real)]
    names = [(columns[numbers[i]].name, columns[numbers[j]].name) for i, j in pairs]
    known = [[rows[:, pair][~np.isnan(rows[:, pair]).any(1)] for pair in pairs] for rows in (real, synthetic)]
    label = "densities: regions with 50 % and 90 % of the real rows (areas) and samples (lines)"
    return [{"label": label, "svg": draw_densities(names, known[0], known[1], STYLE)}]


def _drawing(width: float, height: float, title: str) -> Drawing:
    """A drawing that is shown as an image: with its namespace, size and style."""
    drawing = Drawing(width, height, title)
    drawing.stand_alone(STYLE)
    return drawing


def _score(column: Mapping[str, Any]) -> str:
    """The similarity of a column, and that of independent rows of the real distribution where they differ."""
    if column["shape"] is None:
        return ""
    reachable = 1 - (column.get("least_total_variation") or 0.0)
    return f" {column['shape']['value']:.2f}" + (f" of {reachable:.2f}" if reachable < REACHED else "")


def _short(name: str, width: float) -> str:
    """The name, cut to a width."""
    most = max(3, int(width / (FONT * CHAR_WIDTH)))
    return name if len(name) <= most else f"{name[: most - 1]}…"
