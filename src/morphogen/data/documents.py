"""Text files and folders of them: running text, documents of JSON lines, pairs of texts.

Files are recognised by their content, in any encoding (`decode`): a folder may hold the sources of any
programming language. A single running text is split by blocks, a folder and JSON lines by document, pairs by
their source.
"""

__all__ = ["holds_json_rows", "holds_text", "holds_texts", "load_text", "load_texts"]

import csv
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from morphogen.caller import option
from morphogen.data.dataset import DataError
from morphogen.data.encoding import Decoded, decode
from morphogen.data.folders import FOLDERS, is_too_many, list_folder, summarise
from morphogen.data.near_duplicate_texts import near_duplicate_texts
from morphogen.data.pairs import PairCorpus, pairs_by_content
from morphogen.data.records import has_texts, json_records, pair_columns, pairs_of, rows_of, texts_of
from morphogen.data.splits import Part
from morphogen.data.text import Corpus, concatenate, text_by_content, texts_by_content
from morphogen.data.walk import walk
from morphogen.media import media
from morphogen.media.text import DELIMITED, JSON, JSON_LINES, JSON_SUFFIXES, TEXT

HEAD = 1 << 16  # bytes by which the content of a file is recognised


def load_text(path: Path, length: int | None = None) -> Corpus | PairCorpus:
    """A file of running text, of documents or of pairs; `length`: tokens per window, bounds the blocks."""
    name, where = path.name, str(path)
    text, notes = decode(where, path.read_bytes())
    if path.suffix.lower() in DELIMITED and (pairs := _table_of_pairs(path, text)):
        return replace(pairs, notes=(*notes, *pairs.notes))
    found = _json(path, text)
    if found is None:
        corpus = text_by_content(name, where, text.encode(), length)
        return replace(corpus, notes=(*notes, *corpus.notes))
    records, skipped = found
    if of_pairs := pairs_of(records):
        return pairs_by_content(name, where, of_pairs[0], (*notes, *skipped, of_pairs[1]))
    texts, more = texts_of(where, records)
    documents = {str(i): text for i, text in enumerate(texts)}
    groups = near_duplicate_texts(texts).tolist()
    return texts_by_content(name, where, documents, "document", (*notes, *skipped, *more), groups=groups)


def load_texts(path: Path, length: int | None = None) -> Corpus:
    """A folder of texts, split by file, or by document if they are JSON lines.

    Files of other kinds are ignored, and counted: also those that are text by their content alone (drawings,
    tables of numbers), where most texts have the suffix of one. A tenth of the texts may be unreadable.
    The files train.txt, valid.txt and test.txt are the parts of the split, as folders of these names are.
    """
    listing = list_folder(path, _of_main_kind(path).__contains__, "text", has_classes=False)
    by_name = _parts_by_name([example.path for example in listing.examples])
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
        own += [example.part or by_name.get(example.path)] * len(documents)
    if is_too_many(len(bad), len(listing.examples)):
        raise DataError(
            f"{path}: {len(bad)} of {len(listing.examples)} files are not text ({bad[0]}); "
            "remove them or give another folder"
        )
    name, where, notes = (
        path.resolve().name,
        str(path),
        (*listing.notes, *summarise({each: text.notes for each, text in texts.items()}), *bad),
    )
    if len(texts) < 3:  # too few to be split by file
        corpora = [
            text_by_content(each, f"{where}/{each}", text.encode(), length)
            for each, (text, _) in texts.items()
        ]
        whole = concatenate(name, corpora)
        return replace(whole, where=where, notes=(*notes, *whole.notes))
    contents = {each: text for each, (text, _) in texts.items()}
    groups = near_duplicate_texts(list(contents.values())).tolist()
    return texts_by_content(name, where, contents, "file", notes, own, groups)


def holds_text(path: Path) -> bool:
    """Whether a file is text, by its suffix or its content; not if its suffix is that of another medium."""
    suffix = path.suffix.lower()
    if suffix in TEXT.suffixes:
        return True
    if any(suffix in medium.suffixes for medium in media().values()):
        return False
    try:
        with path.open("rb") as file:
            decode("", file.read(HEAD))
    except (DataError, OSError):
        return False
    return True


def holds_texts(path: Path) -> bool:
    """Whether a table or JSON lines hold texts, or pairs of them, by the first rows or records."""
    suffix = path.suffix.lower()
    try:
        if suffix == JSON:
            return bool(records := _json_of(path)) and has_texts(records)
        with path.open("rb") as file:
            head = file.read(HEAD)
        text = decode("", head).text
        text = text.rpartition("\n")[0] if len(head) == HEAD else text
        if suffix in JSON_LINES:
            return has_texts((json_records("", text, True) or ([], ()))[0])
        return suffix in DELIMITED and pair_columns(rows_of(text)) is not None
    except (DataError, OSError, csv.Error):
        return False


def holds_json_rows(path: Path) -> bool:
    """Whether a JSON file has rows of a table, in any orientation, rather than texts."""
    return path.suffix.lower() == JSON and bool(records := _json_of(path)) and not has_texts(records)


def _json_of(path: Path) -> list[object]:
    """The records of a whole JSON file, since only all of it can be parsed; []: none."""
    try:
        return (json_records("", decode("", path.read_bytes()).text, False) or ([], ()))[0]
    except (DataError, OSError):
        return []


def _of_main_kind(path: Path) -> set[Path]:
    """The texts of a folder; by their suffix alone if these are at least half of them."""
    texts = [file for file in walk(path).files if holds_text(file)]
    known = [file for file in texts if file.suffix.lower() in TEXT.suffixes]
    return set(known if 2 * len(known) >= len(texts) else texts)


def _documents(name: str, file: Path) -> dict[str, Decoded]:
    """The documents of a file of a folder: itself, or those of its JSON lines."""
    text, notes = decode(name, file.read_bytes())
    if file.suffix.lower() not in JSON_LINES:
        return {name: Decoded(text, notes)}
    records, _ = json_records(name, text, True) or ([], ())
    texts, more = texts_of(name, records)
    return {f"{name}:{i}": Decoded(text, (*notes, *more)) for i, text in enumerate(texts)}


def _json(path: Path, text: str) -> tuple[list[object], tuple[str, ...]] | None:
    """The records of a JSON file, and notes; None for running text."""
    suffix = path.suffix.lower()
    return json_records(str(path), text, suffix in JSON_LINES) if suffix in JSON_SUFFIXES else None


def _table_of_pairs(path: Path, text: str) -> PairCorpus | None:
    """The pairs of a delimited file; None if it does not have them."""
    try:
        rows = rows_of(text)
    except csv.Error as error:
        raise DataError(f"{path}: not a table of pairs ({error}); write one pair per line") from None
    columns = pair_columns(rows)
    if columns is None:
        return None
    source, target, has_header, names = columns
    pairs = [
        (row[source], row[target]) if len(row) == len(names) else (None, None) for row in rows[has_header:]
    ]
    others = [name for i, name in enumerate(names) if i not in (source, target)]
    unused = f"; not used: column {', '.join(others)}" if others else ""
    note = f"pairs of texts: from column {names[source]} to column {names[target]}{unused}"
    return pairs_by_content(
        path.name, str(path), pairs, (f"{note}; as a table: {option('data', f'table:{path}')}",)
    )


def _parts_by_name(files: Sequence[Path]) -> dict[Path, Part]:
    """The part of each file if all are called train, valid or test, and at least two parts are there."""
    parts = {file: FOLDERS[file.stem.lower()] for file in files if file.stem.lower() in FOLDERS}
    return parts if len(parts) == len(files) and len({*parts.values()}) > 1 else {}
