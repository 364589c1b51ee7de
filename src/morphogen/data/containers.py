"""Containers of examples, unpacked into values with a label and a caption each.

array, list, iterator                       values
(X, y)                                      values and labels, as scikit-learn and Keras return them
{"image": X, "label": y}                    the same by name; columns of numbers and words are a table
[{"image": x, "label": y}, ...], DataFrame  the same, row by row
{"data": X, "target": y, ...}               a Bunch of scikit-learn
[(x, y), ...]                               the same, row by row
[(8000, x), ...], {"array": x, ...}         recordings that say their rate, see `recordings`
torch Dataset, DataLoader                   items x, (x, y) or mappings, all of them; "classes" are the names
columns or records of two texts             pairs of texts, by the rules of files
"""

__all__ = ["unpack"]

from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from morphogen.data.dataset import DataError
from morphogen.data.held import Held, array_of
from morphogen.data.hub import LABELS, MOST
from morphogen.data.records import TEXTS, is_prose, pair_columns, pairs_of
from morphogen.representations.recordings import rated

NAMES = (*LABELS, "targets")  # of labels
CAPTIONS = ("caption", "captions", "text", "prompt")


SAMPLE = 200  # rows by which columns of texts are recognised


def unpack(data: Any, is_sound: bool = False) -> Held:
    """The values, labels and captions of a container. Errors: DataError.

    Arguments:
        data: the container.
        is_sound: whether its arrays are waveforms, rather than pictures.
    """
    if isinstance(data, Iterator):
        data = _listed(data)
    whole = data[0] if isinstance(data, tuple) and data else data
    if where := getattr(type(whole), "medium_at", ()):
        kind, where = type(whole).__name__, ", ".join(where)
        raise DataError(
            f"data are of type {kind}, read already: give them to mg.train, or as arrays, {where}"
        )
    if hasattr(whole, "toarray"):
        shape = list(whole.shape)
        raise DataError(f"data are a sparse {type(whole).__name__} of shape {shape}: give X.toarray()")
    if isinstance(data, torch.utils.data.DataLoader):
        return unpack(data.dataset, is_sound)
    if isinstance(data, torch.utils.data.Dataset):
        return _unpack_torch(data)
    if isinstance(data, tuple) and len(data) == 2 and not isinstance(data[0], str):
        _check_no_rate(*data)
        return Held(*data)
    if isinstance(data, list) and data:
        return _unpack_list(data, is_sound)
    if hasattr(data, "columns"):
        return _unpack_frame(data if hasattr(data, "iloc") else _frame_of(data), is_sound)
    return _unpack_mapping(data, is_sound) if isinstance(data, Mapping) else Held(data)


def _check_no_rate(values: Any, labels: Any) -> None:
    """Errors: DataError for a pair of waveforms and their rate, in any order."""
    rate = next((one for one in (labels, values) if isinstance(one, int | float)), None)
    if rate is not None:
        shown = f"({rate}, x)" if values is rate else f"(x, {rate})"
        raise DataError(
            f"{shown}: a pair is values and labels, one each; of one recording give a list of such pairs, of "
            f"several arrays the rate by name, rate={rate}"
        )


def _listed(data: Iterator[Any]) -> list[Any]:
    """The items of an iterator. Errors: DataError for too many."""
    items = list(islice(data, MOST + 1))
    if len(items) > MOST:
        raise DataError(
            f"{type(data).__name__} has more than {MOST} items; data are kept in memory: give fewer"
        )
    return items


def _unpack_list(data: list[Any], is_sound: bool) -> Held:
    """Rows that have labels, rates or the fields of pairs; other lists are values."""
    if all(map(rated, data)):
        return Held(data)
    if all(map(_is_labelled, data)):
        return _unpack_rows(data)
    if all(isinstance(row, Mapping) for row in data):
        if any(_is_example(value, is_sound) for value in data[0].values()):
            return _unpack_mapping({name: [row.get(name) for row in data] for name in data[0]}, is_sound)
        for name, value in data[0].items():
            _check_cell(name, value)
        _check_not_texts(list(data[0]), lambda name: [row.get(name) for row in data[:SAMPLE]])
        return Held(data) if (pairs := _pairs(data)) is None else Held(pairs)
    return Held(data)


def _frame_of(data: Any) -> Any:
    """The DataFrame of another library as one of pandas. Errors: DataError if it has no way to become one."""
    if hasattr(data, "to_pandas"):
        return data.to_pandas()
    kind = type(data).__name__
    raise DataError(f"data are a {kind}, which has no to_pandas(): give a DataFrame of pandas")


def _unpack_frame(data: Any, is_sound: bool) -> Held:
    """A DataFrame: pictures or sounds with their labels and captions, a table, or pairs of texts."""
    names = [str(name) for name in data.columns]
    if len(data) and any(_is_example(value, is_sound) for value in data.iloc[0]):
        return _unpack_mapping({name: data.iloc[:, i].tolist() for i, name in enumerate(names)}, is_sound)
    for name, value in zip(names, data.iloc[0] if len(data) else (), strict=False):
        _check_cell(name, value)
    _check_not_texts(names, lambda name: data.iloc[:SAMPLE, names.index(name)].tolist())
    if len(names) != 2 or _pairs(data.head(SAMPLE).to_dict("records")) is None:
        return Held(data)
    return Held(_pairs(data.to_dict("records")))


def _pairs(records: Sequence[Mapping[Any, Any]]) -> list[tuple[str, str]] | None:
    """The pairs of records of two texts, known by the names and the cells as in a file; None for others."""
    found = pairs_of(records)
    if found is None:
        return None
    pairs = [(source or "", target or "") for source, target in found[0]]
    header = list(records[0]) if len(records[0]) == 2 else ["source", "target"]
    is_pairs = pair_columns([header, *map(list, pairs[:SAMPLE])]) is not None
    return pairs if is_pairs else None


def _check_cell(name: Any, value: Any) -> None:
    """Errors: DataError for a column whose first cell is an array, which could be a sound, and is no cell."""
    if isinstance(value, np.ndarray | Tensor) and value.ndim:
        raise DataError(
            f"column {name!r} holds arrays of numbers: of sounds give the rate, rate=16000, or leave it out"
        )


def _check_not_texts(names: list[Any], column: Any) -> None:
    """Errors: DataError for columns of texts with labels, or alone, which are no table."""
    texts = [name for name in names if str(name).lower() in TEXTS or len(names) == 1]
    others = [name for name in names if name not in texts[:1] and str(name).lower() not in NAMES]
    if len(texts) == 1 and not others and is_prose(column(texts[0])):
        raise DataError(
            f"column {texts[0]!r} holds texts: give them as a list, such as list(df[{texts[0]!r}]); "
            "a text has no labels"
        )


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
    """Whether a row is a picture, an array or a recording that says its rate, and its label."""
    if not isinstance(row, tuple | list) or len(row) != 2:
        return False
    value, label = row
    is_array = getattr(value, "ndim", 0) > 0 and not getattr(label, "ndim", 0)
    return is_array or isinstance(value, Image.Image) or rated(value) is not None


def _unpack_mapping(data: Mapping[Any, Any], is_sound: bool = False) -> Held:
    """Examples with their labels and captions by name, pairs of texts; any other columns are a table."""
    found = [name for name, values in data.items() if _holds_examples(name, values, is_sound)]
    if len(found) > 1:
        what = "sounds" if is_sound else "pictures"
        raise DataError(f"columns {found[0]!r} and {found[1]!r} hold {what}: give one of them")
    if not found:
        return (
            _unpack_bunch(data) if {"data", "target", "feature_names"} <= set(data) else _unpack_columns(data)
        )
    labels, captions = (
        next((values for name, values in data.items() if str(name).lower() in known), None)
        for known in (NAMES, CAPTIONS)
    )
    return Held(data[found[0]], labels, captions)


def _unpack_columns(data: Mapping[Any, Any]) -> Held:
    """Columns by name: a table, or pairs of texts."""
    sized = [values for values in data.values() if hasattr(values, "__len__") and not isinstance(values, str)]
    if len(sized) != len(data) or len({len(values) for values in sized}) != 1:
        return Held(data)
    for name, values in data.items():
        _check_cell(name, next(iter(values), None))
    _check_not_texts(list(data), lambda name: list(data[name])[:SAMPLE])
    if len(data) != 2:
        return Held(data)
    pairs = _pairs([dict(zip(data, row, strict=True)) for row in zip(*data.values(), strict=True)])
    return Held(data if pairs is None else pairs)


def _unpack_bunch(data: Mapping[Any, Any]) -> Held:
    """The features of a Bunch by name, and its target: the classes, or another column of real numbers."""
    import pandas as pd

    target, names = np.asarray(data["target"]), data.get("target_names", ())
    frame = pd.DataFrame(np.asarray(data["data"]), columns=list(data["feature_names"]))
    if target.ndim != 1 or target.dtype.kind == "f":
        more = pd.DataFrame(target)
        more.columns = list(names) if len(names) == more.shape[1] else [f"target{i}" for i in more.columns]
        return Held(pd.concat([frame, more], axis=1))
    return Held(frame, _named(target, names))


def _named(labels: Any, names: Any) -> Any:
    """The names of labels that are places among them, as torchvision has them; other labels as they are."""
    words = (
        [name for name in names if isinstance(name, str)] if isinstance(names, Sequence | np.ndarray) else []
    )
    if labels is None or not words or len(words) != len(names):
        return labels
    places = [label.item() if hasattr(label, "item") else label for label in labels]
    if not all(isinstance(place, int) and 0 <= place < len(words) for place in places):
        return labels
    return [words[place] for place in places]


def _unpack_torch(data: Any) -> Held:
    """The items of a torch Dataset; the names of their classes are its `classes`, or those of its subset."""
    rows, source = _rows(data), data
    while isinstance(source, torch.utils.data.Subset):
        source = source.dataset
    if rows and isinstance(rows[0], tuple | list) and len(rows[0]) > 2:
        kind = type(data).__name__
        raise DataError(
            f"{kind} has items of {len(rows[0])} values: give x or (x, label), as in "
            "[(x, y) for x, y, *_ in data]"
        )
    held = _unpack_rows(rows)
    return held._replace(labels=_named(held.labels, getattr(source, "classes", ())))


def _holds_examples(name: Any, values: Any, is_sound: bool) -> bool:
    """Whether a column holds pictures, or sounds. Errors: DataError if some rows have none."""
    array = array_of(values)
    if array is not None:
        return array.ndim in ((2, 3) if is_sound else (3, 4))
    if not isinstance(values, Sequence) or not values or not _is_example(values[0], is_sound):
        return False
    row = next((i for i, value in enumerate(values) if not _is_example(value, is_sound)), None)
    if row is not None:
        found, what = f"row {row} has {values[row]!r:.40}", "sounds" if is_sound else "pictures"
        what = "sounds" if rated(values[0]) else what
        raise DataError(f"column {name!r} holds {what}, and {found}: remove such rows")
    return True


def _is_example(value: Any, is_sound: bool) -> bool:
    """Whether a value is a picture or a recording that says its rate, or, of sounds, a waveform."""
    if isinstance(value, Image.Image) or rated(value) is not None:
        return True
    axes = np.ndim(value) if is_sound and isinstance(value, list) else getattr(value, "ndim", 0)
    return isinstance(value, np.ndarray | Tensor | list) and axes in ((1, 2) if is_sound else (2, 3))
