"""Training curves: the loss of each stage and player against training time, in small multiples.

Losses of different families are different quantities, so curves are comparable in shape only and each has a
panel with its own scale. Early losses may be far above the rest; they are clipped at the top of the panel.
Fewer than MIN_POINTS points are not a curve.
"""

__all__ = ["MIN_POINTS", "Panel", "draw", "panels"]

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from morphogen.files import read_json_lines
from morphogen.report.rows import Row
from morphogen.report.svg import CHAR_WIDTH, Drawing, linear

WIDTH, HEIGHT = 210.0, 128.0  # size of a panel
TICK_SIZE = 11  # of the numbers at the axes
MIN_POINTS = 8  # a line through fewer shows no shape, and is not drawn
MAX_POINTS = 240  # per curve, approximately
MIN_SPAN = 0.02  # smallest range of a panel, relative to the values


@dataclass(frozen=True)
class Panel:
    """One curve: its row, stage and player, points (seconds, loss) and number of non-finite steps."""

    row: Row
    part: str
    points: tuple[tuple[float, float], ...]
    skipped: int = 0

    @property
    def is_curve(self) -> bool:
        """Whether there are enough points to draw."""
        return len(self.points) >= MIN_POINTS


def panels(rows: Sequence[Row], directory: Path) -> list[Panel]:
    """The curves of every row whose run exists, next to the report or at its original path.

    Missing files have no curves, and truncated lines are ignored.
    """
    curves = []
    for row in rows:
        run = row.source.get("run")
        if not run:
            continue
        folder = next((path for path in (directory / Path(run).name, Path(run)) if path.is_dir()), None)
        if folder is not None:
            stages = sorted(folder.glob("*/metrics.jsonl"), key=_modified)
            for metrics in [folder / "metrics.jsonl", *stages]:
                curves += _read(row, metrics, "" if metrics.parent == folder else metrics.parent.name)
    return curves


def draw(panel: Panel) -> str:
    """The panel as SVG."""
    name = f"{panel.row.name} {panel.part}".strip()
    drawing = Drawing(WIDTH, HEIGHT, f"training loss of {name} against seconds", "curve")
    seconds, losses = zip(*panel.points, strict=True)
    low, high = min(losses), sorted(losses)[math.ceil(0.97 * (len(losses) - 1))]
    min_span = MIN_SPAN * max(abs(low), abs(high), 1e-6)  # a constant loss is drawn flat
    if high - low < min_span:
        low, high = (low + high - min_span) / 2, (low + high + min_span) / 2
    y = linear(low, high, HEIGHT - 24, 8, ticks=3)
    left = 12 + TICK_SIZE * CHAR_WIDTH * max(len(f"{tick:.4g}") for tick in y.ticks)
    x = linear(0.0, max(seconds) or 1.0, left, WIDTH - 12, ticks=3)
    for tick in y.ticks:
        drawing.line(left, y.at(tick), WIDTH - 12, y.at(tick), "grid")
        drawing.text(left - 5, y.at(tick) + 4, f"{tick:.4g}", "tick", "end")
    for tick in x.ticks:
        drawing.text(x.at(tick), HEIGHT - 8, f"{tick:g} s", "tick", "middle" if tick else "start")
    points = " ".join(f"{x.at(s):.1f},{max(y.at(loss), 3.0):.1f}" for s, loss in panel.points)
    family = "family-" + (panel.row.family if panel.row.family.isalpha() else "chain")
    drawing.add("polyline", f"loss {family}", points=points)
    return str(drawing)


def _read(row: Row, metrics: Path, stage: str) -> list[Panel]:
    """One panel per player of a training run."""
    seconds = {
        line["step"]: line["seconds"]
        for line in read_json_lines(metrics.with_name("timings.jsonl"), "step", "seconds")
    }
    curves: dict[str, list[tuple[float, float]]] = {}
    skipped: dict[str, int] = {}
    for line in read_json_lines(metrics, "step", "player"):
        player, loss = str(line["player"]), line.get("loss")
        if line.get("skipped"):
            skipped[player] = skipped.get(player, 0) + 1
        elif line["step"] in seconds and isinstance(loss, int | float) and math.isfinite(loss):
            curves.setdefault(player, []).append((seconds[line["step"]], loss))
    several = len(curves) > 1
    return [
        Panel(row, f"{stage} {player if several else ''}".strip(), _averaged(points), skipped.get(player, 0))
        for player, points in curves.items()
    ]


def _averaged(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """At most about MAX_POINTS points, each the mean of consecutive ones."""
    size = -(-len(points) // MAX_POINTS)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return tuple(
        (sum(s for s, _ in group) / len(group), sum(loss for _, loss in group) / len(group))
        for group in groups
    )


def _modified(metrics: Path) -> float:
    """Modification time, which sorts stages in training order: a file is last written when its stage ends."""
    return metrics.stat().st_mtime
