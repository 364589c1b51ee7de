"""Strips of small pictures or texts, one per row of the table: its samples, nearest pairs, histograms.

Pictures are embedded as PNG, or as SVG, so that the page loads nothing. A picture may also come from a row of
report.json, where it is {"label": TEXT, "png": BASE64} or {"label": TEXT, "svg": MARKUP}.
"""

__all__ = ["Samples", "Strip", "Tile", "recorded_tile", "sample_strips", "tile"]

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from morphogen.media import is_text
from morphogen.report.rows import Row

Samples = Mapping[str, Sequence[Any]]  # name of a row -> pictures (PIL) or texts

MAX_SIDE = 128  # larger pictures are reduced to this many pixels
ALONE = 1280  # as are those that have a strip to themselves: the picture of a table is read
WIDE = 500  # pixels from which one picture is scrolled rather than shrunk on a phone
MAX_CHARS = 600  # longer texts are truncated
MAX_SAMPLES = 40  # per row
COLUMNS = 20  # small pictures side by side; large ones half as many
SMALL_SIDE = 40  # largest side of a small picture, in pixels


@dataclass(frozen=True)
class Tile:
    """A picture (its source as a data URI, its size in pixels) or a text, with a label or title."""

    label: str = ""
    text: str | None = None
    source: str = ""
    size: tuple[int, int] | None = None

    @property
    def is_smooth(self) -> bool:
        """Whether a browser may smooth the picture: small pictures are enlarged pixel by pixel."""
        return self.size is None or max(self.size) > SMALL_SIDE


@dataclass(frozen=True)
class Strip:
    """The tiles of a row, at most `columns` side by side; `labelled`: labels are printed below the tiles."""

    row: Row
    tiles: Sequence[Tile]
    columns: int
    labelled: bool = False

    @property
    def is_wide(self) -> bool:
        """Whether it is one wide picture, such as that of the rows of a table."""
        size = self.tiles[0].size
        return len(self.tiles) == 1 and size is not None and size[0] >= WIDE


def sample_strips(rows: Sequence[Row], samples: Samples, labels: Sequence[str] = ()) -> list[Strip]:
    """The samples of each row that has any.

    Arguments:
        rows: of the table.
        samples: name of a row -> its pictures or texts.
        labels: the class of each sample, which is the same in all rows; printed below the real data.
    """
    strips = []
    for row in rows:
        shown = list(samples.get(row.name, ()))[:MAX_SAMPLES]
        tiles = [tile(sample, ALONE if len(shown) == 1 else MAX_SIDE) for sample in shown]
        tiles = [replace(one, label=labels[i] if i < len(labels) else "") for i, one in enumerate(tiles)]
        if tiles:
            side = max((max(one.size) for one in tiles if one.size), default=0)
            limit = COLUMNS if side <= SMALL_SIDE else COLUMNS // 2
            strips.append(Strip(row, tiles, min(len(tiles), limit), labelled=not row.family))
    return strips


def tile(sample: Any, side: int = MAX_SIDE) -> Tile:
    """A text, or a picture as an embedded PNG of at most `side` pixels a side."""
    from PIL.Image import Resampling

    if is_text([sample]):
        text = str(sample)
        return Tile(text=text if len(text) <= MAX_CHARS else text[:MAX_CHARS] + " …")
    picture: Any = sample if sample.mode in ("1", "L", "LA", "P", "RGB", "RGBA") else sample.convert("RGB")
    if max(picture.size) > side:
        picture = picture.copy()
        picture.thumbnail((side, side), Resampling.LANCZOS)
    content = io.BytesIO()
    picture.save(content, "PNG", optimize=True)
    return Tile(source=_uri("png", content.getvalue()), size=picture.size)


def recorded_tile(picture: Mapping[str, str]) -> Tile:
    """The tile of a picture in report.json. Errors: KeyError if it is neither PNG nor SVG."""
    label = picture.get("label", "")
    if "svg" in picture:
        return Tile(label, source=_uri("svg+xml", picture["svg"].encode()))
    content = base64.b64decode(picture["png"], validate=True)
    # width and height are the first two numbers of a PNG's header
    size = int.from_bytes(content[16:20]), int.from_bytes(content[20:24])
    return Tile(label, source=_uri("png", content), size=size)


def _uri(kind: str, content: bytes) -> str:
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"
