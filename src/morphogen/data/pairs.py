"""Pairs of texts: what is given, and what it shall become. Both are read in one set of symbols, whose end symbol ends them.

medium       int64 [B, T]     the target's ids, the end symbol, then -1
condition    int64 [B, S]     the source's ids, then -1
"""

__all__ = ["Pair", "PairCorpus", "Pairs"]

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.data.dataset import DataError, Dataset, Examples
from morphogen.data.text import PARTS, WINDOW, symbols
from morphogen.representations.text import Text

PIECES = "bpe:2000"  # if nobody says otherwise


class Pair(NamedTuple):
    """A text and what it is in other words, and who may see it."""

    part: Literal["train", "valid", "test"]
    source: str
    target: str


class Pairs(Examples):
    """Rows of ids, -1 behind the last of each.

    Arguments:
        sources: [N, S].
        targets: [N, T], each with its end symbol.
    """

    def __init__(self, sources: Int[Tensor, "n s"], targets: Int[Tensor, "n t"]):
        self.sources, self.targets = sources, targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.targets[indices].long(), self.sources[indices].long())

    @property
    def seen(self) -> Int[Tensor, " l"]:
        """The targets one after the other, -1 between."""
        return torch.nn.functional.pad(self.targets.long(), (0, 1), value=-1).flatten()


@dataclass(frozen=True)
class PairCorpus:
    """Pairs in three parts, before they are symbols.

    Arguments:
        name, where, split, notes: as of `Corpus`.
        pairs: those of a part in an order of which the first are a fair subset.
    """

    name: str
    where: str
    pairs: Sequence[Pair]
    split: str
    notes: tuple[str, ...] = ()

    def of(self, part: str) -> list[Pair]:
        """The pairs of a part."""
        return [pair for pair in self.pairs if pair.part == part]

    def windows(self, tokens: str | Text | None = None, length: int | None = None) -> Dataset:
        """A row each, of at most `length` symbols on either side; those that are longer are left out, and counted.

        Arguments:
            tokens: as of `text.symbols`, but with an end symbol; None: 2000 pieces, of both languages together.
            length: of a row; None: 64.

        Errors: DataError for symbols without an end, or where a part is left with nothing.
        """
        length = WINDOW if length is None else length
        if length < 2:
            raise DataError(f"length {length}: a row needs at least 2 symbols, one of them the end")
        learn = [text for pair in self.of("train") for text in (pair.source, pair.target)]
        every = [text for pair in self.pairs for text in (pair.source, pair.target)]
        text = symbols(self.where, tokens or PIECES, learn, every, length)
        if text.end is None:
            raise DataError(f"tokens {tokens!r}: {self.where} is pairs of texts, which need symbols with an end; write {PIECES}")
        parts = {part: self._rows(part, text, length) for part in PARTS}
        if empty := [part for part in PARTS if not len(parts[part])]:
            raise DataError(f"{self.where}: no pair of its {empty[0]} part fits into {length} symbols; give a larger length")
        left_out = len(self.pairs) - sum(map(len, parts.values()))
        notes = (f"{left_out} of {len(self.pairs)} pairs are longer than {length} symbols and left out",) if left_out else ()
        return Dataset(
            self.name, "text", parts["train"], parts["valid"], parts["test"], (), text, self.split, (*self.notes, *notes)
        )  # fmt: skip

    def _rows(self, part: str, text: Text, length: int) -> Pairs:
        assert text.end is not None
        try:
            read = [(text.ids(pair.source), [*text.ids(pair.target), text.end]) for pair in self.of(part)]
        except ConfigError as error:
            raise DataError(f"{self.where}: {error}") from None
        fitting = [(source, target) for source, target in read if len(source) <= length and len(target) <= length]
        return Pairs(_padded([source for source, _ in fitting], length), _padded([target for _, target in fitting], length))


def _padded(rows: Sequence[Sequence[int]], length: int) -> Tensor:
    """int32 [N, length], -1 behind each."""
    found = torch.full((len(rows), length), -1, dtype=torch.int32)
    for place, row in zip(found, rows, strict=True):
        place[: len(row)] = torch.tensor(row, dtype=torch.int32)
    return found
