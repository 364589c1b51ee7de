"""Bits per dimension of lossless codecs on the held-out data: a baseline for every model's likelihood.

    bits/dim = 8 * (file size in bytes) / dims

A code of L bits corresponds to a probability of 2^-L (Kraft 1949; Shannon 1948), so its length is comparable
to a model's -log2 p(x). Both are measured on the same rows.

Pictures are compressed as PNG (Deflate after a linear filter) and as lossless WebP (local predictors, a
colour cache and entropy codes per region), once individually and once tiled into one sheet, where each
picture benefits from those before it; the smaller result counts. Texts are compressed with gzip, bz2 and
LZMA, all windows concatenated in the order of the text. No codec is fitted to the train part.

The values compressed are the level indices 0 .. levels - 1. Every file is decoded again and compared with its
input.
"""

__all__ = [
    "PICTURE_CODECS",
    "TEXT_CODECS",
    "Codec",
    "codec_baselines",
    "decode_image",
    "encode_png",
    "encode_webp",
    "no_codecs",
    "picture_codecs",
    "text_codecs",
]

import bz2
import gzip
import io
import lzma
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from PIL import Image
from PIL import features as pillow
from torch import Tensor

from morphogen.counted import counted
from morphogen.data.dataset import Dataset
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, mean
from morphogen.evaluation.likelihood import evenly_spaced_indices

COLUMNS = (1, 10, 32)  # numbers of columns to try for a sheet
MAX_SIDE = 16_383  # largest side of a WebP in pixels; a longer sheet is split over several files

Bytes = NDArray[np.uint8]


class Codec(NamedTuple):
    """A lossless codec: its name in a report, its encoder and its decoder."""

    name: str
    encode: Callable[[Any], bytes]
    decode: Callable[[bytes], Any]


def encode_png(pixels: Bytes) -> bytes:
    """Encode [H, W, 1 or 3] as PNG; one channel as the smaller of greyscale and palette (without filter)."""
    filtered = _encode(_image(pixels), format="PNG", optimize=True)
    if pixels.shape[2] == 3:
        return filtered
    palette = _image(pixels)
    levels = np.arange(int(pixels.max()) + 1, dtype=np.uint8)
    palette.putpalette(levels.repeat(3).tobytes())  # few levels take 1, 2 or 4 bits per pixel
    return min(filtered, _encode(palette, format="PNG", optimize=True), key=len)


def encode_webp(pixels: Bytes) -> bytes:
    """Encode [H, W, 1 or 3] as lossless WebP.

    Method 6 takes five to ten times as long and saves 0.01 % (sheets of mnist-5k and fashion-mnist).
    """
    return _encode(_image(pixels), format="WEBP", lossless=True, quality=100, method=5)


def decode_image(content: bytes) -> Bytes:
    """Decode a PNG or WebP to [H, W, C]. WebP returns a greyscale picture as three equal channels."""
    with Image.open(io.BytesIO(content)) as image:
        pixels = np.asarray(image.convert("L") if image.mode in ("1", "P") else image)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


PICTURE_CODECS = (
    Codec("PNG", encode_png, decode_image),
    Codec("WebP lossless", encode_webp, decode_image),
)
TEXT_CODECS = (
    Codec("gzip", lambda text: gzip.compress(text, 9, mtime=0), gzip.decompress),
    Codec("bz2", lambda text: bz2.compress(text, 9), bz2.decompress),
    Codec(
        "LZMA",
        lambda text: lzma.compress(text, lzma.FORMAT_ALONE, preset=9 | lzma.PRESET_EXTREME),
        lzma.decompress,
    ),
)


@reads_arguments
def codec_baselines(data: Dataset, n: int | None = None) -> list[dict[str, Any]]:
    """One report row per codec, measured on the same test rows as `bits_per_dim(model, data.test, n)`.

    When each picture is compressed individually, the interval is that of the mean over pictures. A sheet or a
    text is a single code for all rows, a total rather than a sample mean: low = high = value, exact for these
    rows. Tables, and pictures with 2 or 4 channels, have no codec and return no rows.
    """
    rows = evenly_spaced_indices(len(data.test), n)
    return data.representation.medium.codecs(data, rows)


def no_codecs(data: Dataset, rows: Int[Tensor, " n"]) -> list[dict[str, Any]]:
    """No rows, for a medium without a codec."""
    return []


def picture_codecs(data: Dataset, rows: Int[Tensor, " n"]) -> list[dict[str, Any]]:
    """The rows of the picture codecs; none for 2 or 4 channels."""
    pixels: Any = data.representation
    if pixels.shape[0] not in (1, 3):
        return []
    index = pixels.to_index(data.test[rows].medium).byte()
    pictures = index.permute(0, 2, 3, 1).contiguous().numpy()
    available = [codec for codec in PICTURE_CODECS if codec.encode is not encode_webp or pillow.check("webp")]
    return [_row(codec, *_smallest(codec, pictures)) for codec in available]


def text_codecs(data: Dataset, rows: Int[Tensor, " n"]) -> list[dict[str, Any]]:
    """The rows of the text codecs, each on the concatenation of all windows, in the order of the text."""
    representation: Any = data.representation
    starts = getattr(data.test, "starts", None)
    if starts is not None:
        rows = rows[starts[rows].argsort()]
    medium = data.test[rows].medium
    text = b"".join(representation.decode_bytes(row) for row in medium.tolist())
    dims = int(representation.count(medium).sum())
    return [
        _row(codec, _exact(8 * _size(codec, text) / dims, len(rows)), "all windows in one file")
        for codec in TEXT_CODECS
    ]


def _smallest(codec: Codec, pictures: Bytes) -> tuple[Interval, str]:
    """The smaller of individual files and the best sheet, and a description of which it is."""
    bits = [8 * _size(codec, picture) / picture.size for picture in pictures]
    individual = mean(torch.tensor(bits, dtype=torch.float64))
    size, columns = min(
        (sum(_size(codec, sheet) for sheet in _sheets(pictures, columns)), columns) for columns in COLUMNS
    )
    tiled = _exact(8 * size / pictures.size, len(pictures))
    if individual["value"] <= tiled["value"]:
        return individual, "each picture alone"
    return tiled, f"all pictures in one sheet of {counted(columns, 'column')}"


def _sheets(pictures: Bytes, columns: int) -> Iterator[Bytes]:
    """Tile the pictures into as few sheets as MAX_SIDE allows; empty tiles take the background colour."""
    n, height, width, channels = pictures.shape
    columns = max(1, min(columns, n, MAX_SIDE // width))
    per_sheet = columns * max(1, MAX_SIDE // height)
    for tiles in np.split(pictures, range(per_sheet, n, per_sheet)):
        lines = -(-len(tiles) // columns)
        empty = lines * columns - len(tiles)
        background = np.broadcast_to(pictures[0, 0, 0], (empty, height, width, channels))
        grid = np.concatenate([tiles, background]).reshape(lines, columns, height, width, channels)
        yield np.ascontiguousarray(grid.swapaxes(1, 2).reshape(lines * height, columns * width, channels))


def _size(codec: Codec, content: Any) -> int:
    """Size of the code in bytes. Errors: RuntimeError if it does not decode to its input."""
    code = codec.encode(content)
    if not _equal(codec.decode(code), content):
        raise RuntimeError(
            f"{codec.name} is not lossless: the decoded content differs from the input; reinstall Pillow"
        )
    return len(code)


def _equal(decoded: Any, content: Any) -> bool:
    """Whether the decoded content equals the input; three equal channels equal one."""
    if isinstance(content, bytes):
        return bool(decoded == content)
    return bool(decoded.shape[:2] == content.shape[:2] and (decoded == content).all())


def _image(pixels: Bytes) -> Image.Image:
    return Image.fromarray(pixels[:, :, 0] if pixels.shape[2] == 1 else pixels)


def _encode(image: Image.Image, **options: Any) -> bytes:
    file = io.BytesIO()
    image.save(file, **options)
    return file.getvalue()


def _exact(value: float, n: int) -> Interval:
    """An interval of width zero."""
    return {"value": value, "low": value, "high": value, "n": n}


def _row(codec: Codec, bits_per_dim: Interval, how: str) -> dict[str, Any]:
    likelihood = {
        "kind": "exact",
        "measure": "mass",
        "bits_per_dim": bits_per_dim["value"],
        "low": bits_per_dim["low"],
        "high": bits_per_dim["high"],
        "n": bits_per_dim["n"],
    }
    return {"system": codec.name, "family": "codec", "likelihood": likelihood, "how": how}
