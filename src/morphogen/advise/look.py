"""What data are, before any model sees them: how much there is, what can condition, and what to beware of."""

__all__ = ["Size", "conditions", "measure", "warnings"]

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from morphogen.data import Dataset, Pairs, Pictures, Rows, Sounds, Windows
from morphogen.representations.tabular import CategoryColumn, GridColumn, RealColumn

FEW = {
    "pictures": 300,
    "text": 100_000,
    "table": 200,
    "sound": 5_000,
}  # training examples; of text, bytes: below, expect copies or blur
COPIED = 1000  # training examples below which a network trained for long can learn them by heart
READ = 20_000  # examples looked at for doubles
UNEVEN = 10  # times more of one class than of another


@dataclass(frozen=True)
class Size:
    """How much there is.

    Arguments:
        train, valid, test: examples of each part; of text, windows.
        shape: of one example, in words.
        levels: values that a number of it takes, in words.
        bytes: in memory.
    """

    train: int
    valid: int
    test: int
    shape: str
    levels: str
    bytes: int


def measure(dataset: Dataset) -> Size:
    """The size of a data set."""
    parts: Any = (dataset.train, dataset.valid, dataset.test)
    representation: Any = dataset.representation
    if isinstance(dataset.train, Pictures):
        channels, height, width = representation.shape
        shape, levels = f"{width} x {height} pixels, {'grey' if channels == 1 else 'colour'}", f"{representation.levels} levels"
        size = sum(part.values.nbytes for part in parts)
    elif isinstance(dataset.train, Windows):
        unit = f"{representation.unit}s"
        shape, levels = f"windows of {dataset.train.length} {unit}", f"{int((dataset.train.text.unique() >= 0).sum())} different {unit}"
        size = _text(parts)
    elif isinstance(dataset.train, Pairs):
        shape, levels = f"pairs of texts, at most {representation.length} symbols each", f"{representation.vocabulary} symbols"
        size = sum(int(representation.count(part.first().medium).sum()) for part in parts)
    elif isinstance(dataset.train, Sounds):
        shape, levels = f"windows of {dataset.train.length} samples, {representation.rate} Hz", f"{representation.levels} levels (mu-law)"
        size = sum(part.values.nbytes for part in parts)
    else:
        grids = sum(column.step > 0 for column in representation.columns)
        shape = f"{len(representation.columns)} columns"
        levels = f"{grids} on a grid or of categories, {len(representation.columns) - grids} real"
        size = sum(part.values.nbytes for part in parts)
    return Size(len(dataset.train), len(dataset.valid), len(dataset.test), shape, levels, size)


def conditions(dataset: Dataset) -> tuple[str, ...]:
    """What samples can be asked for, a line each."""
    if dataset.classes:
        shown = ", ".join(dataset.classes[:8]) + (", ..." if len(dataset.classes) > 8 else "")
        return (f"{len(dataset.classes)} classes: {shown}",)
    if isinstance(dataset.train, Pairs):
        return ("a text: what is to become of it",)
    if dataset.medium == "text":
        return ("a prompt: how the text begins",)
    if dataset.medium == "table":
        return tuple(_columns(dataset))
    return ()


def warnings(dataset: Dataset, device: str) -> tuple[str, ...]:
    """What to beware of."""
    return (*_scarce(dataset), *_classes(dataset), *_doubles(dataset), *_shape(dataset, device))


def _columns(dataset: Dataset) -> Iterator[str]:
    """Columns that could be the condition."""
    columns: Any = dataset.representation
    for column in columns.columns:
        if isinstance(column, CategoryColumn):
            shown = ", ".join(column.levels[:5]) + (", ..." if len(column.levels) > 5 else "")
            yield f'--condition "{column.name}": {shown}'
        elif isinstance(column, GridColumn) and column.decimals == 0 and column.high - column.low <= 20:
            yield f'--condition "{column.name}": {column.low:g} to {column.high:g}'


def _scarce(dataset: Dataset) -> Iterator[str]:
    found = _text((dataset.train,)) if isinstance(dataset.train, Windows) else len(dataset.train)
    unit = "bytes of text" if isinstance(dataset.train, Windows) else "training examples"
    if found < FEW[dataset.medium]:
        yield f"{found:,} {unit} are few (under {FEW[dataset.medium]:,}): held-out figures will be uncertain; more data help more than time"
    if dataset.medium == "pictures" and found < COPIED:
        yield f"{found:,} pictures can be learned by heart: watch `copies` in `morphogen compare`, and train for minutes, not hours"


def _classes(dataset: Dataset) -> Iterator[str]:
    labels = getattr(dataset.train, "labels", None)
    if labels is None or not dataset.classes:
        return
    counts = torch.bincount(labels, minlength=len(dataset.classes))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] > UNEVEN * counts[least]:
        few, many = (f"{int(counts[i])} of {dataset.classes[i]!r}" for i in (least, most))
        yield f"uneven classes: {few}, {many} in the training part; samples draw every class equally often"


def _doubles(dataset: Dataset) -> Iterator[str]:
    if isinstance(dataset.train, Pictures | Rows):
        rows = dataset.train.values[:READ]
        copies = len(rows) - len({row.numpy().tobytes() for row in rows})
        if copies > 0.01 * len(rows):
            yield f"{copies} of {len(rows)} training examples are exact copies of others (copies stay in one part of the split)"


def _shape(dataset: Dataset, device: str) -> Iterator[str]:
    representation: Any = dataset.representation
    if isinstance(dataset.train, Pictures):
        side = max(representation.shape[1:])
        if side < 8:
            yield f"{side} pixels a side are very few: there is little to see, and coarse scales have nothing to work on"
        if side > 64 and device == "cpu":
            yield f"{side} pixels a side take hours on a CPU; try --resolution 32 first"
    if isinstance(dataset.train, Rows):
        for j, column in enumerate(representation.columns):
            value, times = Counter(dataset.train.values[:, j].tolist()).most_common(1)[0]
            if isinstance(column, RealColumn) and times > 0.1 * len(dataset.train):
                share = times / len(dataset.train)
                yield f"column {column.name!r} is {value:g} in {share:.0%} of the rows: a density there says more than it knows; round it"


def _text(parts: Any) -> int:
    """Symbols of text that the windows of these parts cover."""
    return sum(len(part) * part.length if i else len(part) for i, part in enumerate(parts))  # training windows begin at every symbol
