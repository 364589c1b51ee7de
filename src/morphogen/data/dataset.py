"""`Dataset`: train, valid and test examples, their conditions and representation, and how they were split.

Examples are kept in memory as bytes and become a `Batch` of the medium when indexed, so the order of training
(a keyed permutation) and the subset of an evaluation are just index tensors.
"""

__all__ = ["CaptionReader", "DataError", "Dataset", "Examples", "Pictures", "Windows", "with_labels"]

import hashlib
import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import Any, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Int, Shaped, UInt8
from torch import Tensor

from morphogen.component import to_config
from morphogen.conditioning.specs import Classes
from morphogen.contract import Batch, ConditionSpec, Representation
from morphogen.data.row_numbers import needs_part, takes_numbers
from morphogen.numerics.trees import leaves
from morphogen.other_words import other_word


class DataError(ValueError):
    """Data that cannot be used; one line with the file or argument, its value and the remedy."""


class Examples(ABC):
    """A sequence of examples, indexed by a tensor of row numbers."""

    medium_at = "batch.medium", "with batch.condition", "of batch = data.test.first(n)"
    overlap: int = 1  # examples of the training part that share an element, as overlapping windows do
    labels: Int[Tensor, " n"] | None = None  # of the examples, if they have classes
    conditions: Mapping[str, ConditionSpec] = MappingProxyType({})  # what the conditions of the rows are
    representation: Representation | None = None  # of the data set of these rows; None: not known

    def __init_subclass__(cls, **options: Any) -> None:
        super().__init_subclass__(**options)
        if "__getitem__" in vars(cls):
            cls.__getitem__ = takes_numbers(cls.__getitem__)  # type: ignore[method-assign]

    @abstractmethod
    def __len__(self) -> int: ...

    @abstractmethod
    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        """The rows `indices`, each in 0 .. len-1, in that order; also a number, a slice or a list of them."""

    def __iter__(self) -> Iterator[Batch]:
        """The rows one by one, each as a batch."""
        return (self[rows] for rows in torch.arange(len(self)).split(1))

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> np.ndarray:
        """The medium of all rows as an array."""
        return np.asarray(self.first().medium, dtype)

    def __getattr__(self, name: str) -> Any:
        """Errors: UnknownAttribute for what another library has; AttributeError."""
        kind = type(self).__name__
        raise other_word("data.train", name) or AttributeError(f"{kind} has no attribute {name!r}")

    def coordinates(self, medium: Shaped[Tensor, "m ..."]) -> Shaped[Tensor, "m e"]:
        """Rows of the medium as vectors, whose Euclidean distance tells how near they are to each other."""
        return medium.flatten(1)

    def belong_to(self, data: "Dataset | Examples") -> None:
        """Take the conditions and the representation of a data set, or of its rows, unless they are known."""
        if self.representation is None:
            self.conditions, self.representation = data.conditions, data.representation

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        """The tensors that determine the examples, for `Dataset.sha256`; by default the batches."""
        for rows in torch.arange(len(self)).split(1024):
            batch = self[rows]
            yield from leaves(batch.medium)
            yield from leaves(batch.condition)

    def first(self, n: int | None = None) -> Batch:
        """The first n rows (None: all); `load_data` orders the rows so that they are a fair subset."""
        return self[torch.arange(len(self) if n is None else min(n, len(self)))]


@runtime_checkable
class CaptionReader(Protocol):
    """Tells whether samples show what captions ask for, as far as it can be told exactly."""

    def read(self, samples: Any) -> Any:
        """What samples show."""

    def groups(self, captions: Sequence[str]) -> Mapping[str, Bool[Tensor, " n"]]:
        """Which captions are of which kind, such as seen and held-out combinations."""

    def score(
        self, shown: Any, captions: Sequence[str]
    ) -> Mapping[str, tuple[Int[Tensor, " n"], Int[Tensor, " n"]]]:
        """How many of the things that captions ask for are right, and are asked for, by row and measure."""


class Pictures(Examples):
    """Pictures stored as bytes: medium = 2 values / (levels - 1) - 1.

    Arguments:
        values: [N, C, H, W] in 0 .. levels-1.
        levels: number of values of a subpixel.
        labels: [N], or None.
        captions: a description of each picture, or several, or ().
    """

    def __init__(
        self,
        values: UInt8[Tensor, "n c h w"],
        levels: int = 256,
        labels: Int[Tensor, " n"] | None = None,
        captions: Sequence[str | tuple[str, ...]] = (),
    ):
        self.values, self.levels, self.labels, self.captions = values, levels, labels, captions

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        # copies each picture at once, where values[indices] copies byte by byte
        medium = self.values.index_select(0, indices) * (2 / (self.levels - 1)) - 1
        return Batch(medium, {} if self.labels is None else {"label": self.labels[indices]})

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from (self.values, *([] if self.labels is None else [self.labels]))


class Windows(Examples):
    """Windows of a tokenized text: example i is the `length` tokens from starts[i].

    Arguments:
        text: token ids [L]; -1 separates documents and is in no window.
        starts: [N], each at most L - length.
        length: tokens per window.
    """

    def __init__(self, text: Shaped[Tensor, " l"], starts: Int[Tensor, " n"], length: int):
        self.text, self.starts, self.length = text, starts, length
        self.overlap = length  # training windows start at every token

    def __len__(self) -> int:
        return len(self.starts)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        positions = self.starts[indices][:, None] + torch.arange(self.length)
        return Batch(self.text[positions].long())

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from (self.text, self.starts)

    @property
    def covered_tokens(self) -> Int[Tensor, " l"]:
        """The text with every token that is in no window replaced by -1."""
        covered = torch.zeros(len(self.text) + 1, dtype=torch.long)
        covered.index_add_(0, self.starts, torch.ones_like(self.starts))
        covered.index_add_(0, self.starts + self.length, -torch.ones_like(self.starts))
        return torch.where(covered.cumsum(0)[:-1] > 0, self.text.long(), -1)


@dataclass(frozen=True, repr=False)
class Dataset:
    """A data set as `load_data` returns it: train to fit, valid to select, test for the final evaluation.

    Arguments:
        name: for reports.
        medium: name of the medium: "pictures" (float [B, C, H, W] in [-1, 1]), "text" (int64 [B, T] token
            ids), "table" (float64 [B, D]), "sound" (float [B, 1, T] in [-1, 1]), ...
        train, valid, test: about 75, 10 and 15 % of the data.
        conditions: what the examples can be conditioned on, by name: {"label": Classes(names)}; the batches
            have them under the same names.
        representation: `Pixels(levels, shape)`, a `Text`, `Tabular(columns)` or `MuLaw(length, rate)`: the
            first argument of a system.
        split: how the parts were made, with a sha256 of the assignment.
        notes: facts for the user (skipped files, changed sizes).
        reader: tells whether samples show what their captions ask for; None: nothing does.
    """

    medium_at = "batch.medium", "with batch.condition", "of batch = data.test.first(n)"

    name: str
    medium: str
    train: Examples
    valid: Examples
    test: Examples
    conditions: Mapping[str, ConditionSpec]
    representation: Representation
    split: str
    notes: tuple[str, ...] = ()
    reader: CaptionReader | None = None

    def __post_init__(self) -> None:
        for part in (self.train, self.valid, self.test):
            part.belong_to(self)

    __len__ = needs_part("len(data.train)")
    __iter__ = __getitem__ = needs_part("data.train[0]")
    __array__ = needs_part("data.train.first(16).medium")

    def __bool__(self) -> bool:
        return True

    def __getattr__(self, name: str) -> Any:
        """Errors: UnknownAttribute for what another library has; AttributeError."""
        raise other_word("data", name) or AttributeError(f"Dataset has no attribute {name!r}")

    def __repr__(self) -> str:
        parts = ", ".join(f"{len(getattr(self, part))} {part}" for part in ("train", "valid", "test"))
        classes = f", {len(self.classes)} classes" if self.classes else ""
        return f"Dataset({self.name!r}, {self.medium}: {parts}{classes}; {len(self.notes)} notes)"

    @cached_property
    def sha256(self) -> str:
        """Hash of the examples, their labels, the class names and the representation, not of file names."""
        config = [self.conditions_config, to_config(self.representation)]
        digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
        for part in (self.train, self.valid, self.test):
            for tensor in part.contents():
                digest.update(f"{tensor.dtype} {tuple(tensor.shape)}".encode())
                digest.update(tensor.contiguous().flatten().view(torch.uint8).numpy().data)
        return digest.hexdigest()

    @property
    def conditions_config(self) -> dict[str, Any]:
        """The conditions as JSON, for the record of a run."""
        return {name: to_config(spec) for name, spec in self.conditions.items()}

    @property
    def classes(self) -> tuple[str, ...]:
        """The class names, () if the examples have no labels."""
        label = self.conditions.get("label")
        return label.names if isinstance(label, Classes) else ()


def with_labels(classes: Sequence[str]) -> Mapping[str, ConditionSpec]:
    """The conditions of data whose only condition is a label; none without classes."""
    return {"label": Classes(tuple(classes))} if classes else {}
