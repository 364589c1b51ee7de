"""Folders of pictures: one sub-folder per class, or flat.

Channels and size are inferred from the files: grey if all pictures are grey, else RGB; their own size if all
have the same small square size, else a centre crop resized to `resolution`. Unreadable files are skipped and
listed, up to a tenth of the folder.
"""

__all__ = ["check_resolution", "choose_side", "load_folder", "read_as", "read_square", "size_of", "stack"]

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from morphogen.data.assemble import Labelled, assemble
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.folders import check_skipped, list_folder
from morphogen.media.pictures import PICTURES

LARGEST = 64_000_000  # pixels per file, checked before decoding: a small file must not fill the memory
SIDE = 32  # resolution if the pictures differ in size or are large
COMMON = 64  # largest common side that is not resized
ON_CPU = 128  # largest side that trains on a CPU in hours rather than days


def load_folder(path: Path, resolution: int | None = None) -> Dataset:
    """The pictures below `path` as squares; the names of its sub-folders are the classes."""
    if path.is_file():
        raise DataError(f"{path}: is a single picture; give a folder of pictures")
    check_resolution(resolution, device="any")
    listing = list_folder(path, is_picture)
    examples = listing.examples
    side, note = choose_side({size for e in examples if (size := size_of(e.path))}, resolution)
    read = [(example, read_square(example.path, side)) for example in examples]
    good = [(example, values) for example, values in read if not isinstance(values, str)]
    bad = [f"skipped {example.name}: {why}" for example, why in read if isinstance(why, str)]
    check_skipped(str(path), len(good), bad)
    labels = torch.tensor([example.label for example, _ in good]) if listing.classes else None
    captions = [example.caption for example, _ in good]
    data = Labelled(stack([values for _, values in good]), labels, captions if any(captions) else ())
    notes, parts = (note, *listing.notes, *bad), [example.part for example, _ in good]
    try:
        return assemble(path.resolve().name, data, listing.classes, parts=parts, notes=notes)
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def is_picture(path: Path) -> bool:
    """Whether a file is meant as a picture: by its suffix, or by its content under another suffix."""
    return path.suffix.lower() in PICTURES.suffixes or size_of(path) is not None


def check_resolution(resolution: int | None, device: str) -> None:
    """Raise DataError for an invalid resolution, or one too large for the device, before any file is read."""
    if resolution is not None and not 4 <= resolution <= 1024:
        raise DataError(f"resolution {resolution}: give a side of 4 to 1024 pixels")
    if resolution is not None and resolution > ON_CPU and device == "cpu":
        raise DataError(
            f"resolution {resolution}: training would take days on a CPU; "
            "give --resolution 64, or use a GPU with --device cuda"
        )


def choose_side(sizes: set[tuple[int, int]], resolution: int | None) -> tuple[int, str]:
    """The side of the square pictures, and a note on how they are resized."""
    check_resolution(resolution, device="any")
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 1)
    common = width if width == height and 4 <= width <= COMMON else None
    side = resolution if resolution is not None else common or SIDE
    if width == height == side:
        return side, f"{side} x {side} pixels, not resized"
    return side, f"cropped to the central square and resized to {side} x {side}"


def size_of(source: Path | bytes) -> tuple[int, int] | None:
    """Width and height from the header of a file (or its content), without decoding; None: not a picture."""
    try:
        with _open(source) as image:
            return image.size
    except Exception:
        return None


def read_square(source: Path | bytes, side: int) -> np.ndarray | str:
    """The picture, upright and cropped to a square, uint8 [1 or 3, side, side]; or why it cannot be read."""
    # A JPEG is decoded at as little as an eighth of its size, ten times as fast.
    image = _read_upright(source, (2 * side, 2 * side))
    if isinstance(image, str):
        return image
    if image.size != (side, side):
        image = ImageOps.fit(image, (side, side), Image.Resampling.LANCZOS)
    return _values(image)


def read_as(path: Path, shape: tuple[int, int, int]) -> UInt8[Tensor, "c h w"]:
    """The unchanged pixels of a picture; grey is repeated over the channels if `shape` has three.

    Errors: DataError if it is not a picture, has another size, or is coloured although `shape` has one
    channel.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path")
    channels, height, width = shape
    image = _read_upright(path)
    if isinstance(image, str):
        raise DataError(f"{path}: {image}; give a picture of {width} x {height} pixels")
    if image.size != (width, height):
        raise DataError(
            f"{path}: {image.width} x {image.height} pixels; "
            f"resize it to {width} x {height}, the size of the model's pictures"
        )
    values = _values(image)
    if len(values) > channels:
        raise DataError(f"{path}: a colour picture, but the model is for grey ones; convert it to grey")
    return stack([values], channels)[0]


def stack(pictures: Sequence[np.ndarray], channels: int = 1) -> UInt8[Tensor, "n c h w"]:
    """Stack pictures into one array, with at least `channels` channels; all are RGB if one is."""
    channels = max(channels, *(len(values) for values in pictures))
    return torch.from_numpy(
        np.stack([np.broadcast_to(values, (channels, *values.shape[1:])) for values in pictures])
    )


def _read_upright(source: Path | bytes, draft: tuple[int, int] | None = None) -> Image.Image | str:
    """The picture in its EXIF orientation, grey or RGB; or why it cannot be read.

    A format that can be decoded at a reduced size is decoded at the smallest size not below `draft`.
    """
    try:
        with _open(source) as image:
            if image.width * image.height > LARGEST:
                limit = f"{LARGEST // 1_000_000} million"
                return f"{image.width} x {image.height} pixels, more than {limit}; make it smaller"
            if draft is not None:
                image.draft(None, draft)
            return _flatten(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        return f"more than {LARGEST // 1_000_000} million pixels; make it smaller"
    except PermissionError:
        return "permission denied; change its permissions"
    except (
        Exception
    ) as error:  # Pillow raises OSError, SyntaxError, ValueError, struct.error, ... on broken files
        if isinstance(error, OSError):
            return "not a picture that Pillow can read"
        return f"broken ({type(error).__name__})"


def _values(image: Image.Image) -> np.ndarray:
    """The pixels as uint8 [1 or 3, height, width]."""
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


def _open(source: Path | bytes) -> Image.Image:
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _flatten(image: Image.Image) -> Image.Image:
    """The picture as "L" if it is grey, else "RGB", with transparent pixels composited on white."""
    if image.mode.startswith(("I", "F")):  # 16 bits and floats: convert("L") would clip them
        values = np.asarray(image, dtype=np.float64)
        top = 65535.0 if values.max() > 255 else 255.0
        return Image.fromarray((values.clip(0, top) * (255 / top)).round().astype(np.uint8))
    if image.mode in ("1", "L"):
        return image.convert("L")
    if image.has_transparency_data:
        image = image.convert("RGBA")
        image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
    rgb = np.asarray(image.convert("RGB"))
    grey = (rgb == rgb[:, :, :1]).all()
    return Image.fromarray(rgb[:, :, 0] if grey else rgb)
