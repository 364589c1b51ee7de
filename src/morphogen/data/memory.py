"""Examples in memory: of their containers and options, the values, and of these the data set of a medium.

`containers` unpacks them into values with a label and a caption each; the media say which of them holds the
values (`Medium.holds`), and it collects them into a `Dataset`.
"""

__all__ = ["as_given", "collect", "collect_nothing", "holds_nothing", "read_labels"]

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from unicodedata import normalize

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import first_line
from morphogen.data.array_files import check_no_arrays
from morphogen.data.containers import unpack
from morphogen.data.dataset import DataError
from morphogen.data.held import Held, names_file
from morphogen.data.hub import CLASSES, read_tables, recordings_in, tables_in
from morphogen.data.splits import Part
from morphogen.media import Medium, ReadingOptions, media

KINDS = (
    "give pictures [N, H, W], [N, H, W, 3] or PIL pictures, a list of texts or of pairs of texts, "
    "a DataFrame or numbers [N, D], waveforms with rate=16000, a torch Dataset, or a path"
)


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
        if (column := recordings_in(tables)) is None:
            return read_tables(name, name, tables, options)
        data, *others = (list(table[column]) for table in tables.values())
        own = dict(zip([part for part in tables if part != "train"], others, strict=True))
    for part, rows in own.items():
        if not hasattr(rows, "__len__") and not isinstance(rows, Iterator):
            raise DataError(
                f"{part}={rows!r:.40}: give the examples themselves; without, a share is set aside"
            )
    parts: dict[Part, Held] = {
        part: unpack(rows, options.rate is not None) for part, rows in {"train": data, **own}.items()
    }
    for beside in ("labels", "captions"):
        if held.get(beside) is not None:
            parts["train"] = parts["train"]._replace(**{beside: held[beside]})
    check_no_arrays(parts["train"].values)
    parts = {part: _with_columns(one) for part, one in parts.items()}
    return _medium_of(parts["train"].values, options).collect(name, parts, options)


def as_given(examples: Any, representation: Any) -> Any:
    """Examples in memory to train a model of a representation, as `load_data` takes them: as they are."""
    return examples


def holds_nothing(values: Any, options: ReadingOptions) -> float:
    """0: the medium has no form in memory."""
    return 0.0


def collect_nothing(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Any:
    """Errors: DataError."""
    raise DataError(f"{name}: cannot be read; {KINDS}")


def read_labels(
    labels: Any,
) -> tuple[tuple[str, ...], Int[Tensor, " n"] | None, tuple[str, ...]]:
    """The class names, the label of each example, and a note where numbers are names and not places.

    Errors: DataError for what are no classes: real numbers, one-hot rows, missing labels, too many.
    """
    if labels is None:
        return (), None, ()
    plain = [_plain(label) for label in labels]
    _check_missing(plain)
    try:
        array = np.asarray(plain)
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
    _check_missing(array.tolist())
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


def _check_missing(labels: list[Any]) -> None:
    """Errors: DataError for a label that is None, empty, or not equal to itself, as NaN, NaT and NA are."""
    for i, label in enumerate(labels):
        if label is None or (label == label) is not True or label == "":
            raise DataError(f"labels[{i}] is missing; give every example a label, or leave it out")


def _medium_of(values: Any, options: ReadingOptions) -> Medium:
    """The medium that most certainly holds these values. Errors: DataError for none, or for its options."""
    candidates = {medium: medium.holds(values, options) for medium in media().values()}
    medium, certainty = max(candidates.items(), key=lambda item: item[1])
    if not certainty:
        is_one = options.rate is not None and getattr(values, "ndim", 0) == 1
        remedy = f"one waveform: give a list of several, mg.load_data([x, ...], rate={options.rate})"
        raise DataError(f"{_described(values)}: cannot be read; {remedy if is_one else KINDS}")
    known = None if medium.has_class_column else {None, *medium.computed_conditions}
    if known is not None and options.condition not in known:
        raise DataError(f"condition {options.condition!r}: {medium} have no columns; give labels, one each")
    return medium


def _column(what: str, given: Any, n: int) -> Any:
    """Labels or captions of n examples, one each, or the name of a file of n lines.

    Errors: DataError for another name, or for several columns.
    """
    if given is None:
        return None
    if isinstance(given, str | Path) and names_file(given):
        return _lines(what, Path(given).expanduser(), n)
    if isinstance(given, str | Path):
        raise DataError(
            f"{what} {given!r:.40}: give one per example; a file has one a line; "
            f"the column of a table is condition={str(given)!r:.40}"
        )
    if not hasattr(given, "__iter__") or getattr(given, "ndim", 1) == 0:
        rate = f"; samples per second of sounds are rate={given!r:.20}" if what == "labels" else ""
        raise DataError(f"{what}={given!r:.40}: give one per example{rate}")
    if hasattr(given, "columns"):
        if given.shape[1] != 1:
            return _one_hot(what, given)
        return given.iloc[:, 0]
    return list(given) if isinstance(given, Iterator) else given


def _lines(what: str, file: Path, n: int) -> list[str]:
    """The lines of a text file, one per example. Errors: DataError for another number of them."""
    try:
        lines = file.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(
            f"{what} {str(file)!r}: {first_line(error)}; give a text file, one line each"
        ) from None
    if len(lines) != n:
        raise DataError(
            f"{what} {str(file)!r} has {len(lines)} lines for {n} examples; give one line for each, or the "
            f"right ones of Path({str(file)!r}).read_text().splitlines()"
        )
    return lines


def _one_hot(what: str, given: Any) -> list[str]:
    """The name of the column that is 1 in each row, as get_dummies of pandas has them. Errors: DataError."""
    cells = given.to_numpy()
    is_number = cells.dtype.kind in "biuf"
    if not (is_number and ((cells == 0) | (cells == 1)).all() and (cells.sum(1) == 1).all()):
        name = given.columns[0].item() if hasattr(given.columns[0], "item") else given.columns[0]
        raise DataError(f"{what} have {given.shape[1]} columns: give one, such as y[{name!r}]")
    return [str(given.columns[j]) for j in cells.argmax(1)]


def _with_columns(held: Held) -> Held:
    """Labels and captions as columns. Errors: DataError for labels whose index orders other rows."""
    n = len(held.values) if hasattr(held.values, "__len__") else 0
    labels, captions = _column("labels", held.labels, n), _column("captions", held.captions, n)
    own, of_labels = (getattr(given, "index", None) for given in (held.values, labels))
    if (
        own is not None
        and hasattr(own, "equals")
        and hasattr(of_labels, "equals")
        and not own.equals(of_labels)
    ):
        raise DataError(
            "labels have another index than the examples: give y.reindex(X.index) to match by index, "
            "or y.to_numpy() to match by position"
        )
    return held._replace(labels=_decoded("labels", labels), captions=_decoded("captions", captions))


def _decoded(what: str, column: Any) -> Any:
    """A column of bytes, as HDF5 has texts, as texts; another as it is. Errors: DataError unless UTF-8."""
    if column is None or not any(isinstance(row, bytes) for row in column):
        return column
    try:
        return [row.decode() if isinstance(row, bytes) else row for row in column]
    except UnicodeDecodeError:
        remedy = f"[row.decode('latin-1') for row in {what}]"
        raise DataError(f"{what} are bytes that are not UTF-8: give texts, such as {remedy}") from None


def _plain(label: Any) -> Any:
    """A label as a plain Python value."""
    return label.tolist() if hasattr(label, "tolist") else label


def _described(values: Any) -> str:
    """The kind of what was given, and its shape if it has one."""
    shape = getattr(values, "shape", None)
    size = f" of shape {list(shape)}" if shape is not None else ""
    size = f" of {len(values)}" if shape is None and hasattr(values, "__len__") else size
    dtype = f", {values.dtype}" if hasattr(values, "dtype") else ""
    return f"data {type(values).__name__}{size}{dtype}"
