"""Data sets of the Hugging Face hub, or local folders in a format that its package `datasets` reads.

    hf:owner/name           a data set of the hub
    hf:owner/name:config    one of its configurations
    hf:FOLDER               a local folder of Parquet, Arrow, tar, CSV, images, ...; needs no network

The columns determine the medium. The first image column gives pictures, labelled by the first class column,
with the captions of a column called so, one or a list of several per picture; without an image column, a
string column gives text, a document per row. Splits that the authors call train, validation and test are used
as they are; a missing one is split off by content. Needs the extra: pip install 'morphogen[hub]'.
"""

__all__ = [
    "CLASSES",
    "LABELS",
    "MOST",
    "holds_tables",
    "load_hub",
    "read_tables",
    "recordings_in",
    "tables_in",
]

import io
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from PIL import Image, UnidentifiedImageError

from morphogen.counted import counted
from morphogen.data.assemble import Labelled, assemble, by_authors
from morphogen.data.captions import CAPTIONS, plain_name
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.folders import check_skipped, count_alike
from morphogen.data.held import Held
from morphogen.data.near_duplicates import near_duplicates
from morphogen.data.picture_file import survey
from morphogen.data.pictures import choose_side, read_square, resizing_note, stack
from morphogen.data.records import is_prose
from morphogen.data.table import table_of, table_of_parts
from morphogen.data.text import Corpus
from morphogen.data.text_lists import collect_texts
from morphogen.media import ReadingOptions

MOST = 200_000  # rows that are read per split: examples are kept in memory
CLASSES = 1000  # largest number of classes
VALID, TEST = ("validation", "valid", "val", "dev"), ("test",)
LABELS = ("label", "labels", "fine_label", "class", "category", "target", "y")
STRINGS = "string", "large_string"  # types of columns
TEXTS = ("text", "content", "sentence", "document")
SAVED = ("dataset_dict.json", "state.json")  # one of these is in a folder that `datasets` has saved
SHARDS = "**/*.tar"  # of WebDataset, which have a file a.png and a.txt for each picture
FORMS = "write hf:owner/name, hf:owner/name:config or hf:FOLDER"


def load_hub(source: str, resolution: int | None = None, length: int | None = None) -> Dataset | Corpus:
    """Load `owner/name[:config]` from the hub, or a local folder. Errors: DataError with the remedy."""
    tables = _load_tables(source)
    local = Path(source).expanduser()
    name = local.resolve().name if local.is_dir() else source
    return read_tables(name, f"data 'hf:{source}'", tables, ReadingOptions(resolution, length))


def holds_tables(path: Path) -> bool:
    """Whether a folder was saved by the package `datasets`, which reads it."""
    return path.is_dir() and any((path / name).is_file() for name in SAVED)


def tables_in(data: Any, own: Mapping[str, Any]) -> dict[str, Any] | None:
    """The splits by name of a `datasets.Dataset`, with the parts that are given, or of a `DatasetDict`.

    None for anything else. Columns are read as Python has them, whatever their format is.
    """
    datasets = sys.modules.get("datasets")  # without it, nothing in memory is one of its classes
    if datasets is None or not isinstance(data, datasets.Dataset | datasets.DatasetDict):
        return None
    tables = {**(data if isinstance(data, dict) else {"train": data}), **own}
    return {part: table.with_format(None) for part, table in tables.items()}


def recordings_in(tables: Mapping[str, Any]) -> str | None:
    """The column of recordings that say their rate; None: there is none."""
    features = next(iter(tables.values())).features
    for column, feature in features.items():
        fields = feature.keys() if isinstance(feature, Mapping) else ()
        if type(feature).__name__ == "Audio" or {"array", "sampling_rate"} <= set(fields):
            return column
    return None


def read_tables(
    name: str, where: str, tables: Mapping[str, Any], options: ReadingOptions
) -> Dataset | Corpus:
    """The pictures, the text or the table of splits that the package `datasets` has read.

    Arguments:
        name: of the data set.
        where: what errors begin with.
        tables: the splits by name.
        options: those of `load_data`; the condition is the name of the column of labels.

    Errors: DataError without a column that can be used.
    """
    tables = {part: _with_pictures(table) for part, table in tables.items() if len(table)}
    if not tables:
        raise DataError(f"{where}: it has no rows; give another data set")
    features = next(iter(tables.values())).features
    image = next((column for column, feature in features.items() if type(feature).__name__ == "Image"), None)
    if image is not None:
        label = options.condition if options.condition in features else _label_column(features)
        caption = next((column for column in _caption_columns(features) if column != label), None)
        return _pictures(name, where, tables, _Columns(image, label, caption), options.resolution)
    strings = [column for column, feature in features.items() if getattr(feature, "dtype", None) in STRINGS]
    learn = next(iter(tables.values()))
    prose = [
        column for column in strings if column in TEXTS or len(features) == 1 or is_prose(learn[:100][column])
    ]
    if not prose:
        return _table(name, tables, options)
    return _texts(name, tables, next((c for c in TEXTS if c in prose), prose[0]), options)


def _load_tables(source: str) -> dict[str, Any]:
    """The non-empty splits by their names."""
    try:
        import datasets
    except ImportError:
        raise DataError(
            f"data 'hf:{source}' needs the package datasets; install it: pip install 'morphogen[hub]'"
        ) from None
    path = Path(source).expanduser()
    name, _, config = source.partition(":")
    is_hub_name = re.fullmatch(r"[\w.-]+(/[\w.-]+)?", name) and not name.startswith(".")
    if not source or not (path.is_dir() or is_hub_name):
        raise DataError(f"data 'hf:{source}': no such folder, and not a name of the hub; {FORMS}")
    try:
        if holds_tables(path):
            loaded = datasets.load_from_disk(str(path))
        elif shards := sorted(map(str, path.glob(SHARDS))) if path.is_dir() else []:
            loaded = datasets.load_dataset("webdataset", data_files=shards)
        elif path.is_dir():
            loaded = datasets.load_dataset(str(path))
        else:
            loaded = datasets.load_dataset(name, config or None)
    except Exception as error:  # a dozen types, from datasets, huggingface_hub, the network and the files
        line = " ".join(str(error).split())[:300] or type(error).__name__
        raise DataError(f"data 'hf:{source}': {line}; check the name and the network; {FORMS}") from None
    return dict(loaded) if isinstance(loaded, dict) else {"train": loaded}


def _with_pictures(table: Any) -> Any:
    """A split whose columns of encoded pictures are decoded as such, also where other programs wrote them."""
    for column, feature in table.features.items():
        fields = feature.keys() if isinstance(feature, Mapping) else ()
        is_binary = getattr(feature, "dtype", None) in ("binary", "large_binary") or "bytes" in fields
        if is_binary and type(feature).__name__ != "Image" and _is_picture(table[0][column]):
            from datasets import Image as Picture

            return table.cast_column(column, Picture())
    return table


def _is_picture(cell: Any) -> bool:
    """Whether bytes, or those of a record, are an encoded picture."""
    try:
        Image.open(io.BytesIO(cell["bytes"] if isinstance(cell, Mapping) else cell)).close()
    except (UnidentifiedImageError, OSError, TypeError):
        return False
    return True


class _Columns(NamedTuple):
    """The columns of pictures, of their labels and of their captions; None: there are none."""

    image: str
    label: str | None
    caption: str | None


class _Parts(NamedTuple):
    """The authors' splits; valid and test are None if they have none."""

    train: Any
    valid: Any
    test: Any


def _parts(tables: Mapping[str, Any], label: str | None) -> _Parts:
    """Assign the authors' splits to train, valid and test.

    A test split with withheld labels (-1) is ignored. If only one other split remains, it is the test set.
    """
    labelled = {
        part: table for part, table in tables.items() if label is None or not _withheld(table[label])
    } or dict(tables)
    train = labelled.pop("train" if "train" in labelled else next(iter(labelled)))
    valid, test = (
        next((labelled[part] for part in names if part in labelled), None) for names in (VALID, TEST)
    )
    return _Parts(train, None, valid) if test is None else _Parts(train, valid, test)


def _withheld(labels: Any) -> bool:
    """Whether the first labels are all negative."""
    return all(isinstance(label, int) and label < 0 for label in labels[:100])


def _label_column(features: Mapping[str, Any]) -> str | None:
    """The first column of type ClassLabel, else the first of `LABELS` that holds integers or strings."""
    declared = next(
        (column for column, feature in features.items() if type(feature).__name__ == "ClassLabel"), None
    )
    plain = (*STRINGS, "bool", "int8", "int16", "int32", "int64", "uint8")
    return declared or next(
        (column for column in LABELS if getattr(features.get(column), "dtype", None) in plain), None
    )


def _caption_columns(features: Mapping[str, Any]) -> Iterator[str]:
    """The columns of strings, or of lists of them, that are called as captions are, usual names first."""
    for name in (*CAPTIONS, "txt"):
        for column, feature in features.items():
            inner = getattr(feature, "feature", feature[0] if isinstance(feature, list) else feature)
            if plain_name(column) == name and getattr(inner, "dtype", None) in STRINGS:
                yield column


def _pictures(
    name: str, where: str, tables: Mapping[str, Any], columns: _Columns, resolution: int | None
) -> Dataset:
    """Pictures of a column, with another one as classes, and one of captions."""
    image, label, caption = columns
    splits = _parts(tables, label)
    encoded = [_encoded_images(table, image) for table in splits]
    found = survey(row or b"" for rows in encoded for row in rows)
    side = choose_side(found.sizes, resolution)
    classes, index = _classes(splits, label)
    parts: list[tuple[list[np.ndarray], list[int], list[tuple[str, ...]]]] = []
    bad: list[str] = []
    first, read = 0, []  # the place of the first row of a split among all rows; places of those that are read
    for table, rows in zip(splits, encoded, strict=True):
        labels = table[: len(rows)][label] if index and rows else [None] * len(rows)
        texts = _captions(table, caption, len(rows))
        values, numbers, kept = [], [], []
        for i, (row, value) in enumerate(zip(rows, labels, strict=True)):
            picture = read_square(row, side, found.white) if row else "no picture"
            picture = "no label" if index and value not in index else picture
            if isinstance(picture, str):
                bad.append(f"skipped row {i}: {picture}")
            else:
                read.append(first + i)
                values.append(picture)
                numbers.append(index.get(value, 0))
                kept.append(texts[i])
        parts.append((values, numbers, kept))
        first += len(rows)
    check_skipped(where, sum(len(values) for values, *_ in parts), bad)
    notes = (*count_alike(bad), *_caption_notes(splits.train, columns, [part[2] for part in parts]))
    train, valid, test = _stacked(parts, bool(index))
    if train is None:
        raise DataError(f"{where}: its training split has no pictures; give another data set")
    found = found.of(read)
    notes = (resizing_note(found.sizes, side, resolution), *found.notes, *notes)
    return _assembled(name, train, valid, test, classes, notes)


def _assembled(
    name: str, train: Labelled, valid: Labelled | None, test: Labelled | None, classes: tuple[str, ...],
    notes: tuple[str, ...],
) -> Dataset:  # fmt: skip
    """The data set of the authors' splits, or of one split by content."""
    if test is None:
        return assemble(name, train, classes, notes=notes)
    every = torch.cat([part.values for part in (train, valid, test) if part is not None])
    return by_authors(name, train, test, classes, valid, notes, near_duplicates(every).tolist())


def _stacked(parts: Sequence[Any], is_labelled: bool) -> Iterator[Labelled | None]:
    """The pictures, labels and captions of each part; None: it has no pictures."""
    channels = max(len(picture) for values, *_ in parts for picture in values)
    for values, numbers, texts in parts:
        labels = torch.tensor(numbers) if is_labelled else None
        yield Labelled(stack(values, channels), labels, texts if any(texts) else ()) if values else None


def _captions(table: Any, caption: str | None, n: int) -> list[tuple[str, ...]]:
    """The captions of the first n rows of a split; () of a row without."""
    if caption is None or not n:
        return [()] * n
    cells = ([cell] if isinstance(cell, str) else cell or [] for cell in table[:n][caption])
    return [tuple(dict.fromkeys(text.strip() for text in texts if text and text.strip())) for texts in cells]


def _caption_notes(
    table: Any, columns: _Columns, parts: Sequence[Sequence[tuple[str, ...]]]
) -> Iterator[str]:
    """Notes on the column of captions, or on columns of texts that could be meant as such."""
    every = [texts for part in parts for texts in part]
    if columns.caption is not None:
        note = f"captions: column {columns.caption!r}, for {sum(map(bool, every))} of "
        note += counted(len(every), "picture")
        yield note if all(every) else f"{note}; models are conditioned on captions only if all have one"
    others = [
        repr(column)
        for column, feature in table.features.items()
        if column not in columns and getattr(feature, "dtype", None) in STRINGS
    ]
    if columns.caption is None and others:
        yield f"texts in {', '.join(others)} are not read; name a column caption to condition on it"


def _encoded_images(table: Any, image: str) -> list[Path | bytes | None]:
    """The first `MOST` images of a split, undecoded; [] if there is no such split."""
    if table is None:
        return []
    from datasets import Image

    rows = table.select(range(min(len(table), MOST))).cast_column(image, Image(decode=False))[image]
    return [
        None if row is None else row["bytes"] if row["bytes"] is not None else Path(row["path"])
        for row in rows
    ]


def _classes(parts: _Parts, label: str | None) -> tuple[tuple[str, ...], dict[Any, int]]:
    """The class names, and the class index of each value of the label column; both empty without classes."""
    if label is None:
        return (), {}
    if (names := getattr(parts.train.features[label], "names", None)) is not None:
        return tuple(names), {number: number for number in range(len(names))}
    values = sorted(
        {value for table in parts if table is not None for value in table.unique(label) if value is not None}
    )
    if len(values) > CLASSES:
        return (), {}
    return tuple(map(str, values)), {value: number for number, value in enumerate(values)}


def _texts(name: str, tables: Mapping[str, Any], column: str, options: ReadingOptions) -> Any:
    """The rows of a string column, read as a list of them is; a note names the columns that are not."""
    parts = {part: table for part, table in _parts(tables, None)._asdict().items() if table is not None}
    texts: dict[Any, Held] = {
        part: Held([row or "" for row in table[column]]) for part, table in parts.items()
    }
    if not any(map(str.strip, texts["train"].values)):
        raise DataError(f"{name}: its column {column!r} is empty; give another data set")
    others = [other for other in parts["train"].features if other != column]
    note = f"text: column {column!r}; not used: {', '.join(others)}"
    corpus = collect_texts(name, texts, options)
    return replace(corpus, notes=(note, *corpus.notes)) if others else corpus


def _table(name: str, tables: Mapping[str, Any], options: ReadingOptions) -> Dataset:
    """The columns of numbers and words as a table."""
    parts = _parts(tables, None)._asdict()
    frames = {part: table.to_pandas() for part, table in parts.items() if table is not None}
    if len(frames) == 1:
        return table_of(name, frames["train"], options.condition, options.table)
    return table_of_parts(name, frames, options.condition, options.table)
