"""Data of the Hugging Face hub, or of a local folder that its package `datasets` reads (Parquet, Arrow, CSV, pictures, ...).

    hf:owner/name            the data set of that name               hf:owner/name:config      one of its configurations
    hf:FOLDER                the same out of a folder; no network

The features say what the data are: the first column of images makes pictures, with the first column of classes as labels; else the
column of strings makes text, one row a line. Parts that the authors name train, validation and test are kept; what is missing is
split off by content. Needs the extra: pip install 'morphogen[hub]'.
"""

__all__ = ["load_hub"]

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch

from morphogen.data.assemble import Labelled, by_authors, by_content
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.folders import check_skipped
from morphogen.data.pictures import choose_side, read, size_of, stack
from morphogen.data.text import Corpus, text_by_authors, text_by_content

MOST = 200_000  # rows of one part that are read: pictures lie in memory
CLASSES = 1000  # most distinct values of a column that are taken for classes
VALID, TEST = ("validation", "valid", "val", "dev"), ("test",)
LABELS = ("label", "labels", "fine_label", "class", "category", "target", "y")
_WRITE = "write hf:owner/name, hf:owner/name:config or hf:FOLDER"
TEXTS = ("text", "content", "sentence", "document")


def load_hub(given: str, resolution: int | None = None, length: int | None = None) -> Dataset | Corpus:
    """The data set `owner/name[:config]` of the hub, or the one in a local folder. Errors: DataError with the remedy."""
    tables = _tables(given)
    local = Path(given).expanduser()
    name = local.resolve().name if local.is_dir() else given
    features = next(iter(tables.values())).features
    image = next((column for column, feature in features.items() if type(feature).__name__ == "Image"), None)
    if image is not None:
        return _pictures(name, tables, image, _label_column(features), resolution)
    strings = [column for column, feature in features.items() if getattr(feature, "dtype", None) in ("string", "large_string")]
    if not strings:
        raise DataError(f"data 'hf:{given}': no column of images or text among {', '.join(features)}; give another data set")
    return _text(name, tables, next((column for column in TEXTS if column in strings), strings[0]), length)


def _tables(given: str) -> dict[str, Any]:
    """Parts by the authors' names."""
    try:
        import datasets
    except ImportError:
        raise DataError(f"data 'hf:{given}' needs the package datasets; install it: pip install 'morphogen[hub]'") from None
    path = Path(given).expanduser()
    name, _, config = given.partition(":")
    if (not path.is_dir() and (not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) or name.startswith("."))) or not given:
        raise DataError(
            f"data 'hf:{given}': no such folder, and no name of the hub; write hf:owner/name, hf:owner/name:config or hf:FOLDER"
        )
    try:
        if path.is_dir() and ((path / "dataset_dict.json").is_file() or (path / "state.json").is_file()):
            found = datasets.load_from_disk(str(path))
        elif path.is_dir():
            found = datasets.load_dataset(str(path))
        else:
            found = datasets.load_dataset(name, config or None)
    except Exception as error:  # a dozen kinds, of datasets, huggingface_hub, the network and the files
        line = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"data 'hf:{given}': {line}; check its name and the network; {_WRITE}") from None
    tables = dict(found) if isinstance(found, dict) else {"train": found}
    tables = {part: table for part, table in tables.items() if len(table)}
    if not tables:
        raise DataError(f"data 'hf:{given}': holds no row; give another data set")
    return tables


class _Roles(NamedTuple):
    """The authors' parts: train, and valid and test if they have them."""

    train: Any
    valid: Any
    test: Any


def _roles(tables: Mapping[str, Any], label: str | None) -> _Roles:
    """Who is who. A test part whose labels are withheld (-1) is none; of two parts the second is the test."""
    shown = {part: table for part, table in tables.items() if label is None or not _withheld(table[label])} or dict(tables)
    train = shown.pop("train" if "train" in shown else next(iter(shown)))
    valid, test = (next((shown[part] for part in names if part in shown), None) for names in (VALID, TEST))
    return _Roles(train, None, valid) if test is None else _Roles(train, valid, test)


def _withheld(labels: Any) -> bool:
    return all(isinstance(label, int) and label < 0 for label in labels[:100])


def _label_column(features: Mapping[str, Any]) -> str | None:
    """The first column of classes, else one that is called so and holds numbers or words."""
    declared = next((column for column, feature in features.items() if type(feature).__name__ == "ClassLabel"), None)
    plain = ("string", "large_string", "bool", "int8", "int16", "int32", "int64", "uint8")
    return declared or next((column for column in LABELS if getattr(features.get(column), "dtype", None) in plain), None)


def _pictures(name: str, tables: Mapping[str, Any], image: str, label: str | None, resolution: int | None) -> Dataset:
    roles = _roles(tables, label)
    coded = [_coded(table, image) for table in roles]
    side, note = choose_side({size for rows in coded for row in rows if row and (size := size_of(row))}, resolution)
    classes, index = _classes(roles, label)
    parts: list[tuple[list[np.ndarray], list[int]]] = []
    bad: list[str] = []
    for table, rows in zip(roles, coded, strict=True):
        marks = table[: len(rows)][label] if index and rows else [None] * len(rows)
        made = [read(row, side) if row else "no picture" for row in rows]
        made = ["no label" if index and mark not in index else values for values, mark in zip(made, marks, strict=True)]
        bad += [f"skipped row {i}: {why}" for i, why in enumerate(made) if isinstance(why, str)]
        good = [(values, index.get(mark, 0)) for values, mark in zip(made, marks, strict=True) if not isinstance(values, str)]
        parts.append(([values for values, _ in good], [number for _, number in good]))
    check_skipped(f"data 'hf:{name}'", sum(len(values) for values, _ in parts), bad)
    channels = max(len(value) for values, _ in parts for value in values)
    train, valid, test = (
        Labelled(stack(values, channels), torch.tensor(labels) if index else None) if values else None for values, labels in parts
    )
    if train is None:
        raise DataError(f"data 'hf:{name}': its training part holds no picture; give another data set")
    notes = (note, *bad)
    return by_content(name, train, classes, notes=notes) if test is None else by_authors(name, train, test, classes, valid, notes)


def _coded(table: Any, image: str) -> list[Path | bytes | None]:
    """The pictures of a part as they are stored, at most MOST; none where there is no such part."""
    if table is None:
        return []
    from datasets import Image

    rows = table.select(range(min(len(table), MOST))).cast_column(image, Image(decode=False))[image]
    return [None if row is None else row["bytes"] if row["bytes"] is not None else Path(row["path"]) for row in rows]


def _classes(roles: _Roles, label: str | None) -> tuple[tuple[str, ...], dict[Any, int]]:
    """The names of the classes, and the number of each value of the column; nothing where there are no classes."""
    if label is None:
        return (), {}
    if (names := getattr(roles.train.features[label], "names", None)) is not None:
        return tuple(names), {number: number for number in range(len(names))}
    values = sorted({value for table in roles if table is not None for value in table.unique(label) if value is not None})
    if len(values) > CLASSES:
        return (), {}
    return tuple(map(str, values)), {value: number for number, value in enumerate(values)}


def _text(name: str, tables: Mapping[str, Any], column: str, length: int | None) -> Corpus:
    learn, valid, test = (
        None if table is None else "\n".join(row.rstrip("\n") for row in table[column] if row).encode() for table in _roles(tables, None)
    )
    where = f"data 'hf:{name}'"
    if not learn:
        raise DataError(f"{where}: its column {column!r} is empty; give another data set")
    return text_by_authors(name, where, learn, valid, test, length) if test else text_by_content(name, where, learn, length)
