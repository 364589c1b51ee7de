"""A data set: examples in three parts that share nothing, what a model must know of them, and how the parts were made.

Examples lie in memory as bytes and become `Batch`es of the medium when they are asked for by index, so that the order of
training (a keyed permutation) and the subset of a measurement are index tensors and nothing else.
"""

__all__ = ["DataError", "Dataset", "Examples", "Pictures", "Windows"]

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Int, Shaped, UInt8
from torch import Tensor

from morphogen.contract import Batch, Representation


class DataError(ValueError):
    """Data that cannot be used; one line with the file or argument, its value and the remedy."""


class Examples(ABC):
    """Rows that can be asked for by index."""

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        """The rows `indices`, each in 0 .. len-1, in that order."""

    def first(self, n: int | None = None) -> Batch:
        """The first n rows (all: None). `load` orders pictures by hash and windows by golden steps, so these are a fair subset."""
        return self[torch.arange(len(self) if n is None else min(n, len(self)))]


class Pictures(Examples):
    """Pictures as bytes: medium = 2 values / (levels - 1) - 1.

    Arguments:
        values: [N, C, H, W] in 0 .. levels-1.
        levels: values a subpixel can take.
        labels: [N], or None.
        captions: what each picture shows in words, () if nothing says.
    """

    def __init__(
        self, values: UInt8[Tensor, "n c h w"], levels: int = 256, labels: Int[Tensor, " n"] | None = None, captions: Sequence[str] = ()
    ):
        self.values, self.levels, self.labels, self.captions = values, levels, labels, captions

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        medium = self.values[indices] * (2 / (self.levels - 1)) - 1
        return Batch(medium, None if self.labels is None else self.labels[indices])


class Windows(Examples):
    """Windows of a text: example i is the `length` symbols from starts[i].

    Arguments:
        text: ids [L]; -1 between two documents, which no window holds.
        starts: [N], each at most L - length.
        length: symbols of one window.
    """

    def __init__(self, text: Shaped[Tensor, " l"], starts: Int[Tensor, " n"], length: int):
        self.text, self.starts, self.length = text, starts, length

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        at = self.starts[indices][:, None] + torch.arange(self.length)
        return Batch(self.text[at].long())

    @property
    def seen(self) -> Int[Tensor, " l"]:
        """The symbols that some window holds, in their places; -1 at the others."""
        covered = torch.zeros(len(self.text) + 1, dtype=torch.long)
        covered.index_add_(0, self.starts, torch.ones_like(self.starts))
        covered.index_add_(0, self.starts + self.length, -torch.ones_like(self.starts))
        return torch.where(covered.cumsum(0)[:-1] > 0, self.text.long(), -1)


@dataclass(frozen=True)
class Dataset:
    """What `load` returns. Train learns, valid chooses, test is looked at once.

    Arguments:
        name: what a person calls it.
        medium: "pictures" (float [B, C, H, W] in [-1, 1]), "text" (int64 [B, T] ids of its symbols), "table" (float64 [B, D])
            or "sound" (float [B, 1, T] in [-1, 1]).
        train, valid, test: about 75, 10 and 15 % of the data.
        classes: the labels' names, () if there are none.
        representation: `Pixels(levels, shape)`, a `Text`, `Tabular(columns)` or `MuLaw(length, rate)`: what a system is called with.
        split: how the parts were made, with the sha256 of who stands where.
        notes: what a person should know (files skipped, sizes changed).
    """

    name: str
    medium: Literal["pictures", "text", "table", "sound"]
    train: Examples
    valid: Examples
    test: Examples
    classes: tuple[str, ...]
    representation: Representation
    split: str
    notes: tuple[str, ...] = ()
