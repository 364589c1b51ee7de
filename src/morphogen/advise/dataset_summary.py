"""Facts about a data set that need no model: its size, its possible conditions, and warnings."""

__all__ = ["Size", "Summary", "conditions", "measure", "summarise", "warnings"]

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch

from morphogen.conditioning.caption import CAPTION, Captions, caption_texts
from morphogen.data import Dataset

CHECKED = 20_000  # examples checked for duplicates
SHOWN = 60  # characters of a caption
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


class Summary(NamedTuple):
    """What is known of a data set before any system is tried; see `Advice`."""

    medium: str
    size: Size
    conditions: tuple[str, ...]
    notes: tuple[str, ...]


def summarise(dataset: Dataset, device: str) -> Summary:
    """The summary of a data set that is to be trained on with a device."""
    notes = dataset.notes + warnings(dataset, device)
    return Summary(dataset.medium, measure(dataset), conditions(dataset), notes)


def measure(dataset: Dataset) -> Size:
    """The size of a data set."""
    shape, levels, stored = dataset.representation.medium.describe(dataset)
    return Size(len(dataset.train), len(dataset.valid), len(dataset.test), shape, levels, stored)


def conditions(dataset: Dataset) -> tuple[str, ...]:
    """What samples can be conditioned on, one line each."""
    captions = _captions(dataset)
    if dataset.classes:
        names = ", ".join(dataset.classes[:8]) + (", ..." if len(dataset.classes) > 8 else "")
        return (f"{len(dataset.classes)} classes: {names}", *captions)
    if captions:
        return captions
    computed = [
        name for name in dataset.conditions if name in dataset.representation.medium.computed_conditions
    ]
    if computed:
        return tuple(dataset.conditions[name].plural for name in computed)
    return tuple(dataset.representation.medium.conditions(dataset))


def warnings(dataset: Dataset, device: str) -> tuple[str, ...]:
    """Warnings about the data, one line each."""
    return (
        *_small_data(dataset),
        *_imbalance(dataset),
        *_duplicates(dataset),
        *dataset.representation.medium.warnings(dataset, device),
    )


def _captions(dataset: Dataset) -> tuple[str, ...]:
    """A line about the captions, with the first one."""
    if not isinstance(spec := dataset.conditions.get(CAPTION), Captions):
        return ()
    (first,) = caption_texts(dataset.train.first(1).condition[CAPTION])
    shown = first if len(first) <= SHOWN else f"{first[:SHOWN]}..."
    return (f"captions of at most {spec.text.length} tokens, such as {shown!r}",)


def _small_data(dataset: Dataset) -> Iterator[str]:
    medium = dataset.representation.medium
    count, unit = medium.amount(dataset)
    if count < medium.few:
        yield (
            f"{count:,} {unit} are few (under {medium.few:,}): held-out figures will be uncertain; "
            "more data help more than time"
        )
    if count < medium.memorisable:
        yield (
            f"{count:,} {medium} can be memorised: check `copies` in `morphogen compare`, "
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
        spec: Any = dataset.conditions["label"]
        often = "in the data's proportions" if spec.weights else "equally often"
        yield (
            f"unbalanced classes: {few}, {many} in the training split; "
            f"unconditional samples draw every class {often}"
        )


def _duplicates(dataset: Dataset) -> Iterator[str]:
    values = getattr(dataset.train, "values", None)
    if values is None or len(values) != len(dataset.train):  # windows of a longer text or sound
        return
    rows = values[:CHECKED]
    copies = len(rows) - len({row.numpy().tobytes() for row in rows})
    if copies > 0.01 * len(rows):
        yield (
            f"{copies} of {len(rows)} training examples are exact copies of others "
            "(copies are kept in the same split)"
        )
