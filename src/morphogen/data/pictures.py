"""A folder of pictures: one sub-folder a class, or flat.

What the pictures are is read from them: grey if all are grey, their own size if they agree on a small one, else a square of
`resolution` cut from the middle. Files that are no pictures are skipped and listed, up to a tenth of the folder.
"""

__all__ = ["load_folder"]

from pathlib import Path

import numpy as np
import torch
from PIL import Image, ImageOps

from morphogen.data.dataset import DataError, Dataset, Pictures
from morphogen.data.splits import split
from morphogen.representations.pixels import Pixels

LARGEST = 16_000_000  # pixels of one file: refused before it is decoded, so that a small file cannot fill the memory
SKIPPED = 0.1  # largest share of files that may be skipped
SIDE = 32  # resolution of folders whose pictures differ in size, or are large
COMMON = 64  # largest common side that is kept as it is


def load_folder(path: Path, resolution: int | None = None) -> Dataset:
    """The pictures under `path`, square, with the names of its sub-folders as classes."""
    if resolution is not None and not 4 <= resolution <= 1024:
        raise DataError(f"resolution {resolution}: give a side of 4 to 1024 pixels")
    files, classes = _files(path)
    side, note = _side({size for file, _ in files if (size := _size(file))}, resolution)
    read = [(file, label, _read(file, side)) for file, label in files]
    good = [(label, values) for _, label, values in read if not isinstance(values, str)]
    bad = [f"skipped {file.relative_to(path)}: {why}" for file, _, why in read if isinstance(why, str)]
    _check(path, len(good), bad)
    channels = max(len(values) for _, values in good)
    values = np.stack([np.broadcast_to(values, (channels, side, side)) for _, values in good])
    try:
        parts = split([value.tobytes() for value in values])
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    pixels, labels = torch.from_numpy(values), torch.tensor([label for label, _ in good]) if classes else None
    train, valid, test = (
        Pictures(pixels[part], 256, None if labels is None else labels[part]) for part in (parts.train, parts.valid, parts.test)
    )
    representation = Pixels(256, (channels, side, side))
    return Dataset(path.resolve().name, "pictures", train, valid, test, classes, representation, parts.line, (note, *bad))


def _files(path: Path) -> tuple[list[tuple[Path, int]], tuple[str, ...]]:
    """Every file with its class's number, and the classes; hidden files and empty sub-folders do not count."""

    def below(folder: Path) -> list[Path]:
        found = sorted(folder.rglob("*"))
        return [f for f in found if f.is_file() and not any(part.startswith(".") for part in f.relative_to(path).parts)]

    folders = [f for f in sorted(path.iterdir()) if f.is_dir() and below(f)]
    loose = [f for f in sorted(path.iterdir()) if f.is_file() and not f.name.startswith(".")]
    if not folders:
        return [(file, 0) for file in loose], ()
    if any(_size(file) for file in loose):
        raise DataError(f"{path}: pictures beside the folders {folders[0].name!r}, ...; put each picture in the folder of its class")
    return [(file, label) for label, folder in enumerate(folders) for file in below(folder)], tuple(f.name for f in folders)


def _size(file: Path) -> tuple[int, int] | None:
    """Width and height from the file's head, nothing decoded; None: no picture."""
    try:
        with Image.open(file) as image:
            return image.size
    except Exception:
        return None


def _side(sizes: set[tuple[int, int]], resolution: int | None) -> tuple[int, str]:
    """The side of the squares, and a note on what is done to the pictures."""
    width, height = next(iter(sizes)) if len(sizes) == 1 else (0, 1)
    common = width if width == height and 4 <= width <= COMMON else None
    side = resolution if resolution is not None else common or SIDE
    kept = width == height == side
    return side, f"{side} x {side} as they are" if kept else f"cut to a square from the middle and resized to {side} x {side}"


def _read(file: Path, side: int) -> np.ndarray | str:
    """The picture upright and square, uint8 [1 or 3, side, side]; or why there is none."""
    try:
        with Image.open(file) as image:
            if image.width * image.height > LARGEST:
                return f"{image.width} x {image.height} pixels, over 16 million; make it smaller"
            flat = _flat(ImageOps.exif_transpose(image))
    except Image.DecompressionBombError:
        return "over 16 million pixels; make it smaller"
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, ValueError, struct.error, ... on broken files
        return "no picture that Pillow can read" if isinstance(error, OSError) else f"broken ({type(error).__name__})"
    square = flat if flat.size == (side, side) else ImageOps.fit(flat, (side, side), Image.Resampling.LANCZOS)
    values = np.asarray(square)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))


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


def _check(path: Path, good: int, bad: list[str]) -> None:
    """Enough pictures, and few enough skipped."""
    if good + len(bad) == 0:
        raise DataError(f"{path}: the folder is empty; put pictures in it, flat or one sub-folder a class")
    if len(bad) > SKIPPED * (good + len(bad)):
        raise DataError(f"{path}: {len(bad)} of {good + len(bad)} files cannot be used ({bad[0]}); remove them or give another folder")
    if good < 3:
        raise DataError(f"{path}: {good} picture is too few to learn, choose and test on; give at least 3, better hundreds")
