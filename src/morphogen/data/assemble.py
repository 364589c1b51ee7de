"""Build a `Dataset` from arrays of pictures.

by_content      each picture is assigned to train, valid or test by the hash of its content (see `splits`)
by_authors      uses the authors' test set; without a validation set of theirs, a tenth of the training set,
                chosen by content, becomes one
"""

__all__ = ["Groups", "Labelled", "by_authors", "by_content"]

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from morphogen.data.dataset import Dataset, Pictures, with_labels
from morphogen.data.splits import content_hash, split
from morphogen.representations.pixels import Pixels


class Labelled(NamedTuple):
    """Pictures with their labels (or None) and captions (or ())."""

    values: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, " n"] | None
    captions: Sequence[str] = ()

    def rows(self, indices: Sequence[int], levels: int) -> Pictures:
        """The pictures at `indices`, in that order."""
        index = torch.tensor(indices, dtype=torch.long)
        labels = None if self.labels is None else self.labels[index]
        captions = [self.captions[i] for i in indices] if self.captions else ()
        return Pictures(self.values[index], levels, labels, captions)


class Groups(NamedTuple):
    """Groups of pictures that stay in one part of the split: one key per picture, and a description of it."""

    keys: Sequence[bytes]
    what: str


def by_content(
    name: str,
    data: Labelled,
    classes: tuple[str, ...],
    levels: int = 256,
    groups: Groups | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Split by the content of each picture, or by the keys of `groups`.

    Errors: DataError for fewer than three distinct pictures.
    """
    contents = _contents(data)
    parts = split(contents if groups is None else groups.keys)
    # Sorted by content hash: pictures of a group are not neighbours, so the first rows are a random subset.
    train, valid, test = (
        data.rows(sorted(part, key=lambda i: content_hash(contents[i])), levels)
        for part in (parts.train, parts.valid, parts.test)
    )
    line = parts.line if groups is None else parts.line.replace("each example's content", groups.what)
    pixels = Pixels(levels, _shape(data))
    return Dataset(name, "pictures", train, valid, test, with_labels(classes), pixels, line, notes)


def by_authors(
    name: str,
    learn: Labelled,
    test: Labelled,
    classes: tuple[str, ...],
    valid: Labelled | None = None,
    notes: tuple[str, ...] = (),
) -> Dataset:
    """Use the authors' own split; `learn` is their training set."""
    if valid is None:
        parts = split(_contents(learn))
        train_part, valid_part = learn.rows(parts.train + parts.test, 256), learn.rows(parts.valid, 256)
        how = f"{len(train_part)} train, {len(valid_part)} valid by the hash of each picture's content"
    else:
        train_part, valid_part = (part.rows(range(len(part.values)), 256) for part in (learn, valid))
        how = f"{len(train_part)} train, {len(valid_part)} valid, the authors' own parts"
    test_part = test.rows(range(len(test.values)), 256)
    line = f"{how}; {len(test_part)} test, the authors' own part"
    pixels = Pixels(256, _shape(learn))
    return Dataset(
        name, "pictures", train_part, valid_part, test_part, with_labels(classes), pixels, line, notes
    )


def _contents(data: Labelled) -> list[bytes]:
    return [value.tobytes() for value in data.values.numpy()]


def _shape(data: Labelled) -> tuple[int, int, int]:
    channels, height, width = data.values.shape[1:]
    return channels, height, width
