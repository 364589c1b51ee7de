"""Pairs of texts, source and target, such as sentences and their translations. Both share one tokenizer.

medium       int64 [B, T]     target ids, the end token, then -1
"source"     int64 [B, S]     source ids, then -1
"""

__all__ = ["Pair", "PairCorpus", "Pairs", "SourceAndTarget", "pairs_by_content"]

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.data.dataset import DataError, Dataset, Examples
from morphogen.data.splits import PARTS, Part, split
from morphogen.data.text import UNUSED, WINDOW, Untokenized, text_representation
from morphogen.representations.text import Text

PAIR_TOKENIZER = "bpe:2000"  # the default


MOST = 0.95  # of the pairs, that a suggested length holds
Ids = tuple[list[int], list[int]]  # of a source and its target
SourceAndTarget = tuple[str | None, str | None]  # None: missing


class Pair(NamedTuple):
    """A source text, its target text and their part of the split."""

    part: Part
    source: str
    target: str


class Pairs(Examples):
    """Pairs of token sequences, padded with -1.

    Arguments:
        sources: [N, S].
        targets: [N, T], each with its end token.
    """

    def __init__(self, sources: Int[Tensor, "n s"], targets: Int[Tensor, "n t"]):
        self.sources, self.targets = sources, targets

    def __len__(self) -> int:
        return len(self.targets)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return Batch(self.targets[indices].long(), {"source": self.sources[indices].long()})

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from (self.sources, self.targets)

    @property
    def covered_tokens(self) -> Int[Tensor, " l"]:
        """The concatenated targets, separated by -1."""
        return torch.nn.functional.pad(self.targets.long(), (0, 1), value=-1).flatten()


@dataclass(frozen=True)
class PairCorpus(Untokenized):
    """Pairs of texts in three parts, before tokenization.

    Arguments:
        name, where, split, notes: see `Corpus`.
        pairs: in random order within each part, so that the first pairs of a part are a representative
            subset.
    """

    name: str
    where: str
    pairs: Sequence[Pair]
    split: str
    notes: tuple[str, ...] = ()

    def of(self, part: str) -> list[Pair]:
        """The pairs of a part."""
        return [pair for pair in self.pairs if pair.part == part]

    def windows(self, tokenizer: str | Text | None = None, length: int | None = None) -> Dataset:
        """Tokenized pairs, one per row, of at most `length` tokens; longer pairs are dropped and counted.

        Arguments:
            tokenizer: see `text_representation`; it must have an end token. None: "bpe:2000", trained on both
                languages.
            length: tokens per row; None: 64.

        Errors: DataError for a tokenizer without an end token, or if a part would be empty.
        """
        length = WINDOW if length is None else length
        if length < 2:
            raise DataError(f"length {length}: a row needs at least 2 tokens, one of them the end token")
        learn = [text for pair in self.of("train") for text in (pair.source, pair.target)]
        every = [text for pair in self.pairs for text in (pair.source, pair.target)]
        text = text_representation(self.where, tokenizer or PAIR_TOKENIZER, learn, every, length)
        if text.end is None:
            raise DataError(
                f"tokenizer {tokenizer!r}: {self.where} has pairs of texts, which need an end token; "
                f"write {PAIR_TOKENIZER}"
            )
        rows = {part: self._rows(part, text) for part in PARTS}
        train, valid, test = parts = [_fitting(rows[part], length) for part in PARTS]
        if empty := [name for name, part in zip(PARTS, parts, strict=True) if not len(part)]:
            raise DataError(
                f"{self.where}: no pair of its {empty[0]} part fits into {length} tokens; "
                f"{_longer(rows.values())}"
            )
        dropped, notes = len(self.pairs) - sum(map(len, parts)), self.notes
        if dropped > UNUSED * len(self.pairs):
            raise DataError(
                f"{self.where}: {dropped} of {len(self.pairs)} pairs are longer than {length} tokens and "
                f"would not be used; {_longer(rows.values())}"
            )
        if dropped:
            note = f"{dropped} of {len(self.pairs)} pairs are longer than {length} tokens and were dropped"
            notes = (*notes, note)
        return Dataset(self.name, "text", train, valid, test, {"source": text}, text, self.split, notes)

    def _rows(self, part: str, text: Text) -> list[Ids]:
        """The ids of the sources and targets of a part; the targets have their end token."""
        assert text.end is not None
        try:
            return [(text.ids(pair.source), [*text.ids(pair.target), text.end]) for pair in self.of(part)]
        except ConfigError as error:
            raise DataError(f"{self.where}: {error}") from None


def pairs_by_content(
    name: str,
    where: str,
    pairs: Sequence[SourceAndTarget],
    notes: tuple[str, ...] = (),
    own: Sequence[Part | None] = (),
) -> PairCorpus:
    """Split pairs by the hash of their source, so that all targets of a source are in one part.

    Arguments:
        name, where, notes: see `PairCorpus`.
        pairs: sources and targets; those with an empty or a missing text are dropped and counted.
        own: the part of each pair in the data's own split; see `split`.

    Errors: DataError if more than a tenth would be dropped, or for fewer than three distinct sources.
    """
    stripped = [((source or "").strip(), (target or "").strip()) for source, target in pairs]
    kept = [i for i, texts in enumerate(stripped) if all(texts)]
    full = [stripped[i] for i in kept]
    missing = len(pairs) - len(full)
    if missing > UNUSED * len(pairs):
        raise DataError(f"{where}: {missing} of {len(pairs)} pairs have no source or no target; remove them")
    try:
        parts = split([source.encode() for source, _ in full], [own[i] for i in kept] if own else ())
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    rows = [Pair(part, *full[i]) for part in PARTS for i in getattr(parts, part)]
    how = parts.line.replace("each example's content", "each source text").replace(
        " train,", " pairs train,", 1
    )
    more = (f"skipped {missing} pairs without a source or a target",) if missing else ()
    return PairCorpus(name, where, rows, how, (*notes, *more, *parts.copied("source text")))


def _fitting(rows: Sequence[Ids], length: int) -> Pairs:
    """The pairs that fit into `length` tokens."""
    short = [pair for pair in rows if max(map(len, pair)) <= length]
    sources, targets = [source for source, _ in short], [target for _, target in short]
    return Pairs(_padded(sources, length), _padded(targets, length))


def _longer(parts: Iterable[Sequence[Ids]]) -> str:
    """The lengths that hold most of the pairs, and all of them, as a remedy."""
    sizes = sorted(max(map(len, pair)) for part in parts for pair in part)
    most, every = sizes[math.ceil(MOST * len(sizes)) - 1], sizes[-1]
    some = f"{option('length', most)} holds {MOST:.0%} of them, " * (most < every)
    return f"{some}{option('length', every)} holds all"


def _padded(rows: Sequence[Sequence[int]], length: int) -> Tensor:
    """Rows of ids as int32 [N, length], padded with -1."""
    padded = torch.full((len(rows), length), -1, dtype=torch.int32)
    for i, row in enumerate(rows):
        padded[i, : len(row)] = torch.tensor(row, dtype=torch.int32)
    return padded
