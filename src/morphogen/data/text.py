"""A text as windows of symbols.

A `Corpus` is texts in three parts, before they are symbols: which bytes are held out does not depend on how they are read, and a
tokenizer learns of the train part alone. Windows never leave their document, nor their part.

A single text is cut into blocks of whole lines and each block goes where the hash of its bytes says; neighbours of one part stay
together as one document. So hardly anything of a test window was seen in training, and, unlike with "the last 10 %", the test is
drawn from the whole text and not from its end. A folder of texts is parted file by file.
"""

__all__ = [
    "PARTS", "SYMBOLS", "WINDOW", "Corpus", "Document", "cut", "decoded", "holds_texts", "joined", "load_text", "load_texts", "symbols",
    "text_by_authors", "text_by_content", "texts_by_content",
]  # fmt: skip

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.data.dataset import DataError, Dataset, Windows
from morphogen.data.splits import split
from morphogen.representations.text import Bytes, Characters, Text, Tokens
from morphogen.representations.tokenizer import bpe, unigram

WINDOW = 64  # symbols of one window, if nobody says otherwise
SYMBOLS = "bytes, characters, bpe:1000 or unigram:1000 (or another number of pieces)"
SKIPPED = 0.1  # largest share of a folder's files that may be skipped
SUFFIXES = (".txt", ".md", ".rst", ".py", ".pyi", ".c", ".h", ".cpp", ".rs", ".go", ".js", ".ts", ".java", ".tex", ".html", ".css", ".sh")
PARTS = ("train", "valid", "test")

Block = tuple[int, int]  # start and end in bytes


class Document(NamedTuple):
    """A running text, and who may see it."""

    part: Literal["train", "valid", "test"]
    text: str


@dataclass(frozen=True)
class Corpus:
    """Texts in three parts.

    Arguments:
        name: what a person calls it.
        where: what errors name: the name, or a path.
        documents: in the order of the source; no window reaches from one into the next.
        split: how the parts were made.
        notes: what a person should know.
    """

    name: str
    where: str
    documents: Sequence[Document]
    split: str
    notes: tuple[str, ...] = ()

    def of(self, part: str) -> list[str]:
        """The texts of a part."""
        return [document.text for document in self.documents if document.part == part]

    def windows(self, tokens: str | Text | None = None, length: int | None = None) -> Dataset:
        """Windows of `length` symbols: every offset for training, non-overlapping ones to choose and to test.

        Arguments:
            tokens: the symbols: as `symbols` takes it; None: bytes.
            length: of a window; None: 64.

        Errors: DataError where a part has no window, or the text no such symbols.
        """
        length = WINDOW if length is None else length
        if length < 2:
            raise DataError(f"length {length}: a window needs at least 2 symbols")
        text = symbols(self.where, tokens or "bytes", self.of("train"), [document.text for document in self.documents], length)
        ids, spans = _read(self.where, text, self.documents)
        short = sum(end - start < length for part in PARTS for start, end in spans[part])
        if empty := [part for part in PARTS if all(end - start < length for start, end in spans[part])]:
            what = {"byte": "bytes", "character": "characters"}[text.unit] if not isinstance(text, Tokens) else "tokens"
            raise DataError(f"{self.where}: its {empty[0]} part has no text as long as a window of {length} {what}; give a smaller length")
        train, valid, test = (
            Windows(ids, _starts(spans[part], length, stride), length) for part, stride in zip(PARTS, (1, length, length), strict=True)
        )
        notes = (f"{short} documents are shorter than a window and left out",) if short else ()
        return Dataset(self.name, "text", train, valid, test, (), text, self.split, (*self.notes, *notes))


def symbols(where: str, tokens: str | Text, train: Sequence[str], every: Sequence[str], length: int) -> Text:
    """The representation of a text.

    Arguments:
        where: what errors name.
        tokens: "bytes", "characters" (the alphabet is that of all parts), "bpe:V" or "unigram:V" (pieces learned of the train part
            alone), or a representation as it is.
        train, every: the texts of the train part, and of all.
        length: symbols of a block.

    Errors: DataError for words that mean nothing here.
    """
    if isinstance(tokens, Text):
        return tokens
    kind, _, number = tokens.partition(":")
    if tokens == "bytes":
        return Bytes(length)
    if tokens == "characters":
        return Characters.of("".join(sorted(set().union(*every))), length)
    if kind not in ("bpe", "unigram") or not re.fullmatch(r"[0-9]{1,7}", number):
        raise DataError(f"tokens {tokens!r}: write {SYMBOLS}")
    try:
        return Tokens((bpe if kind == "bpe" else unigram)(train, int(number)), length)
    except ConfigError as error:
        raise DataError(f"tokens {tokens!r} of {where}: {error}") from None


def joined(name: str, corpora: Sequence[Any]) -> Corpus:
    """Several corpora as one, each parted as it is by itself. Errors: DataError for data that are no running texts."""
    if strange := [found.name for found in corpora if not isinstance(found, Corpus)]:
        raise DataError(f"data {name!r}: {strange[0]!r} is no running text, and cannot be joined with one; load it alone")
    documents = [document for corpus in corpora for document in corpus.documents]
    how = "; ".join(f"{corpus.name}: {corpus.split}" for corpus in corpora)
    return Corpus(name, f"data {name!r}", documents, how, tuple(note for corpus in corpora for note in corpus.notes))


def load_text(path: Path, length: int | None = None) -> Corpus:
    """A file of UTF-8."""
    return text_by_content(path.name, str(path), path.read_bytes(), length)


def holds_texts(path: Path) -> bool:
    """Whether most files of a folder are called as texts are."""
    files = _files(path)
    return 2 * sum(file.suffix.lower() in SUFFIXES for file in files) > len(files)


def load_texts(path: Path) -> Corpus:
    """A folder of texts, source code or prose, parted file by file; files that are no text are skipped and listed, up to a tenth."""
    files = [file for file in _files(path) if file.suffix.lower() in SUFFIXES]
    texts, bad = {}, []
    for file in files:
        try:
            if text := decoded(file.relative_to(path).as_posix(), file.read_bytes()):
                texts[file.relative_to(path).as_posix()] = text
        except DataError as error:
            bad.append(f"skipped {error}")
    if len(bad) > SKIPPED * len(files):
        raise DataError(f"{path}: {len(bad)} of {len(files)} files are no text ({bad[0]}); remove them or give another folder")
    return texts_by_content(path.resolve().name, str(path), texts, "file", tuple(bad))


def texts_by_content(name: str, where: str, texts: Mapping[str, str], what: str, notes: tuple[str, ...] = ()) -> Corpus:
    """Whole documents, each in the part that the hash of its text says.

    Arguments:
        name, where, notes: as of `Corpus`.
        texts: by the name of the document, in the order of the source.
        what: a document is called ("work", "file").
    """
    contents = list(texts.values())
    try:
        parts = split([text.encode() for text in contents])
    except DataError as error:
        raise DataError(f"{where}: {error}") from None
    part_of = {i: part for part, rows in zip(PARTS, (parts.train, parts.valid, parts.test), strict=True) for i in rows}
    documents = [Document(part_of[i], text) for i, text in enumerate(contents)]  # type: ignore[arg-type]
    how = parts.line.replace("each example's content", f"each {what}'s text").replace(" train,", f" {what}s train,", 1)
    return Corpus(name, where, documents, how, notes)


def text_by_content(name: str, where: str, content: bytes, length: int | None = None) -> Corpus:
    """One text, parted by the hash of each block; errors name `where`."""
    decoded(where, content)
    blocks, parts, how = _by_blocks(where, content, WINDOW if length is None else length)
    return Corpus(name, where, _documents(content, dict(zip(PARTS, ([blocks[i] for i in part] for part in parts), strict=True))), how)


def text_by_authors(name: str, where: str, learn: bytes, valid: bytes | None, test: bytes, length: int | None = None) -> Corpus:
    """The authors' own parts; without a valid part of theirs, a tenth of the training part, by the hash of each block."""
    if valid is None:
        blocks, parts, _ = _by_blocks(where, learn, WINDOW if length is None else length)
        own = {"train": [blocks[i] for part in parts[::2] for i in part], "valid": [blocks[i] for i in parts[1]]}
        counts = f"{len(own['train'])} blocks train, {len(own['valid'])} valid"
        how = f"{counts} by the hash of each block of lines; test: the authors' own part"
    else:
        own, how = {"train": [(0, len(learn))], "valid": [(len(learn), len(learn) + len(valid))]}, "the authors' own parts"
    content = learn + (valid or b"") + test
    own["test"] = [(len(content) - len(test), len(content))]
    return Corpus(name, where, _documents(content, own), how)


def cut(content: bytes, size: int) -> list[Block]:
    """Blocks [start, end) of at least `size` bytes that end with a line, or at 2 `size` between two characters."""
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


def decoded(where: str, content: bytes) -> str:
    """The text of a file. Errors: DataError for what is no UTF-8, with the byte, or no text."""
    if not content:
        raise DataError(f"{where}: the file is empty; give a text file")
    if b"\0" in content[:65536]:
        raise DataError(f"{where}: holds zero bytes, so it is no text; give a text file or a folder of pictures")
    try:
        return content.decode("utf8")
    except UnicodeDecodeError as error:
        raise DataError(f"{where}: byte {error.start} is no UTF-8; convert it, as in: iconv -f latin1 -t utf8") from None


def _files(path: Path) -> list[Path]:
    """All files below, but hidden ones."""
    files = [file for file in sorted(path.rglob("*")) if file.is_file()]
    return [file for file in files if not any(part.startswith(".") for part in file.relative_to(path).parts)]


def _by_blocks(where: str, content: bytes, length: int) -> tuple[list[Block], tuple[list[int], list[int], list[int]], str]:
    """The blocks, which of them are train, valid and test, and how that was decided."""
    if length < 2:
        raise DataError(f"length {length}: a window needs at least 2 symbols")
    blocks = cut(content, size=max(length, min(64 * length, len(content) // 100)))
    if len(blocks) < 3:
        raise DataError(f"{where}: {len(content)} bytes are too few for windows of {length}; give a longer text or a smaller length")
    try:
        parts = split([content[start:end] for start, end in blocks])
    except DataError:
        raise DataError(f"{where}: the text repeats one block; nothing would be left to test on, give another text") from None
    how = parts.line.replace("each example's content", "each block of lines").replace(" train,", " blocks train,", 1)
    return blocks, (parts.train, parts.valid, parts.test), how


def _documents(content: bytes, parts: Mapping[str, Sequence[Block]]) -> list[Document]:
    """The runs of neighbouring blocks of one part, in the order of the text."""
    runs: list[tuple[int, int, str]] = []
    for start, end, part in sorted((start, end, part) for part, blocks in parts.items() for start, end in blocks):
        if runs and runs[-1][1:] == (start, part):
            runs[-1] = (runs[-1][0], end, part)
        else:
            runs.append((start, end, part))
    return [Document(part, content[start:end].decode("utf8")) for start, end, part in runs]  # type: ignore[arg-type]


def _read(where: str, text: Text, documents: Sequence[Document]) -> tuple[Tensor, dict[str, list[Block]]]:
    """All documents as ids, one after the other, -1 between two of one part; and where those of each part stand."""
    pieces: list[Tensor] = []
    spans: dict[str, list[Block]] = {part: [] for part in PARTS}
    at, before = 0, ""
    narrow = torch.int16 if text.vocabulary < 2**15 else torch.int32
    for part, written in documents:
        if part == before:
            pieces.append(torch.tensor([-1], dtype=narrow))
            at += 1
        try:
            pieces.append(text.read(written).to(narrow))
        except ConfigError as error:
            raise DataError(f"{where}: {error}") from None
        spans[part].append((at, at + len(pieces[-1])))
        at, before = at + len(pieces[-1]), part
    return torch.cat(pieces), spans


def _starts(spans: Sequence[Block], length: int, stride: int) -> Tensor:
    """Where the windows of a part begin, in golden order, so that the first n are spread evenly over the text, whatever n is."""
    starts = torch.cat([torch.arange(start, end - length + 1, stride) for start, end in spans if end - start >= length])
    step = round(len(starts) * (math.sqrt(5) - 1) / 2)
    while math.gcd(step, len(starts)) != 1:
        step += 1
    return starts[torch.arange(len(starts)) * step % len(starts)]
