"""Build a `Dataset` from arrays of pictures.

assemble        each picture is in the part that the data say, else in one by the hash of its content (see
                `splits`), near-duplicates together; a class of which train has no picture is left out, and
                named
by_authors      the same for parts that come as one array each, in the order of their authors
"""

__all__ = ["Groups", "Labelled", "assemble", "by_authors"]

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from morphogen.data.dataset import Dataset, Pictures, with_labels
from morphogen.data.near_duplicates import near_duplicates
from morphogen.data.splits import Part, Split, content_hash, split, trained_only
from morphogen.representations.pixels import Pixels

CHANGES = "resized, re-encoded or slightly changed"  # that make a near-duplicate


class Labelled(NamedTuple):
    """Pictures with their labels (or None) and captions, one or several each (or ())."""

    values: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, " n"] | None
    captions: Sequence[str | tuple[str, ...]] = ()

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


def assemble(
    name: str,
    data: Labelled,
    classes: Sequence[str] = (),
    levels: int = 256,
    parts: Sequence[Part | None] = (),
    groups: Groups | None = None,
    notes: Sequence[str] = (),
) -> Dataset:
    """A data set of pictures.

    Arguments:
        name: of the data set.
        data: the pictures, with labels in 0 .. len(classes)-1, and captions.
        classes: the class names, () if there are none.
        levels: number of values of a subpixel.
        parts: the part of each picture in the data's own split; (): they have none. A missing valid or test
            part is cut from train.
        groups: pictures that stay together where the parts are made by content; None: near-duplicates.
        notes: other facts for the user.

    Errors: DataError for fewer than three distinct pictures, or where no class is in every part.
    """
    contents = _contents(data)
    if groups is None:
        made = split(contents, parts, near_duplicates(data.values, levels).tolist())
    else:
        made = split(groups.keys, parts)
    # Sorted by content: neither classes nor pictures of a group are neighbours, so the first rows are a
    # random subset.
    train, valid, test = (
        sorted(part, key=lambda i: content_hash(contents[i])) for part in (made.train, made.valid, made.test)
    )
    made = replace(made, train=train, valid=valid, test=test)
    what = "each example's content" if groups is None else groups.what
    return _dataset(name, data, classes, levels, made, what, notes)


def by_authors(
    name: str,
    learn: Labelled,
    test: Labelled,
    classes: tuple[str, ...],
    valid: Labelled | None = None,
    notes: tuple[str, ...] = (),
    groups: Sequence[int] = (),
) -> Dataset:
    """Use the authors' own split; `learn` is their training set.

    Arguments:
        name, classes, notes: see `assemble`.
        learn, test, valid: the parts; a missing valid part is cut from `learn`.
        groups: number of the group of near-duplicates of each picture of learn, valid and test, in this
            order; (): not looked for.
    """
    own = [part for part in (learn, valid, test) if part is not None]
    labels = None if learn.labels is None else torch.cat([p.labels for p in own if p.labels is not None])
    captions = [caption for part in own for caption in part.captions or [""] * len(part.values)]
    values = torch.cat([part.values for part in own])
    data = Labelled(values, labels, captions if any(captions) else ())
    sizes: list[tuple[Part, int]] = [
        ("train", len(learn.values)),
        ("valid", 0 if valid is None else len(valid.values)),
        ("test", len(test.values)),
    ]
    parts = [part for part, size in sizes for _ in range(size)]
    made = split(_contents(data), parts, groups)
    return _dataset(name, data, classes, 256, made, "each picture's content", notes)


def _dataset(
    name: str,
    data: Labelled,
    classes: Sequence[str],
    levels: int,
    made: Split,
    what: str,
    notes: Sequence[str],
) -> Dataset:
    """The data set of a split, whose parts were cut by `what`."""
    notes = (*notes, *made.copied("picture", CHANGES))
    if data.labels is not None:
        made, kept, more = trained_only(made, data.labels.tolist(), classes)
        index = torch.full((len(classes),), -1).scatter(0, torch.tensor(kept), torch.arange(len(kept)))
        data, classes = data._replace(labels=index[data.labels]), [classes[label] for label in kept]
        notes += more
    train, valid, test = (data.rows(part, levels) for part in (made.train, made.valid, made.test))
    line = made.line.replace("each example's content", what)
    pixels = Pixels(levels, _shape(data))
    conditions = with_labels(tuple(classes))
    return Dataset(name, "pictures", train, valid, test, conditions, pixels, line, notes)


def _contents(data: Labelled) -> list[bytes]:
    return [value.tobytes() for value in data.values.numpy()]


def _shape(data: Labelled) -> tuple[int, int, int]:
    channels, height, width = data.values.shape[1:]
    return channels, height, width
