"""Facts about a data set that need no model: its size, its possible conditions, and warnings."""

__all__ = ["Size", "conditions", "measure", "warnings"]

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch

from morphogen.data import Dataset, Pairs, Pictures, Rows, Sounds, Windows
from morphogen.representations.tabular import CategoryColumn, GridColumn, RealColumn

FEW = {  # training examples (bytes, for text) below which a warning is given
    "pictures": 300,
    "text": 100_000,
    "table": 200,
    "sound": 5_000,
}
MEMORISABLE = 1000  # training pictures below which a long training can memorise them
CHECKED = 20_000  # examples checked for duplicates
IMBALANCE = 10  # ratio of the largest class to the smallest above which a warning is given


@dataclass(frozen=True)
class Size:
    """Size of a data set.

    Arguments:
        train, valid, test: number of examples per split; for text, windows.
        shape: shape of one example, in words.
        levels: values that one dimension takes, in words.
        bytes: size in memory.
    """

    train: int
    valid: int
    test: int
    shape: str
    levels: str
    bytes: int


def measure(dataset: Dataset) -> Size:
    """The size of a data set."""
    splits: Any = (dataset.train, dataset.valid, dataset.test)
    train, representation = dataset.train, _representation(dataset)
    if isinstance(train, Pictures):
        channels, height, width = representation.shape
        shape = f"{width} x {height} pixels, {'grey' if channels == 1 else 'colour'}"
        levels = f"{representation.levels} levels"
    elif isinstance(train, Windows):
        unit = f"{representation.unit}s"
        shape = f"windows of {train.length} {unit}"
        levels = f"{int((train.text.unique() >= 0).sum())} different {unit}"
    elif isinstance(train, Pairs):
        shape = f"pairs of texts, at most {representation.length} tokens each"
        levels = f"{representation.vocabulary} tokens"
    elif isinstance(train, Sounds):
        shape = f"windows of {train.length} samples, {representation.rate} Hz"
        levels = f"{representation.levels} levels (mu-law)"
    else:
        discrete = sum(column.step > 0 for column in representation.columns)
        shape = f"{len(representation.columns)} columns"
        levels = f"{discrete} discrete (grid or categories), {len(representation.columns) - discrete} real"
    if isinstance(train, Windows):
        size = _covered(splits)
    elif isinstance(train, Pairs):
        size = sum(int(representation.count(split.first().medium).sum()) for split in splits)
    else:
        size = sum(split.values.nbytes for split in splits)
    return Size(len(dataset.train), len(dataset.valid), len(dataset.test), shape, levels, size)


def conditions(dataset: Dataset) -> tuple[str, ...]:
    """What samples can be conditioned on, one line each."""
    if dataset.classes:
        names = ", ".join(dataset.classes[:8]) + (", ..." if len(dataset.classes) > 8 else "")
        return (f"{len(dataset.classes)} classes: {names}",)
    if isinstance(dataset.train, Pairs):
        return ("a source text, to be translated",)
    if dataset.medium == "text":
        return ("a prompt: the beginning of the text",)
    if dataset.medium == "table":
        return tuple(_columns(dataset))
    return ()


def warnings(dataset: Dataset, device: str) -> tuple[str, ...]:
    """Warnings about the data, one line each."""
    return (
        *_small_data(dataset),
        *_imbalance(dataset),
        *_duplicates(dataset),
        *_extreme_sizes(dataset, device),
        *_repeated_values(dataset),
    )


def _representation(dataset: Dataset) -> Any:
    return dataset.representation


def _columns(dataset: Dataset) -> Iterator[str]:
    """Columns that can be the condition."""
    for column in _representation(dataset).columns:
        if isinstance(column, CategoryColumn):
            names = ", ".join(column.levels[:5]) + (", ..." if len(column.levels) > 5 else "")
            yield f'--condition "{column.name}": {names}'
        elif isinstance(column, GridColumn) and column.decimals == 0 and column.high - column.low <= 20:
            yield f'--condition "{column.name}": {column.low:g} to {column.high:g}'


def _small_data(dataset: Dataset) -> Iterator[str]:
    is_text = isinstance(dataset.train, Windows)
    count = _covered((dataset.train,)) if is_text else len(dataset.train)
    unit = "bytes of text" if is_text else "training examples"
    least = FEW[dataset.medium]
    if count < least:
        yield (
            f"{count:,} {unit} are few (under {least:,}): held-out figures will be uncertain; "
            "more data help more than time"
        )
    if dataset.medium == "pictures" and count < MEMORISABLE:
        yield (
            f"{count:,} pictures can be memorised: check `copies` in `morphogen compare`, "
            "and train for minutes, not hours"
        )


def _imbalance(dataset: Dataset) -> Iterator[str]:
    labels = getattr(dataset.train, "labels", None)
    if labels is None or not dataset.classes:
        return
    counts = torch.bincount(labels, minlength=len(dataset.classes))
    least, most = int(counts.argmin()), int(counts.argmax())
    if counts[most] > IMBALANCE * counts[least]:
        few, many = (f"{int(counts[i])} of {dataset.classes[i]!r}" for i in (least, most))
        yield (
            f"unbalanced classes: {few}, {many} in the training split; "
            "unconditional samples draw every class equally often"
        )


def _duplicates(dataset: Dataset) -> Iterator[str]:
    if isinstance(dataset.train, Pictures | Rows):
        rows = dataset.train.values[:CHECKED]
        copies = len(rows) - len({row.numpy().tobytes() for row in rows})
        if copies > 0.01 * len(rows):
            yield (
                f"{copies} of {len(rows)} training examples are exact copies of others "
                "(copies are kept in the same split)"
            )


def _extreme_sizes(dataset: Dataset, device: str) -> Iterator[str]:
    if not isinstance(dataset.train, Pictures):
        return
    side = max(_representation(dataset).shape[1:])
    if side < 8:
        yield f"{side} pixels per side are very few: there is little detail, and coarse scales are trivial"
    if side > 64 and device == "cpu":
        yield f"{side} pixels per side take hours on a CPU; try --resolution 32 first"


def _repeated_values(dataset: Dataset) -> Iterator[str]:
    """Real columns with an atom, where a density is unbounded."""
    if not isinstance(dataset.train, Rows):
        return
    for j, column in enumerate(_representation(dataset).columns):
        value, times = Counter(dataset.train.values[:, j].tolist()).most_common(1)[0]
        if isinstance(column, RealColumn) and times > 0.1 * len(dataset.train):
            fraction = times / len(dataset.train)
            yield (
                f"column {column.name!r} is {value:g} in {fraction:.0%} of the rows: "
                "its density is unbounded there; round the column"
            )


def _covered(splits: Any) -> int:
    """Tokens of text that the windows of the splits cover; those of the first split, training, overlap."""
    return sum(len(split) * split.length if i else len(split) for i, split in enumerate(splits))
