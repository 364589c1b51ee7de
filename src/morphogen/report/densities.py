"""Density contours of pairs of columns: the real rows as areas, the samples as lines.

A density is a histogram of 48 x 48 cells, smoothed by a Gaussian whose width follows Scott's rule. The
regions are those of highest density that hold 90 % and 50 % of the rows (Hyndman 1996, "Computing and
graphing highest density regions"). The pairs drawn are those that depend most on each other in the real
table, by the mutual information of their ranks.
"""

__all__ = ["contour", "dependent_pairs", "draw_densities", "level_holding"]

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Float64, Int
from scipy.ndimage import gaussian_filter
from scipy.stats import rankdata

from morphogen.report.svg import CHAR_WIDTH, Drawing

CELLS, RANKS = 48, 8  # of a side of a histogram: of a density, and of the mutual information
HELD = 0.9, 0.5  # of the rows, in each region
MOST = 3  # pairs that are drawn
SIDE, GAP, FONT = 150.0, 34.0, 11.0
EDGES = 0.005, 0.995  # quantiles of the real cells between which a density is drawn
MARGIN = 0.15  # of that range, on both sides


def dependent_pairs(columns: Float64[np.ndarray, "n d"], most: int = MOST) -> list[tuple[int, int]]:
    """The pairs of columns whose ranks have the largest mutual information; missing is a rank."""
    codes = np.stack([_ranks(column) for column in columns.T], 1)
    pairs = list(combinations(range(columns.shape[1]), 2))
    known = [_information(codes[:, i], codes[:, j]) for i, j in pairs]
    return [pairs[k] for k in np.argsort(known)[::-1][:most]]


def draw_densities(
    names: Sequence[tuple[str, str]],
    real: Sequence[Float64[np.ndarray, "n 2"]],
    synthetic: Sequence[Float64[np.ndarray, "m 2"]],
    style: str,
) -> str:
    """The densities of pairs of columns as SVG.

    Arguments:
        names: of the columns of each pair, the horizontal one first.
        real, synthetic: their cells, without missing ones.
        style: stylesheet, with the classes area, line and frame.
    """
    drawing = Drawing(len(names) * (SIDE + 24) + 6, SIDE + GAP + 6, "densities of real rows and of samples")
    drawing.stand_alone(style)
    most = int(SIDE / (FONT * CHAR_WIDTH))
    for k, ((across, up), rows, samples) in enumerate(zip(names, real, synthetic, strict=True)):
        left, top = 20 + k * (SIDE + 24), 16.0
        drawing.text(left, top - 4, f"{across} →"[:most])
        drawing.add(
            "text", "", f"{up} →"[:most], x=left - 4, y=top + SIDE,
            transform=f"rotate(-90 {left - 4:g} {top + SIDE:g})",
        )  # fmt: skip
        drawing.add("rect", "frame", x=left, y=top, width=SIDE, height=SIDE)
        ranges, width = _ranges(rows), _smoothing(min(len(rows), max(len(samples), 1)))
        density = _density(rows, ranges, width)
        for held in HELD:
            _fill(drawing, density >= level_holding(density, held), left, top)
        if len(samples):
            density = _density(samples, ranges, width)
            for held in HELD:
                _trace(drawing, contour(density, level_holding(density, held)), left, top)
    return str(drawing)


def level_holding(density: Float64[np.ndarray, "h w"], held: float) -> float:
    """The level above which a density holds this share of its mass."""
    ordered = np.sort(density, axis=None)[::-1]
    return float(ordered[min(np.searchsorted(ordered.cumsum(), held * ordered.sum()), ordered.size - 1)])


def contour(density: Float64[np.ndarray, "h w"], level: float) -> Float64[np.ndarray, "k 2 2"]:
    """The segments (from, to; row, column) where a piecewise linear function equals a level.

    Each square of four neighbours is cut into two triangles; a triangle has one segment, or none.
    """
    height, width = density.shape
    i, j = (grid.ravel() for grid in np.mgrid[: height - 1, : width - 1])
    lower = [(i, j), (i + 1, j), (i, j + 1)]
    upper = [(i + 1, j + 1), (i, j + 1), (i + 1, j)]
    parts = [
        _segments(np.stack([np.stack(p, 1) for p in corners], 1), density, level)
        for corners in (lower, upper)
    ]
    return np.concatenate(parts)


def _segments(
    corners: Int[np.ndarray, "t 3 2"], density: Float64[np.ndarray, "h w"], level: float
) -> Float64[np.ndarray, "k 2 2"]:
    """The segments of triangles."""
    value = density[corners[..., 0], corners[..., 1]]
    above = value >= level
    crossed = above.any(1) & ~above.all(1)
    corners, value, above = corners[crossed], value[crossed], above[crossed]
    odd = np.where(above.sum(1) == 1, above.argmax(1), above.argmin(1))  # the corner alone on its side
    rows = np.arange(len(odd))
    ends = []
    for step in (1, 2):
        other = (odd + step) % 3
        share = (level - value[rows, odd]) / (value[rows, other] - value[rows, odd])
        ends.append(corners[rows, odd] + share[:, None] * (corners[rows, other] - corners[rows, odd]))
    return np.stack(ends, 1)


def _ranges(rows: Float64[np.ndarray, "n 2"]) -> list[tuple[float, float]]:
    """What is drawn of each axis."""
    low, high = np.quantile(rows, EDGES, axis=0)
    room = MARGIN * np.maximum(high - low, 1e-9 * np.maximum(np.abs(low), 1))
    return list(zip((low - room).tolist(), (high + room).tolist(), strict=True))


def _smoothing(n: int) -> float:
    """Width of the Gaussian in cells, the same for both tables (Scott 1992)."""
    return CELLS * n ** (-1 / 6) / 8  # a quarter of the range is about a standard deviation, and half of it


def _density(
    rows: Float64[np.ndarray, "n 2"], ranges: Sequence[tuple[float, float]], width: float
) -> Float64[np.ndarray, "h w"]:
    """The smoothed histogram, whose rows are those of the picture from below, and whose borders are 0."""
    counts, _, _ = np.histogram2d(rows[:, 1], rows[:, 0], CELLS, [ranges[1], ranges[0]])
    smooth = gaussian_filter(np.pad(counts, 1), width, mode="constant")
    smooth[[0, -1]] = smooth[:, [0, -1]] = 0
    return smooth / max(smooth.sum(), 1e-300)


def _fill(drawing: Drawing, inside: np.ndarray, left: float, top: float) -> None:
    """Fill the cells of a region, a rectangle for each run of them in a row."""
    cell = SIDE / inside.shape[0]
    for row, cells in enumerate(inside):
        edges = np.flatnonzero(np.diff(np.concatenate([[False], cells, [False]]).astype(int)))
        for start, end in edges.reshape(-1, 2).tolist():
            y = top + SIDE - (row + 1) * cell
            drawing.add(
                "rect", "area", x=left + start * cell, y=y, width=(end - start) * cell, height=cell,
                fill_opacity=0.55,
            )  # fmt: skip


def _trace(drawing: Drawing, segments: np.ndarray, left: float, top: float) -> None:
    cell = SIDE / (CELLS + 2)
    x, y = left + (segments[..., 1] + 0.5) * cell, top + SIDE - (segments[..., 0] + 0.5) * cell
    path = [
        f"M{a:.1f} {b:.1f}L{c:.1f} {d:.1f}"
        for a, b, c, d in zip(x[:, 0], y[:, 0], x[:, 1], y[:, 1], strict=True)
    ]
    drawing.add("path", "line", d="".join(path))


def _ranks(column: Float64[np.ndarray, " n"]) -> Int[np.ndarray, " n"]:
    """Codes from 0 of equally frequent ranges; one more for missing cells."""
    missing = np.isnan(column)
    place = rankdata(np.where(missing, np.inf, column), "average") / (len(column) + 1)
    return np.where(missing, RANKS, (place * RANKS).astype(np.int64))


def _information(one: Int[np.ndarray, " n"], other: Int[np.ndarray, " n"]) -> float:
    """Mutual information in nats of two columns of codes."""
    joint = np.zeros((RANKS + 1, RANKS + 1))
    np.add.at(joint, (one, other), 1 / len(one))
    independent = joint.sum(1, keepdims=True) * joint.sum(0)
    known = joint > 0
    return float((joint[known] * np.log(joint[known] / independent[known])).sum())
