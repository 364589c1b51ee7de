"""A folder of pictures: one sub-folder a class, or flat.

What the pictures are is read from them: grey if all are grey, their own size if they agree on a small one, else a square of
`resolution` cut from the middle. Files that are no pictures are skipped and listed, up to a tenth of the folder.
"""

__all__ = ["check_resolution", "choose_side", "load_folder", "read", "read_as", "size_of", "stack"]

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from morphogen.data.assemble import Labelled, by_content
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.folders import check_skipped, files_by_class

LARGEST = 64_000_000  # pixels of one file: refused before it is decoded, so that a small file cannot fill the memory
SIDE = 32  # resolution of folders whose pictures differ in size, or are large
COMMON = 64  # largest common side that is kept as it is
ON_CPU = 128  # largest side that a CPU trains on in hours rather than days


def load_folder(path: Path, resolution: int | None = None) -> Dataset:
    """The pictures under `path`, square, with the names of its sub-folders as classes."""
    files, classes = files_by_class(path, size_of)
    side, note = choose_side({size for file, _ in files if (size := size_of(file))}, resolution)
    made = [(file, label, read(file, side)) for file, label in files]
    good = [(label, values) for _, label, values in made if not isinstance(values, str)]
    bad = [f"skipped {file.relative_to(path)}: {why}" for file, _, why in made if isinstance(why, str)]
    check_skipped(str(path), len(good), bad)
    labels = torch.tensor([label for label, _ in good]) if classes else None
    data = Labelled(stack([values for _, values in good]), labels)
    try:
        return by_content(path.resolve().name, data, classes, notes=(note, *bad))
    except DataError as error:
        raise DataError(f"{path}: {error}") from None


def check_resolution(resolution: int | None, device: str) -> None:
    """Refuse a side that makes no sense, or that this device cannot train on: before anything is read."""
    if resolution is not None and not 4 <= resolution <= 1024:
        raise DataError(f"resolution {resolution}: give a side of 4 to 1024 pixels")
    if resolution is not None and resolution > ON_CPU and device == "cpu":
        raise DataError(f"resolution {resolution}: training would take days on a CPU; give --resolution 64, or a GPU with --device cuda")


def choose_side(sizes: set[tuple[int, int]], resolution: int | None) -> tuple[int, str]:
    """The side of the squares, and a note on what is done to the pictures."""
    check_resolution(resolution, device="any")
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 1)
    common = width if width == height and 4 <= width <= COMMON else None
    side = resolution if resolution is not None else common or SIDE
    kept = width == height == side
    return side, f"{side} x {side} as they are" if kept else f"cut to a square from the middle and resized to {side} x {side}"


def size_of(source: Path | bytes) -> tuple[int, int] | None:
    """Width and height from the head of a file (or of its content), nothing decoded; None: no picture."""
    try:
        with _open(source) as image:
            return image.size
    except Exception:
        return None


def read(source: Path | bytes, side: int) -> np.ndarray | str:
    """The picture upright and square, uint8 [1 or 3, side, side]; or why there is none."""
    flat = _upright(source, (2 * side, 2 * side))  # a JPEG of a camera is decoded at an eighth of its size, ten times as fast
    if isinstance(flat, str):
        return flat
    return _values(flat if flat.size == (side, side) else ImageOps.fit(flat, (side, side), Image.Resampling.LANCZOS))


def read_as(path: Path, shape: tuple[int, int, int]) -> UInt8[Tensor, "c h w"]:
    """The picture in a file, its pixels as they are; grey becomes colour where `shape` has three channels.

    Errors: DataError where it is none, or of another size, or coloured where one channel is asked for.
    """
    if not path.exists():
        raise DataError(f"{path} is not there; check the path")
    channels, height, width = shape
    flat = _upright(path)
    if isinstance(flat, str):
        raise DataError(f"{path}: {flat}; give a picture of {width} x {height} pixels")
    if flat.size != (width, height):
        raise DataError(f"{path}: {flat.width} x {flat.height} pixels; make it {width} x {height}, as the model draws")
    values = _values(flat)
    if len(values) > channels:
        raise DataError(f"{path}: coloured, and the model draws in grey; make it grey")
    return stack([values], channels)[0]


def stack(pictures: Sequence[np.ndarray], channels: int = 1) -> UInt8[Tensor, "n c h w"]:
    """Side by side: colour if one of them is, or if `channels` says so."""
    channels = max(channels, *(len(values) for values in pictures))
    return torch.from_numpy(np.stack([np.broadcast_to(values, (channels, *values.shape[1:])) for values in pictures]))


def _upright(source: Path | bytes, draft: tuple[int, int] | None = None) -> Image.Image | str:
    """The picture as it is looked at, grey or RGB, decoded no larger than `draft` asks where a format can; or why there is none."""
    try:
        with _open(source) as image:
            if image.width * image.height > LARGEST:
                return f"{image.width} x {image.height} pixels, over {LARGEST // 1_000_000} million; make it smaller"
            if draft is not None:
                image.draft(None, draft)
            return _flat(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        return f"over {LARGEST // 1_000_000} million pixels; make it smaller"
    except PermissionError:
        return "it may not be read; change its permissions"
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ... on broken files
        return "no picture that Pillow can read" if isinstance(error, OSError) else f"broken ({type(error).__name__})"


def _values(image: Image.Image) -> np.ndarray:
    """uint8 [1 or 3, height, width]."""
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


def _open(source: Path | bytes) -> Image.Image:
    return Image.open(io.BytesIO(source) if isinstance(source, bytes) else source)


def _flat(image: Image.Image) -> Image.Image:
    """Grey ("L") or "RGB", transparent parts on white."""
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
