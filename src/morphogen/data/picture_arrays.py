"""Pictures in memory: arrays and tensors of any layout and scale, and lists of PIL pictures.

    [N, H, W], [N, H, W, C], [N, C, H, W]             C = 1 or 3, first or last
    bytes 0 .. 255, 16 bits, a few levels, [0, 1], [-1, 1]      one scale for all, with a note that names it

Few levels, such as 0 .. 16 of scikit-learn's digits or 0 and 1 of binary pictures, are kept as they are: a
likelihood counts the levels that there are.
"""

__all__ = ["collect_pictures", "holds_pictures"]

import io
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from morphogen.data.assemble import Labelled, assemble
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.memory import Held, array_of, joined, numbers_of, read_labels
from morphogen.data.picture_file import survey
from morphogen.data.pictures import choose_side, read_square, stack
from morphogen.data.splits import Part
from morphogen.media import ReadingOptions

FEW = 64  # largest number of levels that is kept
SAMPLE = 4096  # values that are looked at before all are
TOLERANCE = 1e-4  # of a value on a grid


def holds_pictures(values: Any, options: ReadingOptions) -> float:
    """1 for pictures: an array of three or four axes, a list of PIL pictures, of arrays or of their files."""
    if options.rate is not None:
        return 0.0
    if (array := array_of(values)) is not None:
        return float(array.ndim > 2)
    if not isinstance(values, Sequence) or not len(values):
        return 0.0
    if all(isinstance(value, Image.Image | Path) for value in values):
        return 1.0
    arrays = numbers_of(values)
    return float(arrays is not None and all(array.ndim in (2, 3) for array in arrays))


def collect_pictures(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Dataset:
    """A data set of pictures in memory. Errors: DataError."""
    values, of_part, given, captions = joined(parts)
    classes, labels, notes = read_labels(given)
    array = array_of(values)
    if array is None:
        pictures, levels, more = _read_each(values, options.resolution)
    else:
        pictures, levels, more = _read_array(array, options.resolution)
    data = Labelled(torch.from_numpy(pictures), labels, captions)
    return assemble(name, data, classes, levels, of_part, notes=(*more, *notes))


def _read_each(values: Sequence[Any], resolution: int | None) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """PIL pictures, files of pictures, or arrays of different sizes, as bytes [N, C, H, W]."""
    sources = [
        value if isinstance(value, Path) else _encoded(value if _is_image(value) else _as_picture(i, value))
        for i, value in enumerate(values)
    ]
    found = survey(sources)
    side, note = choose_side(found.sizes, resolution)
    read = [read_square(source, side, found.white) for source in sources]
    for i, picture in enumerate(read):
        if isinstance(picture, str):
            raise DataError(f"picture {i}: {picture}; leave it out")
    pictures = stack([picture for picture in read if not isinstance(picture, str)]).numpy()
    return pictures, 256, (note, *found.notes)


def _is_image(value: Any) -> bool:
    return isinstance(value, Image.Image)


def _encoded(image: Image.Image) -> bytes:
    """The file of a picture, so that the reader of files turns, converts and scales it as any other."""
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16", "F"):
        image = image.convert("RGB")
    file = io.BytesIO()
    kept = {name: image.info[name] for name in ("icc_profile",) if image.info.get(name)}
    image.save(file, "TIFF" if image.mode == "F" else "PNG", exif=image.getexif(), **kept)
    return file.getvalue()


def _as_picture(i: int, value: Any) -> Image.Image:
    """An array as a PIL picture, for pictures of different sizes. Errors: DataError unless it is of bytes."""
    array = np.asarray(value)
    if array.dtype != np.uint8 or array.ndim not in (2, 3):
        raise DataError(
            f"picture {i} is {array.dtype} {list(array.shape)}, and pictures differ in size; "
            "give uint8 [H, W] or [H, W, 3], or one array of them all"
        )
    return Image.fromarray(array[:, :, 0] if array.shape[2:] == (1,) else array)


def _read_array(array: np.ndarray, resolution: int | None) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Pictures of one size, as indices of levels [N, C, H, W], the number of levels, and notes."""
    pictures, layout = _channels_first(array)
    values, levels, scale = _to_levels(pictures)
    height, width = values.shape[2:]
    side, note = choose_side(Counter([(width, height)]), resolution)
    if (height, width) == (side, side):
        return values, levels, (note, *layout, scale)
    wide = (values * (255 / (levels - 1))).round().astype(np.uint8)
    images = [Image.fromarray(rows[0] if len(rows) == 1 else rows.transpose(1, 2, 0)) for rows in wide]
    resized, _, notes = _read_each(images, side)
    return resized, 256, (*notes, *layout, scale)


def _channels_first(array: np.ndarray) -> tuple[np.ndarray, tuple[str, ...]]:
    """The pictures as [N, C, H, W]. Errors: DataError for other shapes."""
    shape = list(array.shape)
    if array.ndim == 3 and (shape[2] not in (1, 3, 4) or shape[1] == shape[2]):  # else [H, W, C]
        return array[:, None], ()
    if array.ndim == 4:
        first, last = shape[1] in (1, 3), shape[3] in (1, 3)
        if first:
            note = f"{shape} read as [N, C, H, W]; for [N, H, W, C] give x.transpose(0, 3, 1, 2)"
            return array, (note,) if last else ()
        if last:
            return array.transpose(0, 3, 1, 2), ()
    raise DataError(
        f"pictures have shape {shape}; give [N, H, W], or [N, C, H, W] or [N, H, W, C] with 1 or 3 channels"
    )


def _to_levels(values: np.ndarray) -> tuple[np.ndarray, int, str]:
    """Indices of levels as uint8, the number of levels, and the scale in words. Errors: DataError."""
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise DataError(f"picture {row} has NaN or infinite values; fill them in, or leave it out")
    low, high = float(values.min()), float(values.max())
    kind = f"{values.dtype} from {low:g} to {high:g}"
    if values.dtype == np.uint8 and high >= FEW:
        return values, 256, f"{kind}: the scale is 0 to 255, 256 levels"
    unit = _unit_interval(values, low, high)
    if unit is None:
        raise DataError(f"pictures are {kind}; divide by their full scale, as in x / {max(high, 1):g}")
    scaled, top, scale = unit
    for steps in [top] if top else [*range(1, FEW), 255]:
        if _on_grid(scaled.ravel()[:SAMPLE], steps) and _on_grid(scaled, steps):
            return (
                (scaled * steps).round().astype(np.uint8),
                steps + 1,
                f"{kind}: {scale}, {steps + 1} levels",
            )
    return (scaled * 255).round().astype(np.uint8), 256, f"{kind}: {scale}, rounded to 256 levels"


def _on_grid(scaled: np.ndarray, steps: int) -> bool:
    """Whether all values are multiples of 1 / steps."""
    index = scaled * steps
    return bool(np.abs(index - index.round()).max() <= TOLERANCE * steps)


def _unit_interval(values: np.ndarray, low: float, high: float) -> tuple[np.ndarray, int, str] | None:
    """The values in [0, 1], their levels less one (0: not known), and the scale; None: not known."""
    wide = values.astype(np.promote_types(values.dtype, np.float32))
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return wide, 0, "the scale is 0 to 1"
    if values.dtype.kind == "f" and low >= -1 and high <= 1:
        return (wide + 1) / 2, 0, "the scale is -1 to 1"
    if low < 0:
        return None
    whole = values.dtype.kind != "f" or not (wide % 1).any()
    if whole and 0 < high < FEW:
        return wide / high, round(high), f"the scale is 0 to {high:g}"
    if high <= 255:
        return wide / 255, 255 if whole else 0, "the scale is 0 to 255"
    if values.dtype == np.uint16:
        return wide / 65535, 0, "the scale is 0 to 65535"
    return None
