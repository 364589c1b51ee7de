"""Training curves: the loss of each stage and player against the seconds it was trained, in small multiples.

Losses of different families are different quantities: only the shape of a curve can be compared, never its height, hence one
panel each with its own scale. The early losses may be far above the rest; what lies above the panel is cut.
"""

__all__ = ["Panel", "draw", "panels"]

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from morphogen.report.rows import Row
from morphogen.report.svg import Drawing, linear

WIDTH, HEIGHT, MOST = 210.0, 128.0, 240  # of a panel; points of a curve
FLAT = 0.02  # the least a panel spans, as a share of the values


@dataclass(frozen=True)
class Panel:
    """One curve: whose, of which stage and player, its points (seconds, loss), and how many steps were skipped as not finite."""

    row: Row
    part: str
    points: tuple[tuple[float, float], ...]
    skipped: int = 0


def panels(rows: Sequence[Row], directory: Path) -> list[Panel]:
    """The curves of every row whose run is found, beside the report or where it was made; a missing or torn file has none."""
    found = []
    for row in rows:
        run = row.source.get("run")
        place = next((p for p in (directory / Path(run).name, Path(run)) if p.is_dir()), None) if run else None
        if place is not None:
            for metrics in [place / "metrics.jsonl", *sorted(place.glob("*/metrics.jsonl"), key=_begun)]:
                found += _of_file(row, metrics, "" if metrics.parent == place else metrics.parent.name)
    return found


def draw(panel: Panel) -> str:
    """The panel as SVG."""
    name = f"{panel.row.name} {panel.part}".strip()
    drawing = Drawing(WIDTH, HEIGHT, f"loss of {name} against seconds of training", "curve")
    seconds, losses = zip(*panel.points, strict=True)
    low, high = min(losses), sorted(losses)[math.ceil(0.97 * (len(losses) - 1))]
    if high - low < (least := FLAT * max(abs(low), abs(high), 1e-6)):  # what is flat should look so
        low, high = (low + high - least) / 2, (low + high + least) / 2
    x, y = linear(0.0, max(seconds) or 1.0, 44, WIDTH - 12, ticks=3), linear(low, high, HEIGHT - 24, 8, ticks=3)
    for tick in y.ticks:
        drawing.line(44, y.at(tick), WIDTH - 12, y.at(tick), "grid")
        drawing.text(39, y.at(tick) + 4, f"{tick:.4g}", "tick", "end")
    for tick in x.ticks:
        drawing.text(x.at(tick), HEIGHT - 8, f"{tick:g} s", "tick", "middle" if tick else "start")
    points = " ".join(f"{x.at(s):.1f},{max(y.at(loss), 3.0):.1f}" for s, loss in panel.points)
    kind = "family-" + (panel.row.family if panel.row.family.isalpha() else "chain")
    if len(panel.points) == 1:
        drawing.add("circle", f"disc {kind}", cx=x.at(seconds[0]), cy=y.at(losses[0]), r=3)
    drawing.add("polyline", f"loss {kind}", points=points)
    return str(drawing)


def _of_file(row: Row, metrics: Path, stage: str) -> list[Panel]:
    """One panel for each player of a training."""
    clock = {line["step"]: line["seconds"] for line in _lines(metrics.with_name("timings.jsonl"), "step", "seconds")}
    curves: dict[str, list[tuple[float, float]]] = {}
    skipped: dict[str, int] = {}
    for line in _lines(metrics, "step", "player"):
        player, loss = str(line["player"]), line.get("loss")
        if line.get("skipped"):
            skipped[player] = skipped.get(player, 0) + 1
        elif line["step"] in clock and isinstance(loss, int | float) and math.isfinite(loss):
            curves.setdefault(player, []).append((clock[line["step"]], loss))
    parts = {player: " ".join(word for word in (stage, player if len(curves) > 1 else "") if word) for player in curves}
    return [Panel(row, parts[player], _thinned(points), skipped.get(player, 0)) for player, points in curves.items()]


def _lines(path: Path, *needed: str) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf8")
    except OSError:
        return []
    found = []
    for line in text.splitlines():
        try:
            value = json.loads(line)
        except ValueError:  # the last line of a killed training
            continue
        if isinstance(value, dict) and value.keys() >= set(needed):
            found.append(value)
    return found


def _thinned(points: list[tuple[float, float]]) -> tuple[tuple[float, float], ...]:
    """At most about MOST points, each the mean of its neighbours."""
    size = -(-len(points) // MOST)
    groups = [points[i : i + size] for i in range(0, len(points), size)]
    return tuple((sum(s for s, _ in group) / len(group), sum(loss for _, loss in group) / len(group)) for group in groups)


def _begun(metrics: Path) -> float:
    """Stages in the order they were trained: each file is last written when its stage ends."""
    return metrics.stat().st_mtime
