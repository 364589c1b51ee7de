"""What lossless codecs need for the held-out data: the baseline that every likelihood must beat.

    bits/dim = 8 bytes(file) / dims

A code of L bits is a law of mass 2^-L (Kraft 1949; Shannon 1948), so its length and a model's -log2 p(x) are one measure, taken here
of the same rows. Pictures: PNG (Deflate behind a linear filter) and WebP lossless (predictors chosen by place, a colour cache,
entropy codes of regions), each picture alone and all in one sheet, where a picture profits from those before it; the smaller counts.
Text: gzip, bz2 and LZMA of all windows, one after the other in the order of the text. None has seen the train part.

What is coded are the indices 0 .. levels-1. Every file is decoded again and compared.
"""

__all__ = ["PICTURE_CODECS", "TEXT_CODECS", "Codec", "codecs", "png", "unpack", "webp"]

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from PIL import features as pillow

from morphogen.data.dataset import Dataset, Windows
from morphogen.evaluation.intervals import Interval, mean
from morphogen.evaluation.likelihood import spread
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Text

COLUMNS = (1, 10, 32)  # of the sheets that are tried; one row of all would be the first of them, turned
SIDE = 16_383  # pixels, the longest side of a WebP; a longer sheet goes on in another file

Bytes = NDArray[np.uint8]


class Codec(NamedTuple):
    """A lossless code: what a report calls it, and both ways of it."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def png(pixels: Bytes) -> bytes:
    """The smallest PNG that Pillow makes of [H, W, 1 or 3]: grey through PNG's filters, or as a palette, which Pillow does not filter."""
    filtered = _pack(_image(pixels), format="PNG", optimize=True)
    if pixels.shape[2] == 3:
        return filtered
    palette = _image(pixels)
    palette.putpalette(np.arange(int(pixels.max()) + 1, dtype=np.uint8).repeat(3).tobytes())  # few levels: 1, 2 or 4 bits a pixel
    return min(filtered, _pack(palette, format="PNG", optimize=True), key=len)


def webp(pixels: Bytes) -> bytes:
    """A lossless WebP of [H, W, 1 or 3]. Method 6 takes five to ten times as long and saves 0.01 % (sheets of mnist-5k, fashion-mnist)."""
    return _pack(_image(pixels), format="WEBP", lossless=True, quality=100, method=5)


def unpack(content: bytes) -> Bytes:
    """[H, W, C] of a PNG or a WebP. A grey picture comes back from WebP as three equal channels."""
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("L") if image.mode in ("1", "P") else image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


PICTURE_CODECS = (Codec("PNG", png, unpack), Codec("WebP lossless", webp, unpack))
TEXT_CODECS = (
    Codec("gzip", lambda text: gzip.compress(text, 9, mtime=0), gzip.decompress),
    Codec("bz2", lambda text: bz2.compress(text, 9), bz2.decompress),
    Codec("LZMA", lambda text: lzma.compress(text, lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME), lzma.decompress),
)


def codecs(data: Dataset, n: int | None = None) -> list[dict[str, Any]]:
    """A row of the table for each codec, on the rows of the test part that `bits_per_dim(model, data.test, n)` takes.

    The interval is of the mean over pictures where each is coded alone. A sheet, and a text, is one code of all rows, a sum and not a
    sample: low = high = value, which is exact for these rows. Tables, and pictures of 2 or 4 channels, have no codec: no rows.
    """
    rows = spread(len(data.test), n)
    if isinstance(data.representation, Text):
        if isinstance(data.test, Windows):
            rows = rows[data.test.starts[rows].argsort()]
        medium = data.test[rows].medium
        text = b"".join(data.representation.content(row) for row in medium.tolist())
        dims = int(data.representation.count(medium).sum())
        return [_row(codec, _exactly(8 * _size(codec, text) / dims, len(rows)), "all windows in one file") for codec in TEXT_CODECS]
    if data.medium != "pictures" or not isinstance(data.representation, Pixels) or data.representation.shape[0] not in (1, 3):
        return []
    pictures = data.representation.to_index(data.test[rows].medium).byte().permute(0, 2, 3, 1).contiguous().numpy()
    able = [codec for codec in PICTURE_CODECS if codec.encode is not webp or pillow.check("webp")]
    return [_row(codec, *_least(codec, pictures)) for codec in able]


def _least(codec: Codec, pictures: Bytes) -> tuple[Interval, str]:
    """The better of each picture alone and the best sheet."""
    alone = mean(torch.tensor([8 * _size(codec, picture) / picture.size for picture in pictures], dtype=torch.float64))
    size, columns = min((sum(_size(codec, sheet) for sheet in _sheets(pictures, columns)), columns) for columns in COLUMNS)
    together = _exactly(8 * size / pictures.size, len(pictures))
    if alone["value"] <= together["value"]:
        return alone, "each picture alone"
    return together, f"all pictures in one sheet of {columns} column{'s' if columns > 1 else ''}"


def _sheets(pictures: Bytes, columns: int) -> Iterator[Bytes]:
    """The pictures side by side, `columns` in a line, as few files as the longest side allows; what is left over is ground."""
    n, height, width, channels = pictures.shape
    columns = max(1, min(columns, n, SIDE // width))
    most = columns * max(1, SIDE // height)
    for of_file in np.split(pictures, range(most, n, most)):
        lines = -(-len(of_file) // columns)
        ground = np.broadcast_to(pictures[0, 0, 0], (lines * columns - len(of_file), height, width, channels))
        grid = np.concatenate([of_file, ground]).reshape(lines, columns, height, width, channels)
        yield np.ascontiguousarray(grid.swapaxes(1, 2).reshape(lines * height, columns * width, channels))


def _size(codec: Codec, content: Any) -> int:
    """Bytes of the code, which must decode to what was coded."""
    code = codec.encode(content)
    if not _same(codec.decode(code), content):
        raise RuntimeError(f"{codec.name} is not lossless here: what it decodes is not what it was given; install Pillow again")
    return len(code)


def _same(decoded: Any, content: Any) -> bool:
    if isinstance(content, bytes):
        return bool(decoded == content)
    return bool(decoded.shape[:2] == content.shape[:2] and (decoded == content).all())  # three equal channels are one


def _image(pixels: Bytes) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _pack(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def _exactly(value: float, n: int) -> Interval:
    return {"value": value, "low": value, "high": value, "n": n}


def _row(codec: Codec, found: Interval, how: str) -> dict[str, Any]:
    likelihood = {"kind": "exact", "measure": "mass", "bits_per_dim": found["value"], "low": found["low"], "high": found["high"]}
    return {"system": codec.name, "family": "codec", "likelihood": likelihood | {"n": found["n"]}, "how": how}
