"""Sets of points: lists of D coordinates per point, saved as CSV and shown as a scatter plot.

Sets are given in memory, as float [B, N, D] padded with NaN; there is no file format of their own.
"""

__all__ = ["POINTS", "PointsMedium"]

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image, ImageDraw

from morphogen.component import ConfigError
from morphogen.files import naming
from morphogen.media import Medium, ReadingOptions

SIDE = 64  # pixels of a preview
RADIUS = 2  # of a point in it


class PointsMedium(Medium):
    """Sets of points, each a list of coordinates; a preview shows the first two of them."""

    name = "points"
    element = "coordinate"
    unit = "coordinate"
    suffix = "csv"

    def save(self, path: Path, samples: Sequence[Any], records: Sequence[Mapping[str, Any]]) -> None:
        with naming(path), path.open("w", encoding="utf8", newline="") as file:
            csv.writer(file).writerows(samples[0])

    def preview(self, sample: Sequence[Sequence[float]]) -> Image.Image:
        """The points on a square that is centred on their mean and holds them all."""
        picture = Image.new("L", (SIDE, SIDE), 255)
        plane = [(point[0], point[1] if len(point) > 1 else 0.0) for point in sample]
        centre = [sum(axis) / len(plane) for axis in zip(*plane, strict=True)]
        reach = max((abs(c - m) for point in plane for c, m in zip(point, centre, strict=True)), default=0.0)
        scale = (SIDE / 2 - 2 * RADIUS) / max(reach, 1e-6)
        for x, y in plane:
            left, top = SIDE / 2 + scale * (x - centre[0]), SIDE / 2 - scale * (y - centre[1])
            box = (left - RADIUS, top - RADIUS, left + RADIUS, top + RADIUS)
            ImageDraw.Draw(picture).ellipse(box, fill=0)
        return picture

    def confidence(self, path: Path) -> float:
        return 0.0

    def read(self, path: Path, options: ReadingOptions) -> Any:
        raise ConfigError(
            f"{path}: sets of points are not read from files; give a tensor [B, N, D] padded with NaN"
        )


POINTS = PointsMedium()
