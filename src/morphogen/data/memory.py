"""Examples in memory: what a notebook has is unpacked into values, with a label and a caption each.

    array, list, DataFrame                      values
    (X, y)                                      values and labels, as scikit-learn and Keras return them
    {"image": X, "label": y}                    the same by name; columns of numbers and words are a table
    [(x, y), ...]                               the same, row by row
    torch Dataset, DataLoader                   items x, (x, y) or mappings, all of them

The media then say which of them holds the values (`Medium.holds`), and it collects them into a `Dataset`.
"""

__all__ = [
    "Held",
    "array_of",
    "collect",
    "collect_nothing",
    "holds_nothing",
    "joined",
    "numbers_of",
    "read_labels",
    "unpack",
]

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple
from unicodedata import normalize

import numpy as np
import torch
from jaxtyping import Int
from PIL import Image
from torch import Tensor

from morphogen.data.dataset import DataError
from morphogen.data.hub import CLASSES, LABELS, MOST, read_tables, tables_in
from morphogen.data.splits import Part
from morphogen.media import ReadingOptions, media

NAMES = (*LABELS, "targets")  # of labels
CAPTIONS = ("caption", "captions", "text", "prompt")

KINDS = (
    "give pictures [N, H, W], [N, H, W, 3] or PIL pictures, a list of texts or of pairs of texts, "
    "a DataFrame or numbers [N, D], waveforms with rate=16000, a torch Dataset, or a path"
)


class Held(NamedTuple):
    """Examples in memory.

    Arguments:
        values: of the medium, one per example.
        labels: the class of each example: numbers or names; None: there are none.
        captions: a text for each example; None: there are none.
    """

    values: Any
    labels: Any = None
    captions: Any = None


def collect(data: Any, name: str, held: Mapping[str, Any], options: ReadingOptions) -> Any:
    """The data set of examples in memory, or a corpus to be tokenized.

    Arguments:
        data: see `unpack`.
        name: of the data set.
        held: "labels" and "captions" beside the data, and its own parts "valid" and "test"; None: none.
        options: those of `load_data`.

    Errors: DataError for what no medium holds, and options that it does not have.
    """
    own: dict[Any, Any] = {part: held.get(part) for part in ("valid", "test") if held.get(part) is not None}
    if (tables := tables_in(data, own)) is not None:
        return read_tables(name, name, tables, options)
    for part, rows in own.items():
        if not hasattr(rows, "__len__"):
            raise DataError(
                f"{part}={rows!r:.40}: give the examples themselves; without, a share is set aside"
            )
    parts: dict[Part, Held] = {"train": unpack(data), **{part: unpack(rows) for part, rows in own.items()}}
    for beside in ("labels", "captions"):
        if held.get(beside) is not None:
            parts["train"] = parts["train"]._replace(**{beside: held[beside]})
    values = parts["train"].values
    candidates = {medium: medium.holds(values, options) for medium in media().values()}
    medium, certainty = max(candidates.items(), key=lambda item: item[1])
    if not certainty:
        raise DataError(f"{_described(values)}: cannot be read; {KINDS}")
    known = None if medium.has_class_column else {None, *medium.computed_conditions}
    if known is not None and options.condition not in known:
        raise DataError(f"condition {options.condition!r}: {medium} have no columns; give labels, one each")
    return medium.collect(name, parts, options)


def holds_nothing(values: Any, options: ReadingOptions) -> float:
    """0: the medium has no form in memory."""
    return 0.0


def collect_nothing(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Any:
    """Errors: DataError."""
    raise DataError(f"{name}: cannot be read; {KINDS}")


def unpack(data: Any) -> Held:
    """The values, labels and captions of a container. Errors: DataError."""
    if isinstance(data, torch.utils.data.DataLoader):
        return unpack(data.dataset)
    if isinstance(data, torch.utils.data.Dataset):
        return _unpack_rows(_rows(data))
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], str):
        if isinstance(data[1], int | float):
            raise DataError(
                f"(x, {data[1]}): a pair is values and labels, one each; give a rate by name, rate={data[1]}"
            )
        return Held(*data)
    if isinstance(data, list) and data and all(map(_is_labelled, data)):
        return _unpack_rows(data)
    return _unpack_mapping(data) if isinstance(data, Mapping) else Held(data)


def array_of(values: Any) -> np.ndarray | None:
    """Numbers as one array: an array, a tensor, or a list of equal ones; None for anything else."""
    if isinstance(values, Tensor):
        return _numpy(values)
    if hasattr(values, "columns") or isinstance(values, str | bytes | Mapping | Image.Image):
        return None
    if isinstance(values, Sequence):
        rows = [_numpy(row) for row in values]
        if not rows or any(row.dtype.kind not in "biuf" or row.shape != rows[0].shape for row in rows):
            return None
        return np.stack(rows)
    array = np.asarray(values)
    return array if array.dtype.kind in "biuf" else None


def numbers_of(values: Any) -> list[np.ndarray] | None:
    """A list of arrays of numbers that may differ in shape, one per example; None for anything else."""
    if hasattr(values, "columns") or isinstance(values, str | bytes | Mapping):
        return None
    rows = [_numpy(row) for row in values] if isinstance(values, Iterable) else []
    return rows if rows and all(row.dtype.kind in "biuf" and row.ndim for row in rows) else None


def joined(parts: Mapping[Part, Held]) -> tuple[list[Any], list[Part], Any, list[str]]:
    """The values of all parts, the part of each (none if there is one part), labels and captions.

    Errors: DataError for labels or captions of another number, or of some parts only.
    """
    values = [value for held in parts.values() for value in held.values]
    of_part = [part for part, held in parts.items() for _ in range(len(held.values))]
    labels = _beside(parts, "labels")
    captions = [str(caption) for caption in _beside(parts, "captions") or ()]
    return values, of_part if len(parts) > 1 else [], labels, captions


def read_labels(
    labels: Any,
) -> tuple[tuple[str, ...], Int[Tensor, " n"] | None, tuple[str, ...]]:
    """The class names, the label of each example, and a note where numbers are names and not places.

    Errors: DataError for what are no classes: real numbers, one-hot rows, missing labels, too many.
    """
    if labels is None:
        return (), None, ()
    try:
        array = np.asarray([_plain(label) for label in labels])
    except ValueError:
        raise DataError("labels are lists of different lengths; give one label per example") from None
    if not array.size:
        raise DataError("there are no labels; give one per example, or leave labels out")
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"labels have shape {list(array.shape)}; give one per example: labels.argmax(1) if one-hot"
        )
    missing = [i for i, label in enumerate(array.tolist()) if label is None or label != label or label == ""]
    if missing:
        raise DataError(f"labels[{missing[0]}] is missing; give every example a label, or leave it out")
    if array.dtype.kind == "f":
        odd = array[(array % 1 != 0) | (abs(array) > 2**53)]
        if len(odd):
            raise DataError(f"labels such as {odd[0]:g} are no classes; give whole numbers")
        array = array.astype(np.int64)
    if array.dtype.kind in "iu" and array.min() < 0:
        raise DataError(f"labels[{int(array.argmin())}] is {array.min()}; leave out what has no label")
    if array.dtype.kind not in "iub":
        array = np.array([normalize("NFC", str(label)) for label in array.tolist()])
    names, index = np.unique(array, return_inverse=True)
    if len(names) > CLASSES:
        raise DataError(f"labels have {len(names)} different values; give at most {CLASSES} classes")
    named = tuple(map(str, names.tolist()))
    moved = array.dtype.kind in "iu" and names.tolist() != list(range(len(names)))
    note = f"the classes are {', '.join(named[:20])}: write condition='{named[0]}' for a name"
    return named, torch.from_numpy(index.astype(np.int64)), (note,) if moved else ()


def _beside(parts: Mapping[Part, Held], what: str) -> list[Any] | None:
    """The labels or captions of all parts. Errors: DataError if their number is another."""
    given = {part: getattr(held, what) for part, held in parts.items()}
    if all(beside is None for beside in given.values()):
        return None
    for part, beside in given.items():
        n, found = len(parts[part].values), 0 if beside is None else len(beside)
        if n != found:
            of = f" of the {part} part" if len(parts) > 1 else ""
            raise DataError(f"{found} {what}{of} for {n} examples; give one for each")
    return [value for beside in given.values() for value in beside]


def _rows(data: Any) -> list[Any]:
    """The items of a torch Dataset. Errors: DataError for too many, and for what it raises."""
    count = len(data) if hasattr(data, "__len__") else MOST + 1
    if count > MOST:
        what = f"{count} items" if hasattr(data, "__len__") else "items without a length"
        raise DataError(
            f"{type(data).__name__} has {what}; data are kept in memory: give at most {MOST}, "
            "as torch.utils.data.Subset does"
        )
    try:
        return [data[i] for i in range(count)]
    except Exception as error:  # whatever the user's class does
        line = (str(error).splitlines() or [""])[0]
        kind = f"{type(error).__name__}: {line}"
        raise DataError(f"{type(data).__name__} fails on an item ({kind}); correct it") from error


def _unpack_rows(rows: list[Any]) -> Held:
    """Items x, (x, y) or mappings as columns."""
    first = rows[0] if rows else None
    if isinstance(first, Mapping):
        return _unpack_mapping({name: [row[name] for row in rows] for name in first})
    if isinstance(first, tuple | list) and len(first) in (1, 2):
        columns = list(zip(*rows, strict=True))
        return Held(list(columns[0]), list(columns[1]) if len(first) == 2 else None)
    return Held(rows)


def _is_labelled(row: Any) -> bool:
    """Whether a row is a picture or an array, and its label."""
    if not isinstance(row, tuple | list) or len(row) != 2:
        return False
    value, label = row
    is_array = getattr(value, "ndim", 0) > 0 and not getattr(label, "ndim", 0)
    return is_array or isinstance(value, Image.Image)


def _unpack_mapping(data: Mapping[Any, Any]) -> Held:
    """Pictures with their labels and captions by name; any other columns are a table, as they are."""
    pictures = [name for name, values in data.items() if _is_pictures(values)]
    if len(pictures) != 1:
        return Held(data)
    labels, captions = (
        next((values for name, values in data.items() if str(name).lower() in known), None)
        for known in (NAMES, CAPTIONS)
    )
    return Held(data[pictures[0]], labels, captions)


def _is_pictures(values: Any) -> bool:
    array = array_of(values)
    if array is not None:
        return array.ndim in (3, 4)
    return isinstance(values, Sequence) and len(values) > 0 and isinstance(values[0], Image.Image)


def _numpy(value: Any) -> np.ndarray:
    """A value as an array, of objects if it is no number or array of them."""
    if isinstance(value, Tensor):
        tensor = value.detach().cpu()
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()
    if isinstance(value, str | bytes | Mapping | Image.Image) or value is None:
        return np.array(value, dtype=object)
    try:
        return np.asarray(value)
    except ValueError:  # rows of different lengths
        return np.array(None, dtype=object)


def _plain(label: Any) -> Any:
    """A label as a plain Python value."""
    return label.tolist() if hasattr(label, "tolist") else label


def _described(values: Any) -> str:
    """The kind of what was given, and its shape if it has one."""
    shape = getattr(values, "shape", None)
    size = f" of shape {list(shape)}" if shape is not None else ""
    size = f" of {len(values)}" if shape is None and hasattr(values, "__len__") else size
    return f"data {type(values).__name__}{size}"
