"""Texts as windows of tokens.

A `Corpus` is a set of texts in three parts, before tokenization: the held-out bytes do not depend on the
tokenizer, and a tokenizer is trained on the train part only. A window never crosses the boundary of a
document, and so neither of a part.

A single text is cut into blocks of whole lines, and each block is assigned to a part by the hash of its
bytes; adjacent blocks of the same part form one document. So hardly any of a test window was seen in
training, and the test set is a sample of the whole text, which "the last 10 %" is not. A folder of texts is
split by file.
"""

__all__ = [
    "TOKENIZERS",
    "WINDOW",
    "Corpus",
    "Document",
    "Untokenized",
    "concatenate",
    "cut",
    "text_by_content",
    "text_representation",
    "texts_by_content",
]

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.data.dataset import DataError, Dataset, Windows
from morphogen.data.encoding import decode_utf8
from morphogen.data.splits import PARTS, Part, split
from morphogen.representations.text import Bytes, Characters, Text, Tokens
from morphogen.representations.tokenizer import bpe, unigram

WINDOW = 64  # default number of tokens per window
TOKENIZERS = "bytes, characters, bpe:1000 or unigram:1000 (or another vocabulary size)"
UNUSED = 0.1  # largest fraction of a text that may be in no window

Block = tuple[int, int]  # start and end in bytes


class Document(NamedTuple):
    """A running text and its part of the split."""

    part: Part
    text: str


class Untokenized(ABC):
    """Texts before tokenization."""

    notes: tuple[str, ...]

    @abstractmethod
    def windows(self, tokenizer: str | Text | None = None, length: int | None = None) -> Dataset:
        """Examples of `length` tokens."""


@dataclass(frozen=True)
class Corpus(Untokenized):
    """Texts in three parts, before tokenization.

    Arguments:
        name: for reports.
        where: what errors name: the name, or a path.
        documents: in the order of the source; no window crosses from one into the next.
        split: how the parts were made.
        notes: facts for the user.
    """

    name: str
    where: str
    documents: Sequence[Document]
    split: str
    notes: tuple[str, ...] = ()

    def of(self, part: str) -> list[str]:
        """The texts of a part."""
        return [document.text for document in self.documents if document.part == part]

    def windows(self, tokenizer: str | Text | None = None, length: int | None = None) -> Dataset:
        """Windows of `length` tokens: at every offset for training, non-overlapping for validation and test.

        Arguments:
            tokenizer: see `text_representation`; None: bytes.
            length: tokens per window; None: 64.

        Errors: DataError if a part is shorter than a window, or the text cannot be tokenized.
        """
        length = WINDOW if length is None else length
        if length < 2:
            raise DataError(f"length {length}: a window needs at least 2 tokens")
        every = [document.text for document in self.documents]
        text = text_representation(self.where, tokenizer or "bytes", self.of("train"), every, length)
        ids, spans = _tokenize(self.where, text, self.documents)
        unit = "tokens" if isinstance(text, Tokens) else f"{text.unit}s"
        notes = (*self.notes, *_check_unused(self.where, spans, length, unit))
        train, valid, test = (
            Windows(ids, _starts(spans[part], length, stride), length)
            for part, stride in zip(PARTS, (1, length, length), strict=True)
        )
        return Dataset(self.name, "text", train, valid, test, {}, text, self.split, notes)


def text_representation(
    where: str, tokenizer: str | Text, train: Sequence[str], every: Sequence[str], length: int
) -> Text:
    """The representation of a text.

    Arguments:
        where: what errors name.
        tokenizer: "bytes"; "characters" (the alphabet is that of all parts); "bpe:V" or "unigram:V" (a
            vocabulary of V pieces, trained on the train part only); or a `Text`, which is returned unchanged.
        train, every: the texts of the train part, and of all parts.
        length: tokens per window.

    Errors: DataError for any other tokenizer.
    """
    if isinstance(tokenizer, Text):
        return tokenizer
    kind, _, size = tokenizer.partition(":")
    if tokenizer == "bytes":
        return Bytes(length)
    if tokenizer == "characters":
        return Characters.of("".join(sorted(set().union(*every))), length)
    if kind not in ("bpe", "unigram") or not re.fullmatch(r"[0-9]{1,7}", size):
        raise DataError(f"tokenizer {tokenizer!r}: write {TOKENIZERS}")
    try:
        return Tokens((bpe if kind == "bpe" else unigram)(train, int(size)), length)
    except ConfigError as error:
        raise DataError(f"tokenizer {tokenizer!r} for {where}: {error}") from None


def concatenate(name: str, corpora: Sequence[Any]) -> Corpus:
    """Several corpora as one, each with its own split. Errors: DataError for data that are not a `Corpus`."""
    if others := [data.name for data in corpora if not isinstance(data, Corpus)]:
        raise DataError(
            f"data {name!r}: {others[0]!r} is not running text and cannot be joined with others; "
            "load it alone"
        )
    documents = [document for corpus in corpora for document in corpus.documents]
    how = "; ".join(f"{corpus.name}: {corpus.split}" for corpus in corpora)
    notes = tuple(note for corpus in corpora for note in corpus.notes)
    return Corpus(name, f"data {name!r}", documents, how, notes)


def texts_by_content(
    name: str,
    where: str,
    texts: Mapping[str, str],
    what: str,
    notes: tuple[str, ...] = (),
    own: Sequence[Part | None] = (),
    groups: Sequence[int] = (),
) -> Corpus:
    """Split whole documents by the hash of their text.

    Arguments:
        name, where, notes: see `Corpus`.
        texts: by the name of the document, in the order of the source.
        what: name of a document in reports ("work", "file").
        own, groups: the part of each document in the data's own split, and its group of near-duplicates; see
            `split`.
    """
    contents = list(texts.values())
    try:
        parts = split([text.encode() for text in contents], own, groups)
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    part_of = {i: part for part in PARTS for i in getattr(parts, part)}
    documents = [Document(part_of[i], text) for i, text in enumerate(contents)]
    notes = (*notes, *parts.copied(what))
    how = parts.line.replace("each example's content", f"each {what}'s text")
    return Corpus(name, where, documents, how.replace(" train", f" {what}s train", 1), notes)


def text_by_content(name: str, where: str, content: bytes, length: int | None = None) -> Corpus:
    """Split one text by the hash of each block.

    Arguments:
        name, where: see `Corpus`.
        content: the text in UTF-8.
        length: tokens per window; a block has at least as many bytes.
    """
    decode_utf8(where, content)
    blocks, parts, how = _split_blocks(where, content, WINDOW if length is None else length)
    blocks_of = {part: [blocks[i] for i in rows] for part, rows in zip(PARTS, parts, strict=True)}
    return Corpus(name, where, _documents(content, blocks_of), how)


def cut(content: bytes, size: int) -> list[Block]:
    """Cut a text into blocks [start, end) of at least `size` bytes.

    A block ends with a line; if the line is too long, it ends after 2 `size` bytes, between two characters.
    """
    blocks, start = [], 0
    while start < len(content):
        line_end = content.find(b"\n", start + size - 1, start + 2 * size)
        end = line_end + 1 if line_end >= 0 else start + 2 * size
        while end < len(content) and content[end] & 0xC0 == 0x80:  # inside a character
            end += 1
        end = len(content) if len(content) - end < size else end
        blocks.append((start, end))
        start = end
    return blocks


def _split_blocks(
    where: str, content: bytes, length: int
) -> tuple[list[Block], tuple[list[int], list[int], list[int]], str]:
    """The blocks, the indices of those of train, valid and test, and a description of the split."""
    if length < 2:
        raise DataError(f"length {length}: a window needs at least 2 tokens")
    blocks = cut(content, size=max(length, min(64 * length, len(content) // 100)))
    if len(blocks) < 3:
        raise DataError(
            f"{where}: {len(content)} bytes are too few for windows of {length}; "
            "give a longer text or a smaller length"
        )
    try:
        parts = split([content[start:end] for start, end in blocks])
    except DataError:
        raise DataError(
            f"{where}: the text repeats one block, so nothing in it would be new to a trained model; "
            "give another text"
        ) from None
    how = parts.line.replace("each example's content", "each block of lines")
    return blocks, (parts.train, parts.valid, parts.test), how.replace(" train,", " blocks train,", 1)


def _documents(content: bytes, parts: Mapping[Part, Sequence[Block]]) -> list[Document]:
    """Merge adjacent blocks of the same part into documents, in the order of the text."""
    runs: list[tuple[int, int, str]] = []
    for start, end, part in sorted(
        (start, end, part) for part, blocks in parts.items() for start, end in blocks
    ):
        if runs and runs[-1][1:] == (start, part):
            runs[-1] = (runs[-1][0], end, part)
        else:
            runs.append((start, end, part))
    return [
        Document(part, content[start:end].decode("utf8"))  # type: ignore[arg-type]
        for start, end, part in runs
    ]


def _tokenize(
    where: str, text: Text, documents: Sequence[Document]
) -> tuple[Tensor, dict[Part, list[Block]]]:
    """Concatenate the ids of all documents, with -1 between two of one part; and the spans of each part."""
    ids: list[Tensor] = []
    spans: dict[Part, list[Block]] = {part: [] for part in PARTS}
    position, previous = 0, ""
    dtype = torch.int16 if text.vocabulary < 2**15 else torch.int32
    for part, content in documents:
        if part == previous:
            ids.append(torch.tensor([-1], dtype=dtype))
            position += 1
        try:
            ids.append(text.tokenize(content).to(dtype))
        except ConfigError as error:
            raise DataError(f"{where}: {error}") from None
        end = position + len(ids[-1])
        spans[part].append((position, end))
        position, previous = end, part
    return torch.cat(ids), spans


def _check_unused(where: str, spans: Mapping[Part, Sequence[Block]], length: int, unit: str) -> list[str]:
    """Notes on the documents that are shorter than a window, and on the text that is in no window.

    Errors: DataError if more than a tenth of the text is in none, or all of a part.
    """
    sizes = {part: [end - start for start, end in spans[part]] for part in PARTS}
    halves = [length >> k for k in range(length.bit_length() - 1)]
    fits = next((n for n in halves if not _without(sizes, n) and _unused(sizes, n) <= UNUSED), None)
    remedy = "give more text" if fits is None else f"give a smaller length, such as {fits}"
    if empty := _without(sizes, length):
        raise DataError(
            f"{where}: its {empty[0]} part has no text as long as a window of {length} {unit}; {remedy}"
        )
    short = sum(size < length for part in PARTS for size in sizes[part])
    unused = _unused(sizes, length)
    if unused > UNUSED:
        ends = sum(size > length and size % length > 0 for part in PARTS[1:] for size in sizes[part])
        lost = [f"{short} documents"] * bool(short) + [f"the ends of {ends} documents"] * bool(ends)
        raise DataError(
            f"{where}: {unused:.0%} of the text would be in no window of {length} {unit}, as "
            f"{' and '.join(lost)} are shorter; {remedy}"
        )
    count = sum(map(len, sizes.values()))
    share = f"{_dropped(sizes, length):.1%} of the text"
    dropped = f"{short} of {count} documents are shorter than a window and were dropped, {share}"
    notes = [dropped] if short else []
    return [*notes, f"{unused:.1%} of the text is in no window"] if unused >= 0.001 else notes


def _without(sizes: Mapping[Part, Sequence[int]], length: int) -> list[str]:
    """The parts that have no document of `length`."""
    return [part for part in PARTS if max(sizes[part], default=0) < length]


def _unused(sizes: Mapping[Part, Sequence[int]], length: int) -> float:
    """Fraction of the text that is in no window; windows of valid and test do not overlap."""
    ends = sum(size % length for part in PARTS[1:] for size in sizes[part] if size >= length)
    return _dropped(sizes, length) + ends / max(1, sum(map(sum, sizes.values())))


def _dropped(sizes: Mapping[Part, Sequence[int]], length: int) -> float:
    """Fraction of the text that is in documents shorter than a window."""
    short = sum(size for part in PARTS for size in sizes[part] if size < length)
    return short / max(1, sum(map(sum, sizes.values())))


def _starts(spans: Sequence[Block], length: int, stride: int) -> Tensor:
    """First positions of the windows of a part.

    In golden-ratio order, so that the first n windows are spread evenly over the text for every n.
    """
    starts = torch.cat(
        [torch.arange(start, end - length + 1, stride) for start, end in spans if end - start >= length]
    )
    step = round(len(starts) * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, len(starts)) != 1:
        step += 1
    return starts[torch.arange(len(starts)) * step % len(starts)]
