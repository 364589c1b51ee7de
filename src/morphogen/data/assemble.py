"""From arrays of pictures to a `Dataset`: the parts by content, or as the authors published them.

by_content      train, valid and test where the hash of each picture says (`splits`)
by_authors      the authors' test part is the test; without a valid part of theirs, a tenth of the training part, by content, is it
"""

__all__ = ["Labelled", "Together", "by_authors", "by_content"]

from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Int, UInt8
from torch import Tensor

from morphogen.data.dataset import Dataset, Pictures
from morphogen.data.splits import hash_text, split
from morphogen.representations.pixels import Pixels


class Labelled(NamedTuple):
    """Pictures of one part, their labels if they have some, and what each shows in words, () if nothing says."""

    values: UInt8[Tensor, "n c h w"]
    labels: Int[Tensor, " n"] | None
    captions: Sequence[str] = ()

    def rows(self, indices: Sequence[int], levels: int) -> Pictures:
        """Some of them, in the order of `indices`."""
        at = torch.tensor(indices, dtype=torch.long)
        labels = None if self.labels is None else self.labels[at]
        return Pictures(self.values[at], levels, labels, [self.captions[i] for i in indices] if self.captions else ())


class Together(NamedTuple):
    """Pictures that must not be parted: those of one key, one key a picture; and in words, what the keys are."""

    keys: Sequence[bytes]
    what: str


def by_content(
    name: str, data: Labelled, classes: tuple[str, ...], levels: int = 256, together: Together | None = None, notes: tuple[str, ...] = ()
) -> Dataset:
    """Split by the content of each picture, or as `together` says.

    Errors: DataError with fewer than three distinct pictures.
    """
    contents = _contents(data)
    parts = split(contents if together is None else together.keys)
    train, valid, test = (  # those of one key do not stand side by side: the first rows of a part are a fair subset
        data.rows(sorted(part, key=lambda i: hash_text(contents[i])), levels) for part in (parts.train, parts.valid, parts.test)
    )
    line = parts.line if together is None else parts.line.replace("each example's content", together.what)
    return Dataset(name, "pictures", train, valid, test, classes, Pixels(levels, _shape(data)), line, notes)


def by_authors(
    name: str, learn: Labelled, test: Labelled, classes: tuple[str, ...], valid: Labelled | None = None, notes: tuple[str, ...] = ()
) -> Dataset:
    """The authors' own parts."""
    if valid is None:
        parts = split(_contents(learn))
        train_part, valid_part = learn.rows(parts.train + parts.test, 256), learn.rows(parts.valid, 256)
        how = f"{len(train_part)} train, {len(valid_part)} valid by the hash of each picture's content"
    else:
        train_part, valid_part = (part.rows(range(len(part.values)), 256) for part in (learn, valid))
        how = f"{len(train_part)} train, {len(valid_part)} valid, the authors' own parts"
    test_part = test.rows(range(len(test.values)), 256)
    line = f"{how}; {len(test_part)} test, the authors' own part"
    return Dataset(name, "pictures", train_part, valid_part, test_part, classes, Pixels(256, _shape(learn)), line, notes)


def _contents(data: Labelled) -> list[bytes]:
    return [value.tobytes() for value in data.values.numpy()]


def _shape(data: Labelled) -> tuple[int, int, int]:
    channels, height, width = data.values.shape[1:]
    return channels, height, width
