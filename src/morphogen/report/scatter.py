"""Likelihood against sample quality against speed: bits per dim to the right, Fréchet distance upwards (log), area grows with speed.

Both axes are better towards the corner at the lower left. What has no likelihood stands in a lane of its own; what draws no
samples (codecs) is a line at its bits; held-out real data are a line at their distance.
"""

__all__ = ["Box", "place", "scatter"]

import math
from collections.abc import Sequence

from morphogen.report.rows import Figure, Row, figure, rate
from morphogen.report.svg import LETTER, Drawing, Scale, linear, logarithmic

Box = tuple[float, float, float, float]  # left, top, right, bottom
Disc = tuple[float, float, float]  # x, y, radius
SIZE, LINE = 12, 14  # of labels
LEAST, MOST = 4.0, 13.0  # radii of the slowest and the fastest


def scatter(rows: Sequence[Row], unit: str, width: float = 760, height: float = 440) -> str:
    """The plot as SVG; "" if no model has a distance."""
    models = [row for row in rows if row.model and figure(row, "frechet") is not None]
    if not models:
        return ""
    silent = [row for row in models if figure(row, "likelihood") is None]
    lane = 0.0 if not silent else 0.16 * width
    frame = (44.0, 12.0, width - 10 - lane, height - 44)
    x, y = _across(rows, frame), _upward(rows, frame)
    drawing = Drawing(width, height, f"{unit} against Fréchet distance against samples a second", "scatter")
    _axes(drawing, frame, x, y, unit, width - 10 if lane else 0.0)
    taken = [(frame[0], frame[1], frame[0] + 70, frame[1] + 16), *_lines(drawing, rows, frame, x, y, width - 10)]
    discs = [_disc(row, models, x, y, (frame[2] + width) / 2) for row in models]
    for row, disc in zip(models, discs, strict=True):
        taken += _mark(drawing, row, disc, x, y)
    labels = [_label(row) for row in models]
    sizes = [(max(map(len, label)) * SIZE * LETTER, LINE * len(label)) for label in labels]
    boxes = place(discs, sizes, (frame[0], frame[1], width - 4, frame[3]), taken)
    for row, disc, label, box in zip(models, discs, labels, boxes, strict=True):
        _write(drawing, row, disc, label, box)
    return str(drawing)


def place(discs: Sequence[Disc], sizes: Sequence[tuple[float, float]], bounds: Box, taken: Sequence[Box] = ()) -> list[Box]:
    """A box beside each disc that covers no disc, no other box and nothing taken: the nearest of a ring of places.

    The discs with the fewest free places choose first. Where everything is taken, the place with the least overlap is.
    """
    covered = [(disc[0] - disc[2], disc[1] - disc[2], disc[0] + disc[2], disc[1] + disc[2]) for disc in discs]
    options = [_around(disc, size, bounds) for disc, size in zip(discs, sizes, strict=True)]
    fixed = [*covered, *taken]
    free = [sum(not any(_overlap(box, other) for other in fixed) for box in boxes) for boxes in options]
    chosen: dict[int, Box] = {}
    for i in sorted(range(len(discs)), key=lambda i: free[i]):
        others = [*fixed, *chosen.values()]
        chosen[i] = min(options[i], key=lambda box: sum(_overlap(box, other) for other in others))  # the first, nearest, of equals
    return [chosen[i] for i in range(len(discs))]


def _around(disc: Disc, size: tuple[float, float], bounds: Box) -> list[Box]:
    """Places for a label, nearest first: right, left, above, below, then the diagonals, then farther out."""
    boxes = []
    for away in (4, 12, 22, 34, 48, 64, 84, 110, 140):
        for turn in (0, 8, 12, 4, 1, 15, 7, 9, 2, 14, 6, 10, 3, 13, 5, 11):
            cos, sin = math.cos(turn * math.pi / 8), math.sin(turn * math.pi / 8)
            reach = disc[2] + away
            centre = disc[0] + cos * (reach + size[0] / 2), disc[1] + sin * (reach + size[1] / 2)
            left = min(max(centre[0] - size[0] / 2, bounds[0] + 2), bounds[2] - size[0])
            top = min(max(centre[1] - size[1] / 2, bounds[1] + 2), bounds[3] - size[1] - 2)
            boxes.append((left, top, left + size[0], top + size[1]))
    return boxes


def _overlap(one: Box, other: Box) -> float:
    wide, high = min(one[2], other[2]) - max(one[0], other[0]), min(one[3], other[3]) - max(one[1], other[1])
    return wide * high if wide > 0 and high > 0 else 0.0


def _across(rows: Sequence[Row], frame: Box) -> Scale | None:
    """The scale of likelihoods: the models', and of the codecs those that do not squash them."""
    known = [found for row in rows if row.model and (found := figure(row, "likelihood")) is not None]
    if not known:
        return None
    low, high = min(found.value for found in known), max(found.value for found in known)
    reach = max(2 * (high - low), 0.3 * abs(high), 0.1)
    codecs = [found.value for row in rows if row.family == "codec" and (found := figure(row, "likelihood")) is not None]
    ends = [*(value for value in codecs if low - reach <= value <= high + reach), *(_ends(known))]
    margin = 0.08 * (max(ends) - min(ends) or 1.0)
    return linear(min(ends) - margin, max(ends) + margin, frame[0], frame[2], ticks=6 if frame[2] > 500 else 4)


def _ends(known: Sequence[Figure]) -> list[float]:
    return [end for found in known for end in (found.low, found.value, found.high) if math.isfinite(end)]


def _upward(rows: Sequence[Row], frame: Box) -> Scale:
    known = [max(found.value, 1e-3) for row in rows if (found := figure(row, "frechet")) is not None]
    highs = [found.high for row in rows if (found := figure(row, "frechet")) is not None and math.isfinite(found.high)]
    return logarithmic(min(known) / 1.5, max([*known, *highs]) * 1.15, frame[3], frame[1])


def _axes(drawing: Drawing, frame: Box, x: Scale | None, y: Scale, unit: str, lane: float) -> None:
    left, top, right, bottom = frame
    for tick in y.ticks:
        drawing.line(left, y.at(tick), lane or right, y.at(tick), "grid")
        drawing.text(left - 7, y.at(tick) + 4, f"{tick:g}", "tick", "end")
    drawing.line(left, bottom, right, bottom, "axis")
    drawing.text(left + 4, top + 11, "↓ Fréchet", "name")
    if lane:
        drawing.add("rect", "lane", x=right + 6, y=top, width=lane - right - 6, height=bottom - top)
        drawing.text((right + 6 + lane) / 2, bottom + 17, "none", "tick", "middle")
    if x is not None:
        for tick in x.ticks:
            drawing.line(x.at(tick), top, x.at(tick), bottom, "grid")
            drawing.text(x.at(tick), bottom + 17, f"{tick:g}", "tick", "middle")
        drawing.text((left + right) / 2, bottom + 36, f"← {unit}", "name", "middle")


def _lines(drawing: Drawing, rows: Sequence[Row], frame: Box, x: Scale | None, y: Scale, right: float) -> list[Box]:
    """Real data across, codecs upright; the boxes that their names take."""
    taken: list[Box] = []
    for row in rows:
        distance, bits = figure(row, "frechet"), figure(row, "likelihood")
        if not row.family and distance is not None:
            height = y.at(max(distance.value, 1e-3))
            drawing.line(frame[0], height, right, height, "real")
            drawing.text(frame[0] + 6, height + 14, f"{row.name} {distance.value:.2f}", "aside")
            taken.append((frame[0], height - 1, frame[0] + 6 + (len(row.name) + 6) * SIZE * LETTER, height + 16))
        if row.family == "codec" and bits is not None and x is not None and frame[0] < x.at(bits.value) < frame[2]:
            at = x.at(bits.value)
            drawing.line(at, frame[1], at, frame[3], "codec")
            taken.append(_codec_name(drawing, row.name, at, frame, taken))
    return taken


def _codec_name(drawing: Drawing, name: str, at: float, frame: Box, taken: Sequence[Box]) -> Box:
    """A codec's name beside the foot of its line, above names that stand there already; the box it takes."""
    wide, foot = len(name) * SIZE * LETTER + 5, frame[3] - 6
    inward = at + wide > frame[2]
    left, right = (at - wide, at) if inward else (at, at + wide)
    while any(_overlap((left, foot - 11, right, foot + 3), other) for other in taken) and foot > frame[1] + 2 * LINE:
        foot -= LINE
    drawing.text(at - 5 if inward else at + 5, foot, name, "aside", "end" if inward else "start")
    return left, foot - 11, right, foot + 3


def _disc(row: Row, models: Sequence[Row], x: Scale | None, y: Scale, lane: float) -> Disc:
    bits, distance = figure(row, "likelihood"), figure(row, "frechet")
    assert distance is not None
    across = lane if bits is None or x is None else x.at(bits.value)
    return across, y.at(max(distance.value, 1e-3)), _radius(row, models)


def _radius(row: Row, models: Sequence[Row]) -> float:
    """Between LEAST and MOST by the logarithm of the speed; LEAST where it was not timed."""
    speeds = [math.log(found.value) for other in models if (found := figure(other, "samples_per_second")) and found.value > 0]
    own = figure(row, "samples_per_second")
    if own is None or own.value <= 0 or max(speeds) == min(speeds):
        return LEAST
    return LEAST + (MOST - LEAST) * (math.log(own.value) - min(speeds)) / (max(speeds) - min(speeds))


def _mark(drawing: Drawing, row: Row, disc: Disc, x: Scale | None, y: Scale) -> list[Box]:
    """The disc and its intervals; the boxes that these take."""
    kind = "family-" + (row.family if row.family.isalpha() else "chain")
    bits, distance = figure(row, "likelihood"), figure(row, "frechet")
    assert distance is not None
    ends = [(disc[0], y.at(distance.high), disc[0], y.at(max(distance.low, 1e-3)))]
    if bits is not None and x is not None and math.isfinite(bits.low + bits.high):
        ends.append((x.at(bits.low), disc[1], x.at(bits.high), disc[1]))
    for line in ends:
        drawing.line(*line, f"whisker {kind}")
    with drawing.link(row.cell("frechet"), f"{row.name}: {', '.join(_label(row)[1:])}"):
        drawing.add("circle", f"disc {kind}", cx=disc[0], cy=disc[1], r=disc[2])
    return [(left - 1, top - 1, right + 1, bottom + 1) for left, top, right, bottom in ends]


def _label(row: Row) -> list[str]:
    speed = figure(row, "samples_per_second")
    return [row.name] if speed is None else [row.name, f"{rate(speed.value)}/s"]


def _write(drawing: Drawing, row: Row, disc: Disc, label: Sequence[str], box: Box) -> None:
    """The label, and a thread to its disc where it had to move away."""
    near = min(max(disc[0], box[0]), box[2]), min(max(disc[1], box[1]), box[3])
    gap = math.dist(near, disc[:2])
    if gap > disc[2] + 10:
        share = disc[2] / gap
        drawing.line(disc[0] + share * (near[0] - disc[0]), disc[1] + share * (near[1] - disc[1]), *near, "thread")
    anchor, at = ("end", box[2]) if box[2] <= disc[0] else ("start", box[0]) if box[0] >= disc[0] else ("middle", (box[0] + box[2]) / 2)
    for i, words in enumerate(label):
        drawing.text(at, box[1] + 11 + i * LINE, words, "label" if i == 0 else "aside", anchor)
