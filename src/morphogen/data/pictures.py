"""Folders of pictures: one sub-folder per class, or flat.

Channels and size are inferred from the files: grey if all pictures are grey, else RGB; their own size if nine
in ten have the same small square size, else a centre crop resized to `resolution`. Unreadable files are
skipped and listed, up to a tenth of the folder (or two of a small one).
"""

__all__ = [
    "Fitted",
    "check_resolution",
    "choose_side",
    "fit",
    "is_picture",
    "load_folder",
    "open_picture",
    "read_as",
    "read_square",
    "resizing_note",
    "stack",
]

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, NoReturn

import numpy as np
import torch
from jaxtyping import UInt8
from PIL import Image, ImageOps
from torch import Tensor

from morphogen.caller import option
from morphogen.data.assemble import Labelled, assemble
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.folders import SKIPPED, check_skipped, count_alike, list_folder
from morphogen.data.picture_file import EACH, White, open_upright, size_of, survey
from morphogen.data.walk import printable, walk
from morphogen.media.pictures import PICTURES
from morphogen.wrong_calls import explains_calls

SIDE = 32  # resolution if the pictures differ in size or are large
COMMON = 64  # largest common side that is not resized
VECTORS = (".svg", ".svgz", ".eps", ".wmf", ".emf")
ON_CPU = 128  # largest side that trains on a CPU in hours rather than days


def load_folder(path: Path, resolution: int | None = None) -> Dataset:
    """The pictures below `path` as squares; the names of its sub-folders are the classes."""
    if path.is_file():
        _refuse_file(path)
    check_resolution(resolution, device="any")
    listing = list_folder(path, is_picture)
    examples = listing.examples
    found = survey(example.path for example in examples)
    side = choose_side(found.sizes, resolution)
    read = [(example, read_square(example.path, side, found.white)) for example in examples]
    good = [(example, values) for example, values in read if not isinstance(values, str)]
    bad = [f"skipped {example.name}: {why}" for example, why in read if isinstance(why, str)]
    check_skipped(printable(str(path)), len(good), bad)
    found = found.of(place for place, (_, values) in enumerate(read) if not isinstance(values, str))
    note = resizing_note(found.sizes, side, resolution)
    labels = torch.tensor([example.label for example, _ in good]) if listing.classes else None
    captions = [
        tuple(example.captions) if len(example.captions) > 1 else example.caption for example, _ in good
    ]
    data = Labelled(stack([values for _, values in good]), labels, captions if any(captions) else ())
    notes = (note, *found.notes, *listing.notes, *_vectors(path), *count_alike(bad))
    parts = [example.part for example, _ in good]
    try:
        return assemble(path.resolve().name, data, listing.classes, parts=parts, notes=notes)
    except DataError as error:
        raise DataError(f"{printable(str(path))}: {error}") from None


def is_picture(path: Path) -> bool:
    """Whether a file is meant as a picture: by its suffix, or by its content under another suffix."""
    return path.suffix.lower() in PICTURES.suffixes or size_of(path) is not None


@explains_calls
def check_resolution(resolution: int | None, device: str) -> None:
    """Raise DataError for an invalid resolution, or one too large for the device, before any file is read."""
    if resolution is not None and not 4 <= resolution <= 1024:
        raise DataError(f"resolution {resolution}: give a side of 4 to 1024 pixels")
    if resolution is not None and resolution > ON_CPU and device == "cpu":
        raise DataError(
            f"resolution {resolution}: training would take days on a CPU; "
            f"give {option('resolution', 64)}, use a GPU with {option('device', 'cuda')}, or add "
            f"{option('force')}"
        )


def choose_side(sizes: Counter[tuple[int, int]], resolution: int | None) -> int:
    """The side of the square pictures.

    Arguments:
        sizes: how many pictures have each width and height.
        resolution: the side; None: that of nine in ten pictures if it is small, else 32.
    """
    check_resolution(resolution, device="any")
    (width, height), most = sizes.most_common(1)[0] if sizes else ((0, 1), 0)
    is_common = width == height and 4 <= width <= COMMON and most >= (1 - SKIPPED) * sizes.total()
    return resolution if resolution is not None else width if is_common else SIDE


def resizing_note(sizes: Counter[tuple[int, int]], side: int, resolution: int | None) -> str:
    """How pictures of these sizes become squares of the side that was chosen."""
    others = sizes.total() - sizes[side, side]
    if not others:
        return f"{side} x {side} pixels, not resized"
    if resolution is None and others <= sizes.total() / 2:
        return f"{side} x {side} pixels; {others} of another size cropped to a square and resized"
    return f"cropped to the central square and resized to {side} x {side}"


def read_square(source: Path | bytes, side: int, white: White = EACH) -> np.ndarray | str:
    """The picture, upright and cropped to a square, uint8 [1 or 3, side, side]; or why it cannot be read."""
    # A JPEG is decoded at as little as an eighth of its size, ten times as fast.
    image = open_upright(source, (2 * side, 2 * side), white)
    return image if isinstance(image, str) else _values(fit(image, (side, side)))


class Fitted(NamedTuple):
    """A picture in a model's shape, uint8 [C, H, W]; a note on how it was made to fit, or ""."""

    values: UInt8[Tensor, "c h w"]
    note: str


def read_as(path: Path, shape: tuple[int, int, int]) -> Fitted:
    """A picture, cropped and resized as for training; grey is repeated over the channels of `shape`.

    Errors: DataError if it is not a picture, or is coloured although `shape` has one channel.
    """
    channels, height, width = shape
    image = open_picture(path, shape)
    values = _values(fit(image, (width, height)))
    if len(values) > channels:
        raise DataError(f"{path}: a colour picture, but the model is for grey ones; convert it to grey")
    return Fitted(stack([values], channels)[0], _resized(image.size, (width, height)))


def open_picture(path: Path, shape: tuple[int, int, int], ground: str = "white") -> Image.Image:
    """A picture, upright, in its own size; `ground` is what lies behind transparent pixels, "": they stay so.

    Errors: DataError for a file that is not there, or is not a picture.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file; check the path")
    image = open_upright(path, ground=ground)
    if isinstance(image, str):
        raise DataError(f"{path}: {image}; give a picture, best of {shape[2]} x {shape[1]} pixels")
    return image


def fit(image: Image.Image, size: tuple[int, int]) -> Image.Image:
    """The centre of a picture in the shape of `size`, resized to it."""
    return image if image.size == size else ImageOps.fit(image, size, Image.Resampling.LANCZOS)


def stack(pictures: Sequence[np.ndarray], channels: int = 1) -> UInt8[Tensor, "n c h w"]:
    """Stack pictures into one array, with at least `channels` channels; all are RGB if one is."""
    channels = max(channels, *(len(values) for values in pictures))
    return torch.from_numpy(
        np.stack([np.broadcast_to(values, (channels, *values.shape[1:])) for values in pictures])
    )


def _refuse_file(path: Path) -> NoReturn:
    """Raise DataError for one picture, with what is wrong with it, if anything is."""
    found = open_upright(path) if path.stat().st_size else "empty"
    fault = f", {found}" if isinstance(found, str) else ""
    raise DataError(f"{path}: is a single picture{fault}; give a folder of pictures")


def _vectors(path: Path) -> Sequence[str]:
    """A note on the vector pictures below a folder, which are not read."""
    suffixes = Counter(file.suffix.lower() for file in walk(path).files if file.suffix.lower() in VECTORS)
    listed = ", ".join(suffixes)
    count = suffixes.total()
    noun, them = ("pictures", "them") if count > 1 else ("picture", "it")
    note = f"the ignored files include {count} vector {noun} ({listed}): convert {them} to PNG to read {them}"
    return [note] if count else []


def _resized(given: tuple[int, int], size: tuple[int, int]) -> str:
    if given == size:
        return ""
    (width, height), cropped = size, given[0] * size[1] != given[1] * size[0]
    return f"{'cropped at its centre and ' * cropped}resized to {width} x {height}, as for training"


def _values(image: Image.Image) -> np.ndarray:
    """The pixels as uint8 [1 or 3, height, width]."""
    values = np.asarray(image)
    return values[None] if values.ndim == 2 else np.ascontiguousarray(values.transpose(2, 0, 1))
