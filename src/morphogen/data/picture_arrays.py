"""Pictures in memory: arrays and tensors of any layout and scale, and lists of PIL pictures.

    [N, H, W], [N, H, W, C], [N, C, H, W]             C = 1, 3 or 4 (RGBA), first or last
    bytes 0 .. 255, 16 bits, a few levels, [0, 1], [-1, 1]      one scale for all, with a note that names it

Few levels, such as 0 .. 16 of scikit-learn's digits or 0 and 1 of binary pictures, are kept as they are: a
likelihood counts the levels that there are. Whole numbers up to 31 are such levels, larger ones are bytes,
however dark. Fractions up to 31 are on no scale that is known, and refused unless they are in [-1, 1].
"""

__all__ = ["collect_pictures", "holds_pictures", "pictures_for", "resized"]

import io
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from morphogen.counted import counted
from morphogen.data.assemble import Labelled, assemble
from morphogen.data.containers import unpack
from morphogen.data.dataset import DataError, Dataset, Pictures
from morphogen.data.held import Held, array_of, file_at, joined, names_file, numbers_of
from morphogen.data.memory import read_labels
from morphogen.data.picture_file import survey
from morphogen.data.pictures import choose_side, is_picture, read_square, resizing_note, stack
from morphogen.data.records import are_texts
from morphogen.data.splits import Part
from morphogen.media import ReadingOptions
from morphogen.representations.given import FEW, FULL_SCALES
from morphogen.wrong_calls import explains_calls

GRID = 64  # largest number of levels of values in [0, 1] that is looked for
BEYOND = 0.05  # by which smooth resizing exceeds [0, 1] and [-1, 1]
NORMALISED = 20  # standard deviations, beyond which values are not normalised pictures
SAMPLE = 4096  # values that are looked at before all are
TOLERANCE = 1e-4  # of a value on a grid
PHRASE = 3  # words, of which most names of classes have fewer


def holds_pictures(values: Any, options: ReadingOptions) -> float:
    """1 for pictures: an array of three or four axes, a list of PIL pictures, arrays or (names of) files."""
    if options.rate is not None:
        return 0.0
    if (array := array_of(values)) is not None:
        return float(array.ndim > 2)
    if isinstance(values, str | bytes | Mapping) or hasattr(values, "columns"):
        return 0.0
    rows = list(values) if isinstance(values, Iterable) else []
    if rows and all(_is_image(row) or names_file(row) for row in rows):
        return sum(_is_image(row) or is_picture(Path(row).expanduser()) for row in rows) / len(rows)
    arrays = numbers_of(rows)
    return float(arrays is not None and all(array.ndim in (2, 3) for array in arrays))


def collect_pictures(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Dataset:
    """A data set of pictures in memory. Errors: DataError."""
    if not len(parts["train"].values):
        raise DataError(f"{name}: there are no pictures; give at least two, [N, H, W]")
    _check_one_scale(parts)
    parts, notes = _captioned(parts)
    given_values, of_part, given, captions = joined(parts)
    values = [file_at(value) if isinstance(value, str | Path) else value for value in given_values]
    classes, labels, more = read_labels(given)
    pictures, levels, read = _read(values, options.resolution, options.levels)
    more = (*read, *notes, *more)
    more += ("the pictures of each part are in the order of their hashes, not as given",) if of_part else ()
    if empty := [i for i, caption in enumerate(captions) if not caption]:
        more += (
            f"{len(empty)} of {counted(len(captions), 'caption')} are empty, the first captions[{empty[0]}]: "
            "models are conditioned on captions only if all pictures have one",
        )
    data = Labelled(torch.from_numpy(pictures), labels, captions)
    return assemble(name, data, classes, levels, of_part, notes=more)


def pictures_for(given: Any, representation: Any) -> Any:
    """Pictures in memory to train a model, which are read on the scale of its levels.

    Errors: DataError for few levels of another size: resized, the model's do not tell which they were.
    """
    if isinstance(given, str | Path):
        return given
    array = array_of(unpack(given)[0])
    if array is None or array.ndim < 3 or not array.size or not np.isfinite(array).all():
        return given
    is_resized = _channels_first(array)[0].shape[2:] != tuple(representation.shape[1:])
    high = float(array.max())
    if is_resized and representation.levels > FEW and _is_whole(array) and 1 < high < FEW:
        raise DataError(
            f"pictures are {array.dtype} from {array.min():g} to {high:g}, and are resized: "
            f"give x / {high:g} or x / 255, whichever is their scale"
        )
    return given


@explains_calls
def resized(pictures: Any, resolution: int, levels: int | None = None) -> Float[Tensor, "n c r r"]:
    """Pictures as `load_data` resizes them: every one, in its order, in [-1, 1].

    Arguments:
        pictures: arrays or tensors of any layout and scale, or a list of PIL pictures.
        resolution: side in pixels.
        levels: of arrays: how many values a pixel can have, 256 for bytes; None: by the values.

    Errors: DataError.
    """
    values, found, _ = _read(pictures, resolution, levels)
    return Pictures(torch.from_numpy(values), found).first().medium


def _read(values: Any, resolution: int | None, levels: int | None) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Pictures of any kind as indices of levels [N, C, H, W], the number of levels, and notes."""
    array = array_of(values)
    return _read_each(list(values), resolution) if array is None else _read_array(array, resolution, levels)


def _captioned(parts: Mapping[Part, Held]) -> tuple[Mapping[Part, Held], tuple[str, ...]]:
    """The parts with labels that are sentences, or lists of texts, as captions, and a note on them."""
    labels, captions = parts["train"].labels, parts["train"].captions
    given = [] if labels is None or captions is not None else [_texts_of(label) for label in labels]
    every = [text for texts in given for text in texts]
    different, words = len(set(every)), sum(len(text.split()) for text in every)
    if not every or not all(given) or words < PHRASE * len(every):
        return parts, ()
    if len(every) == len(given) and not are_texts(every):
        note = f"the {different} classes are named by several words: captions=labels conditions on these"
        return parts, (note,)
    read = {part: held._replace(labels=None, captions=held.labels) for part, held in parts.items()}
    return read, (f"the labels are {different} different texts, and are read as captions",)


def _texts_of(label: Any) -> list[str]:
    """The texts of a label, which is one or a list of them; [] for another one."""
    texts = [label] if isinstance(label, str) else label if isinstance(label, list | tuple) else []
    return list(texts) if all(isinstance(text, str) for text in texts) else []


def _check_one_scale(parts: Mapping[Part, Held]) -> None:
    """Errors: DataError for parts on different scales: all are read on one, which would be wrong for some."""
    arrays = {part: array for part, held in parts.items() if (array := array_of(held.values)) is not None}
    arrays = {part: array for part, array in arrays.items() if array.size and np.isfinite(array).all()}
    if all(array.dtype.kind != "f" for array in arrays.values()):
        return
    ranges = {part: (float(array.min()), float(array.max())) for part, array in arrays.items()}
    kinds = {part: (low < -BEYOND, high <= 1 + BEYOND) for part, (low, high) in ranges.items()}
    if len(set(kinds.values())) > 1:
        found = ", ".join(f"{part} from {low:g} to {high:g}" for part, (low, high) in ranges.items())
        raise DataError(f"the parts are on different scales ({found}): give them all on one")


def _read_each(values: Sequence[Any], resolution: int | None) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """PIL pictures, files of pictures, or arrays of different sizes, as bytes [N, C, H, W]."""
    sources = [
        value if isinstance(value, Path) else _encoded(value if _is_image(value) else _as_picture(i, value))
        for i, value in enumerate(values)
    ]
    found = survey(sources)
    side = choose_side(found.sizes, resolution)
    read = [read_square(source, side, found.white) for source in sources]
    for i, picture in enumerate(read):
        if isinstance(picture, str):
            source = sources[i]
            name = str(source) if isinstance(source, Path) else f"picture {i}"
            raise DataError(f"{name}: {picture}; leave it out")
    pictures = stack([picture for picture in read if not isinstance(picture, str)]).numpy()
    return pictures, 256, (resizing_note(found.sizes, side, resolution), *found.notes)


def _is_image(value: Any) -> bool:
    return isinstance(value, Image.Image)


def _encoded(image: Image.Image) -> bytes:
    """The file of a picture, so that the reader of files turns, converts and scales it as any other."""
    if image.mode not in ("1", "L", "LA", "P", "RGB", "RGBA", "I", "I;16", "F"):
        image = image.convert("RGB")
    file = io.BytesIO()
    kept = {name: image.info[name] for name in ("icc_profile",) if image.info.get(name)}
    image.save(file, "TIFF" if image.mode in ("I", "F") else "PNG", exif=image.getexif(), **kept)
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


def _read_array(
    array: np.ndarray, resolution: int | None, levels: int | None
) -> tuple[np.ndarray, int, tuple[str, ...]]:
    """Pictures of one size, as indices of levels [N, C, H, W], the number of levels, and notes."""
    pictures, layout = _channels_first(array)
    if not array.size:
        raise DataError(f"pictures have shape {list(array.shape)}: they are empty; give at least one pixel")
    values, levels, scale = _to_levels(pictures, levels)
    height, width = values.shape[2:]
    sizes = Counter([(width, height)])
    side = choose_side(sizes, resolution)
    note = resizing_note(sizes, side, resolution)
    if (height, width) == (side, side) and values.shape[1] < 4:
        return values, levels, (note, *layout, scale)
    wide = (values * (255 / (levels - 1))).round().astype(np.uint8)
    images = [Image.fromarray(rows[0] if len(rows) == 1 else rows.transpose(1, 2, 0)) for rows in wide]
    resized, _, notes = _read_each(images, side)
    once = "" if (height, width) == (side, side) else " once resized"
    return resized, 256, (*notes, *layout, scale.replace(f"{levels} levels", f"256 levels{once}"))


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
        if 4 in (shape[1], shape[3]):  # with transparency
            return (array.transpose(0, 3, 1, 2) if shape[3] == 4 else array), ()
    raise DataError(
        f"pictures have shape {shape}; give [N, H, W], or [N, C, H, W] or [N, H, W, C], where C is 1, 3 or 4"
    )


class _Scale(NamedTuple):
    """Values in [0, 1], the number of their levels less one (0: not known), and the scale in words.

    The remark names the values that are cut off, or another scale that is possible and how to give it.
    """

    unit: np.ndarray
    steps: int
    words: str
    remark: str = ""


def _to_levels(values: np.ndarray, levels: int | None) -> tuple[np.ndarray, int, str]:
    """Indices of levels as uint8, the number of levels, and the scale in words. Errors: DataError."""
    if not np.isfinite(values).all():
        row = int(np.argwhere(~np.isfinite(values))[0][0])
        raise DataError(f"picture {row} has NaN or infinite values; fill them in, or leave it out")
    low, high = float(values.min()), float(values.max())
    kind = f"{values.dtype} from {low:g} to {high:g}"
    scale = _scale_of(values, low, high) if levels is None else _scale_of_levels(values, low, high, levels)
    for steps in [scale.steps] if scale.steps else [*range(1, GRID), 255]:
        if _on_grid(scale.unit.ravel()[:SAMPLE], steps) and _on_grid(scale.unit, steps):
            index = (scale.unit * steps).round().astype(np.uint8)
            return index, steps + 1, f"{kind}: the scale is {scale.words}, {steps + 1} levels{scale.remark}"
    if levels not in (None, 256):
        raise DataError(f"pictures are {kind}, between their {levels} levels: give {_rounded(scale, levels)}")
    index = (scale.unit * 255).round().astype(np.uint8)
    return index, 256, f"{kind}: the scale is {scale.words}, rounded to 256 levels{scale.remark}"


def _on_grid(scaled: np.ndarray, steps: int) -> bool:
    """Whether all values are multiples of 1 / steps."""
    index = scaled * steps
    return bool(np.abs(index - index.round()).max() <= TOLERANCE * steps)


def _wide(values: np.ndarray) -> np.ndarray:
    """The values as floats that hold them."""
    return values.astype(np.promote_types(values.dtype, np.float32))


def _is_whole(values: np.ndarray) -> bool:
    return values.dtype.kind != "f" or not (_wide(values) % 1).any()


def _scale_of_levels(values: np.ndarray, low: float, high: float, levels: int) -> _Scale:
    """The scale of values from low to high where the number of levels is known.

    Whole numbers are the levels, 0 .. levels-1. Fractions from 0 to 1 are on the scale -1 to 1 if they are on
    its grid: half of the values of the grid of 0 to 1 are.

    Errors: DataError for values of other levels, and for 0 and 1, which can be on both scales.
    """
    if not 2 <= levels <= 256:
        raise DataError(f"levels={levels}: give the number of values of a pixel, 2 to 256")
    wide, steps, kind = _wide(values), levels - 1, f"pictures are {values.dtype} from {low:g} to {high:g}"
    if values.dtype.kind == "b":
        return _Scale(wide, steps, "False to True")
    if _is_whole(values) and low >= 0:
        if high == 1 < steps:
            both = f"give x * {steps} for black and white, or x / {steps}"
            raise DataError(f"{kind}, which can be 0 to 1 or 0 to {steps}: {both}")
        if high <= steps:
            return _Scale(wide / steps, steps, f"0 to {steps}")
        if values.dtype != np.uint16 or levels != 256:
            top = next((top for top in FULL_SCALES if high <= top), high)
            remedy = f"(x * ({steps} / {top:g})).round()"
            raise DataError(f"{kind}, where {levels} levels are 0 to {steps}: give {remedy}")
    if low >= 0 and high <= 1 and _on_grid((wide + 1) / 2, steps):
        return _Scale((wide + 1) / 2, steps, "-1 to 1")
    return _scale_of(values, low, high)._replace(steps=steps)


def _rounded(scale: _Scale, levels: int) -> str:
    """The expression that rounds values to the grid of so many levels."""
    steps, half = levels - 1, (levels - 1) / 2
    signed = f"((x + 1) * {half:g}).round() / {half:g} - 1"
    return signed if scale.words == "-1 to 1" else f"(x * {steps}).round() / {steps}"


def _scale_of(values: np.ndarray, low: float, high: float) -> _Scale:
    """The scale of values from low to high. Errors: DataError with the expression that converts others."""
    wide, whole = _wide(values), _is_whole(values)
    if whole and low >= 0 and 0 < high < FEW:
        remark = "; if it is 0 to 255, give x / 255" if high > 1 else ""
        return _Scale(wide / high, round(high), f"0 to {high:g}", remark)
    if low >= -1 - BEYOND and high <= 1 + BEYOND:
        least = 0 if low >= 0 or (low >= -BEYOND and high > 0.5) else -1
        cut = "; values beyond are cut off" if low < least or high > 1 else ""
        return _Scale(((wide - least) / (1 - least)).clip(0, 1), 0, f"{least} to 1", cut)
    if low >= 0 and high <= 255 and (whole or high >= FEW):
        remark = f"; if it is 0 to {high:g}, give x / {high:g}" if whole and high < 128 else ""
        return _Scale(wide / 255, 255 if whole else 0, "0 to 255", remark)
    if values.dtype == np.uint16:
        return _Scale(wide / 65535, 0, "0 to 65535")
    peak, kind = max(high, -low), f"{values.dtype} from {low:g} to {high:g}"
    remedy = f"divide by their full scale, as in x / {peak:g}"
    if low < 0 and not whole and peak < NORMALISED:
        remedy = "undo the normalisation: x * std + mean"
    raise DataError(f"pictures are {kind}; {remedy}")
