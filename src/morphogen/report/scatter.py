"""Scatter plot of likelihood (x), Fréchet distance (y, logarithmic) and sampling speed (size of the disc).

Both axes are better towards the lower left. Models without a likelihood are in a separate lane on the right.
Codecs, which generate no samples, are vertical lines; held-out real data are a horizontal line.
"""

__all__ = ["Box", "place_labels", "scatter"]

import math
from collections.abc import Sequence

from morphogen.report.rows import Figure, Row, figure, rate
from morphogen.report.svg import BOLD_WIDTH, CHAR_WIDTH, Drawing, Scale, linear, logarithmic

Box = tuple[float, float, float, float]  # left, top, right, bottom
Disc = tuple[float, float, float]  # x, y, radius
FONT_SIZE, LINE_HEIGHT = 12, 14  # of labels
MIN_RADIUS, MAX_RADIUS = 4.0, 13.0  # of the slowest and of the fastest model


def scatter(rows: Sequence[Row], unit: str, width: float = 760, height: float = 440) -> str:
    """The plot as SVG; "" if no model has a Fréchet distance."""
    models = [row for row in rows if row.is_model and figure(row, "frechet") is not None]
    if not models:
        return ""
    without_likelihood = [row for row in models if figure(row, "likelihood") is None]
    lane = 0.16 * width if without_likelihood else 0.0
    frame = (44.0, 12.0, width - 10 - lane, height - 44)
    x, y = _x_scale(rows, frame), _y_scale(rows, frame)
    drawing = Drawing(width, height, f"{unit}, Fréchet distance and samples per second", "scatter")
    _axes(drawing, frame, x, y, unit, width - 10 if lane else 0.0)
    taken = [
        (frame[0], frame[1], frame[0] + 70, frame[1] + 16),
        *_lines(drawing, rows, frame, x, y, width - 10),
    ]
    discs = [_disc(row, models, x, y, (frame[2] + width) / 2) for row in models]
    for row, disc in zip(models, discs, strict=True):
        taken += _draw_disc(drawing, row, disc, x, y)
    labels = [_label(row) for row in models]
    sizes = [_size(label) for label in labels]
    boxes = place_labels(discs, sizes, (frame[0], frame[1], width - 4, frame[3]), taken)
    for disc, label, box in zip(discs, labels, boxes, strict=True):
        _draw_label(drawing, disc, label, box)
    return str(drawing)


def place_labels(
    discs: Sequence[Disc], sizes: Sequence[tuple[float, float]], bounds: Box, taken: Sequence[Box] = ()
) -> list[Box]:
    """Place a label next to each disc, without covering a disc, another label or a taken box.

    Each label takes the nearest free candidate position, or the one with the least overlap if none is free.
    Discs with the fewest free positions choose first.
    """
    covered = [(disc[0] - disc[2], disc[1] - disc[2], disc[0] + disc[2], disc[1] + disc[2]) for disc in discs]
    candidates = [_candidates(disc, size, bounds) for disc, size in zip(discs, sizes, strict=True)]
    fixed = [*covered, *taken]
    free = [sum(not any(_overlap(box, other) for other in fixed) for box in boxes) for boxes in candidates]
    chosen: dict[int, Box] = {}
    for i in sorted(range(len(discs)), key=lambda i: free[i]):
        others = [*fixed, *chosen.values()]
        # ties go to the first, which is the nearest
        chosen[i] = min(candidates[i], key=lambda box: sum(_overlap(box, other) for other in others))
    return [chosen[i] for i in range(len(discs))]


def _candidates(disc: Disc, size: tuple[float, float], bounds: Box) -> list[Box]:
    """Positions of a label, nearest first: right, left, above, below, then diagonally, then farther out."""
    boxes = []
    for gap in (4, 12, 22, 34, 48, 64, 84, 110, 140):
        for direction in (0, 8, 12, 4, 1, 15, 7, 9, 2, 14, 6, 10, 3, 13, 5, 11):
            cos, sin = math.cos(direction * math.pi / 8), math.sin(direction * math.pi / 8)
            distance = disc[2] + gap
            centre = disc[0] + cos * (distance + size[0] / 2), disc[1] + sin * (distance + size[1] / 2)
            left = min(max(centre[0] - size[0] / 2, bounds[0] + 2), bounds[2] - size[0])
            top = min(max(centre[1] - size[1] / 2, bounds[1] + 2), bounds[3] - size[1] - 2)
            boxes.append((left, top, left + size[0], top + size[1]))
    return boxes


def _overlap(one: Box, other: Box) -> float:
    width = min(one[2], other[2]) - max(one[0], other[0])
    height = min(one[3], other[3]) - max(one[1], other[1])
    return width * height if width > 0 and height > 0 else 0.0


def _x_scale(rows: Sequence[Row], frame: Box) -> Scale | None:
    """Scale of the likelihoods; codecs far from all models are left out, so that they do not compress it."""
    models = _figures([row for row in rows if row.is_model], "likelihood")
    if not models:
        return None
    low, high = min(known.value for known in models), max(known.value for known in models)
    reach = max(2 * (high - low), 0.3 * abs(high), 0.1)
    codecs = _figures([row for row in rows if row.family == "codec"], "likelihood")
    ends = [known.value for known in codecs if low - reach <= known.value <= high + reach]
    ends += [end for known in models for end in (known.low, known.value, known.high) if math.isfinite(end)]
    margin = 0.08 * (max(ends) - min(ends) or 1.0)
    ticks = 6 if frame[2] > 500 else 4
    return linear(min(ends) - margin, max(ends) + margin, frame[0], frame[2], ticks)


def _y_scale(rows: Sequence[Row], frame: Box) -> Scale:
    """Scale of the Fréchet distances."""
    distances = _figures(rows, "frechet")
    values = [max(known.value, 1e-3) for known in distances]
    highs = [known.high for known in distances if math.isfinite(known.high)]
    return logarithmic(min(values) / 1.5, max([*values, *highs]) * 1.15, frame[3], frame[1])


def _figures(rows: Sequence[Row], key: str) -> list[Figure]:
    """The figures of those rows that have one."""
    return [known for row in rows if (known := figure(row, key)) is not None]


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


def _lines(
    drawing: Drawing, rows: Sequence[Row], frame: Box, x: Scale | None, y: Scale, right: float
) -> list[Box]:
    """Draw real data as a horizontal line and codecs as vertical ones; return the boxes of their names."""
    taken: list[Box] = []
    for row in rows:
        distance, bits = figure(row, "frechet"), figure(row, "likelihood")
        if not row.family and distance is not None:
            height = y.at(max(distance.value, 1e-3))
            drawing.line(frame[0], height, right, height, "real")
            drawing.text(frame[0] + 6, height + 14, f"{row.name} {distance.value:.2f}", "aside")
            taken.append(
                (
                    frame[0],
                    height - 1,
                    frame[0] + 6 + (len(row.name) + 6) * FONT_SIZE * CHAR_WIDTH,
                    height + 16,
                )
            )
        if (
            row.family == "codec"
            and bits is not None
            and x is not None
            and frame[0] < x.at(bits.value) < frame[2]
        ):
            line_x = x.at(bits.value)
            drawing.line(line_x, frame[1], line_x, frame[3], "codec")
            taken.append(_draw_codec_name(drawing, row.name, line_x, frame, taken))
    return taken


def _draw_codec_name(drawing: Drawing, name: str, x: float, frame: Box, taken: Sequence[Box]) -> Box:
    """Draw the name of a codec next to its line, as far down as there is room; return its box."""
    width, y = len(name) * FONT_SIZE * CHAR_WIDTH + 5, frame[3] - 6
    on_the_left = x + width > frame[2]
    left, right = (x - width, x) if on_the_left else (x, x + width)
    while (
        any(_overlap((left, y - 11, right, y + 3), other) for other in taken)
        and y > frame[1] + 2 * LINE_HEIGHT
    ):
        y -= LINE_HEIGHT
    drawing.text(x - 5 if on_the_left else x + 5, y, name, "aside", "end" if on_the_left else "start")
    return left, y - 11, right, y + 3


def _disc(row: Row, models: Sequence[Row], x: Scale | None, y: Scale, lane: float) -> Disc:
    bits, distance = figure(row, "likelihood"), figure(row, "frechet")
    assert distance is not None
    centre = lane if bits is None or x is None else x.at(bits.value)
    return centre, y.at(max(distance.value, 1e-3)), _radius(row, models)


def _radius(row: Row, models: Sequence[Row]) -> float:
    """Between MIN_RADIUS and MAX_RADIUS by the logarithm of the speed; MIN_RADIUS for untimed models."""
    speeds = [math.log(known.value) for known in _figures(models, "samples_per_second") if known.value > 0]
    own = figure(row, "samples_per_second")
    if own is None or own.value <= 0 or max(speeds) == min(speeds):
        return MIN_RADIUS
    relative = (math.log(own.value) - min(speeds)) / (max(speeds) - min(speeds))
    return MIN_RADIUS + (MAX_RADIUS - MIN_RADIUS) * relative


def _draw_disc(drawing: Drawing, row: Row, disc: Disc, x: Scale | None, y: Scale) -> list[Box]:
    """Draw a disc and its intervals; return the boxes of the intervals."""
    family = "family-" + (row.family if row.family.isalpha() else "chain")
    bits, distance = figure(row, "likelihood"), figure(row, "frechet")
    assert distance is not None
    ends = [(disc[0], y.at(distance.high), disc[0], y.at(max(distance.low, 1e-3)))]
    if bits is not None and x is not None and math.isfinite(bits.low + bits.high):
        ends.append((x.at(bits.low), disc[1], x.at(bits.high), disc[1]))
    for line in ends:
        drawing.line(*line, f"whisker {family}")
    with drawing.link(row.cell("frechet"), f"{row.name}: {', '.join(_label(row)[1:])}"):
        drawing.add("circle", f"disc {family}", cx=disc[0], cy=disc[1], r=disc[2])
    return [(left - 1, top - 1, right + 1, bottom + 1) for left, top, right, bottom in ends]


def _size(label: Sequence[str]) -> tuple[float, float]:
    """Width and height of a label, whose first line is bold."""
    name, *others = label
    widths = [len(name) * BOLD_WIDTH, *(len(line) * CHAR_WIDTH for line in others)]
    return max(widths) * FONT_SIZE, LINE_HEIGHT * len(label)


def _label(row: Row) -> list[str]:
    speed = figure(row, "samples_per_second")
    return [row.name] if speed is None else [row.name, f"{rate(speed.value)}/s"]


def _draw_label(drawing: Drawing, disc: Disc, label: Sequence[str], box: Box) -> None:
    """Draw a label, and a line to its disc if the two are apart."""
    near = min(max(disc[0], box[0]), box[2]), min(max(disc[1], box[1]), box[3])
    gap = math.dist(near, disc[:2])
    if gap > disc[2] + 10:
        edge = disc[2] / gap  # where the line leaves the disc, relative to its length
        start = disc[0] + edge * (near[0] - disc[0]), disc[1] + edge * (near[1] - disc[1])
        drawing.line(*start, *near, "thread")
    if box[2] <= disc[0]:
        anchor, x = "end", box[2]
    elif box[0] >= disc[0]:
        anchor, x = "start", box[0]
    else:
        anchor, x = "middle", (box[0] + box[2]) / 2
    for i, text in enumerate(label):
        drawing.text(x, box[1] + 11 + i * LINE_HEIGHT, text, "label" if i == 0 else "aside", anchor)
