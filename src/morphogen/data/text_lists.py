"""Texts in memory: a list of documents, of files of them, or of pairs of a source and a target text."""

__all__ = ["collect_texts", "holds_texts"]

from collections.abc import Mapping, Sequence
from typing import Any

from morphogen.data.dataset import DataError
from morphogen.data.documents import load_listed
from morphogen.data.held import Held, file_at, joined, listed_files
from morphogen.data.near_duplicate_texts import near_duplicate_texts
from morphogen.data.pairs import Pair, PairCorpus
from morphogen.data.recognition import is_text_file
from morphogen.data.splits import PARTS, Part, split
from morphogen.data.text import WINDOW, Corpus, Document
from morphogen.media import ReadingOptions

LEAST = 0.1  # confidence in files of no medium, whose content the reader of texts names


def holds_texts(values: Any, options: ReadingOptions) -> float:
    """0.9 for a list of texts, or of pairs of texts; of files, this share of those that are text."""
    if isinstance(values, str | bytes | Mapping) or not hasattr(values, "__iter__"):
        return 0.0
    if files := listed_files(values):
        return max(LEAST, 0.9 * sum(map(is_text_file, files)) / len(files))
    rows = [] if hasattr(values, "columns") else list(values)
    return 0.9 * float(bool(rows) and all(isinstance(row, str) or _is_pair(row) for row in rows))


def collect_texts(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Corpus | PairCorpus:
    """Documents or pairs, split by content or as they are given. Errors: DataError."""
    values, of_part, labels, captions = joined(parts)
    if labels is not None or captions:
        raise DataError("labels, captions: texts have none; leave them out, or give pairs of texts")
    if files := listed_files(values):
        return load_listed(name, [file_at(file) for file in files], of_part, options.length)
    pairs = [row for row in values if not isinstance(row, str)]
    if pairs and len(pairs) < len(values):
        raise DataError(f"{name}: texts and pairs of texts in one list; give one kind")
    kept = [i for i, row in enumerate(values) if (all(map(str.strip, row)) if pairs else row.strip())]
    dropped = len(values) - len(kept)
    notes = (f"{dropped} of {len(values)} {'pairs' if pairs else 'texts'} are empty",) if dropped else ()
    sources = [values[i][0] if pairs else values[i] for i in kept]
    groups = near_duplicate_texts(sources).tolist()
    contents = [text.encode("utf8", "replace") for text in sources]
    made = split(contents, [of_part[i] for i in kept if of_part], groups)
    what = "pair" if pairs else "text"
    how = made.line.replace("each example's content", "each pair's source" if pairs else "each text")
    how, notes = how.replace(" train", f" {what}s train", 1), (*notes, *made.copied(what))
    rows = {part: [kept[i] for i in getattr(made, part)] for part in PARTS}
    if pairs:
        found = [Pair(part, *values[i]) for part in PARTS for i in rows[part]]
        return PairCorpus(name, name, found, how, notes)
    return Corpus(name, name, _documents(values, rows, options.length or WINDOW), how, notes)


def _documents(texts: Sequence[str], rows: Mapping[Part, Sequence[int]], length: int) -> list[Document]:
    """The texts; those of a part as lines of one document if most are shorter than a window."""
    part_of = {i: part for part in PARTS for i in rows[part]}
    if sum(len(texts[i].encode("utf8", "replace")) >= length for i in part_of) >= len(part_of) / 2:
        return [Document(part_of[i], texts[i]) for i in sorted(part_of)]
    lines = {part: [texts[i].rstrip("\n") for i in sorted(rows[part])] for part in PARTS}
    return [Document(part, "\n".join([*lines[part], ""])) for part in PARTS]


def _is_pair(row: Any) -> bool:
    """Whether a row is a source and a target text."""
    is_list = isinstance(row, Sequence) and not isinstance(row, str | bytes)
    return is_list and len(row) == 2 and all(isinstance(text, str) for text in row)
