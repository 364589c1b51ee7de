"""Text files, lists and folders of them: running text, documents of JSON lines, pairs of texts.

Files are recognised by their content, in any encoding (`decode`): a folder may hold the sources of any
programming language. A single running text is split by blocks, a folder and JSON lines by document, pairs by
their source.
"""

__all__ = ["load_listed", "load_text", "load_texts"]

import csv
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from morphogen.caller import option
from morphogen.data.dataset import DataError
from morphogen.data.encoding import Decoded, decode
from morphogen.data.folders import Example, Listing, count_alike, is_too_many, list_folder, summarise
from morphogen.data.near_duplicate_texts import near_duplicate_texts
from morphogen.data.own_parts import own_parts
from morphogen.data.pairs import PairCorpus, SourceAndTarget, pairs_by_content
from morphogen.data.recognition import holds_rows_of_text, is_text_file
from morphogen.data.records import json_records, pair_columns, pairs_of, rows_of, texts_of
from morphogen.data.splits import Part
from morphogen.data.text import Corpus, concatenate, text_by_content, texts_by_content
from morphogen.data.walk import walk
from morphogen.media.text import DELIMITED, JSON_LINES, JSON_SUFFIXES, RECORDS, TEXT


def load_text(path: Path, length: int | None = None) -> Corpus | PairCorpus:
    """A file of running text, of documents or of pairs; `length`: tokens per window, bounds the blocks."""
    name, where = path.name, str(path)
    text, notes = decode(where, path.read_bytes())
    if of_pairs := _pairs(path, text):
        return pairs_by_content(name, where, of_pairs[0], (*notes, *of_pairs[1]))
    found = _json(path, text)
    if found is None:
        if holds_rows_of_text(path):
            way = option("data", f"table:{path}")
            notes = (*notes, f"read as text; its lines are rows of a table, which {way} reads")
        corpus = text_by_content(name, where, text.encode(), length)
        return replace(corpus, notes=(*notes, *corpus.notes))
    records, skipped = found
    texts, more = texts_of(where, records)
    documents = {str(i): text for i, text in enumerate(texts)}
    groups = near_duplicate_texts(texts).tolist()
    return texts_by_content(name, where, documents, "document", (*notes, *skipped, *more), groups=groups)


def load_texts(path: Path, length: int | None = None) -> Corpus | PairCorpus:
    """A folder of texts, split by file, or by document if they are JSON lines.

    Files of other kinds are ignored, and counted: also those that are text by their content alone (drawings,
    tables of numbers), where most texts have the suffix of one. A tenth of the texts may be unreadable.
    The files train.txt, valid.txt and test.txt are the parts of the split, as folders of these names are.
    """
    listing = list_folder(path, _of_main_kind(path).__contains__, "text", has_classes=False)
    return _texts(path.resolve().name, str(path), _with_parts(path, listing), length)


def load_listed(
    name: str, files: Sequence[Path], own: Sequence[Part], length: int | None = None
) -> Corpus | PairCorpus:
    """Listed files of texts, as those of a folder.

    Arguments:
        name: of the data set.
        files: in any folders.
        own: the part of each in the user's own split; (): to be split by content.
        length: tokens per window.
    """
    parts: Sequence[Part | None] = own or [None] * len(files)
    examples = [Example(file, str(file), part=part) for file, part in zip(files, parts, strict=True)]
    return _texts(name, name, Listing(examples, (), ()), length)


def _texts(name: str, where: str, listing: Listing, length: int | None) -> Corpus | PairCorpus:
    """The texts of the files of a listing. Errors: DataError if too many are not text."""
    if pairs := _pairs_of_files(name, where, listing):
        return pairs
    texts: dict[str, Decoded] = {}
    own: list[Part | None] = []
    bad = []
    for example in listing.examples:
        try:
            documents = _documents(example.name, example.path)
        except DataError as error:
            bad.append(f"skipped {error}")
            continue
        texts |= documents
        own += [example.part] * len(documents)
    if is_too_many(len(bad), len(listing.examples)):
        raise DataError(
            f"{where}: {len(bad)} of {len(listing.examples)} files are not text ({bad[0]}); "
            "remove them or give others"
        )
    notes = _notes(listing, texts, bad)
    if len(texts) < 3:  # too few to be split by file
        corpora = [
            text_by_content(each, f"{where}/{each}", text.encode(), length)
            for each, (text, _) in texts.items()
        ]
        whole = concatenate(name, corpora)
        return replace(whole, where=where, notes=(*notes, *whole.notes))
    contents = {each: text for each, (text, _) in texts.items()}
    groups = near_duplicate_texts(list(contents.values())).tolist()
    what = "file" if contents.keys() <= {example.name for example in listing.examples} else "document"
    return texts_by_content(name, where, contents, what, notes, own, groups)


def _notes(listing: Listing, texts: Mapping[str, Decoded], skipped: Sequence[str]) -> tuple[str, ...]:
    """Notes on the folder, on how its texts were decoded, and on those that were skipped."""
    decoded = summarise({name: text.notes for name, text in texts.items()})
    return (*listing.notes, *decoded, *count_alike(skipped))


def _of_main_kind(path: Path) -> set[Path]:
    """The texts of a folder: files of records, or those of known suffixes, if they are at least half."""
    texts = [file for file in walk(path).files if is_text_file(file)]
    for suffixes in (RECORDS, TEXT.suffixes):
        known = [file for file in texts if file.suffix.lower() in suffixes]
        if 2 * len(known) >= len(texts):
            return set(known)
    return set(texts)


def _documents(name: str, file: Path) -> dict[str, Decoded]:
    """The documents of a file of a folder: itself, or those of its records."""
    text, notes = decode(name, file.read_bytes())
    if (found := _json(file, text)) is None:
        return {name: Decoded(text, notes)}
    records, skipped = found
    texts, more = texts_of(name, records)
    return {f"{name}:{i}": Decoded(text, (*notes, *skipped, *more)) for i, text in enumerate(texts)}


def _json(path: Path, text: str) -> tuple[list[object], tuple[str, ...]] | None:
    """The records of a JSON file, and notes; None for running text."""
    suffix = path.suffix.lower()
    return json_records(str(path), text, suffix in JSON_LINES) if suffix in JSON_SUFFIXES else None


def _with_parts(path: Path, listing: Listing) -> Listing:
    """The examples with the parts of the split that at least half of them are named by."""
    by_name = own_parts(path, [example.path for example in listing.examples])
    if 2 * len(by_name) < len(listing.examples):
        return listing
    examples = [each._replace(part=each.part or by_name.get(each.path)) for each in listing.examples]
    return replace(listing, examples=examples)


def _pairs_of_files(name: str, where: str, listing: Listing) -> PairCorpus | None:
    """The pairs of a folder of records; None if one of its files does not have them."""
    if any(example.path.suffix.lower() not in RECORDS for example in listing.examples):
        return None
    pairs: list[SourceAndTarget] = []
    own: list[Part | None] = []
    notes: dict[str, None] = {}
    for example in listing.examples:
        text = decode(example.name, example.path.read_bytes())
        if (found := _pairs(example.path, text.text)) is None:
            return None
        pairs += found[0]
        own += [example.part] * len(found[0])
        notes |= dict.fromkeys((*text.notes, *found[1]))
    return pairs_by_content(name, where, pairs, (*listing.notes, *notes), own)


def _pairs(path: Path, text: str) -> tuple[list[SourceAndTarget], tuple[str, ...]] | None:
    """The pairs of a file of records, and notes; None if it does not have them."""
    if path.suffix.lower() in DELIMITED:
        return _pairs_of_table(path, text)
    records, skipped = _json(path, text) or ([], ())
    found = pairs_of(records)
    return None if found is None else (found[0], (*skipped, found[1]))


def _pairs_of_table(path: Path, text: str) -> tuple[list[SourceAndTarget], tuple[str, ...]] | None:
    """The pairs of a delimited file, and a note."""
    try:
        rows = rows_of(text)
    except csv.Error as error:
        raise DataError(f"{path}: not a table of pairs ({error}); write one pair per line") from None
    columns = pair_columns(rows)
    if columns is None:
        return None
    source, target, has_header, names = columns
    pairs: list[SourceAndTarget] = [
        (row[source], row[target]) if len(row) == len(names) else (None, None) for row in rows[has_header:]
    ]
    others = [name for i, name in enumerate(names) if i not in (source, target)]
    unused = f"; not used: column {', '.join(others)}" if others else ""
    note = f"pairs of texts: from column {names[source]} to column {names[target]}{unused}"
    return pairs, (f"{note}; as a table: {option('data', f'table:{path}')}",)
