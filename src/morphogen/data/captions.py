"""What other files of a folder say about an example: its caption and its class.

a.png  a.txt                                                  a text of the same name is the caption
                                                              and its first line, if translations follow
metadata.jsonl  {"file_name": "a.png", "text": "a cat"}       as in Hugging Face's imagefolder
metadata.csv    file_name,caption,label
a|a cat    b|a dog                                            a line per example, see `transcripts`
"""

__all__ = ["Descriptions", "describe"]

import csv
import io
import json
import os
import unicodedata
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from morphogen.counted import counted
from morphogen.data.dataset import DataError
from morphogen.data.encoding import decode
from morphogen.data.transcripts import read_transcripts
from morphogen.data.translations import untranslated
from morphogen.data.walk import printable

TABLES = ("metadata.jsonl", "metadata.csv")
SIDECARS = (".txt", ".caption")
CAPTIONS = ("text", "caption", "captions", "prompt", "transcription", "transcript", "sentence")
LABELS = ("label", "class", "category")
SHOWN = 3  # languages in a note


@dataclass
class Descriptions:
    """Captions and class names by example, the files that hold them, and notes.

    Arguments:
        captions: by path; an example without one is missing.
        labels: class names by path, from a table.
        files: that were read for them.
        notes: facts for the user.
    """

    captions: dict[Path, str] = field(default_factory=dict)
    labels: dict[Path, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def describe(examples: Sequence[Path], others: Sequence[Path]) -> Descriptions:
    """What the other files of a folder say about its examples. A table takes precedence over a text.

    Errors: DataError for a table that cannot be read.
    """
    found = Descriptions()
    _read_sidecars(found, examples, set(others))
    by_key = {_key(example): example for example in examples}
    for table in others:
        if table.name.lower() in TABLES:
            _read_table(found, table, by_key)
    by_stem = {example.stem: example for example in examples}
    for table in others:
        if table not in found.files and (transcripts := read_transcripts(table, by_stem)):
            found.files.add(table)
            found.captions |= transcripts
    return found


def _read_sidecars(found: Descriptions, examples: Iterable[Path], others: set[Path]) -> None:
    unread, decoded, languages = [], [], Counter[str]()
    translated = 0
    for example in examples:
        beside = (example.with_suffix(suffix) for suffix in SIDECARS)
        file = next((file for file in beside if file in others), None)
        if file is None:
            continue
        found.files.add(file)
        try:
            text = decode(printable(file.name), file.read_bytes())
        except DataError:  # not a text, or of an unknown encoding
            unread.append(printable(file.name))
            continue
        if text.notes:
            decoded.append(f"{printable(file.name)}: {text.notes[0]}")
        caption = untranslated(text.text)
        translated += bool(caption.languages)
        languages.update(set(caption.languages))
        if caption.text:
            found.captions[example] = caption.text
    for files, what in (
        (unread, "left out {n} that cannot be read"),
        (decoded, "{n} decoded"),
    ):
        if files:
            found.notes.append(f"{what.format(n=counted(len(files), 'caption'))}, such as {files[0]}")
    if languages:
        found.notes.append(_left_out(translated, languages))


def _left_out(translated: int, languages: Mapping[str, int]) -> str:
    """The note on translations, with every language, the most frequent ones first."""
    names = sorted(languages, key=lambda name: (-languages[name], name))
    return (
        f"captions: the untranslated line of {counted(translated, 'file')}; left out the translations into "
        f"{counted(len(names), 'language')} ({', '.join(names[:SHOWN])}{', ...' * (len(names) > SHOWN)})"
    )


def _read_table(found: Descriptions, table: Path, examples: Mapping[str, Path]) -> None:
    """Add what a table says. A table without the column `file_name` is of another kind."""
    rows = _rows(table)
    if not any("file_name" in row for row in rows):
        return
    found.files.add(table)
    columns = {column: None for row in rows for column in row}
    caption, label = (next((c for c in names if c in columns), None) for names in (CAPTIONS, LABELS))
    absent = []
    for row in rows:
        name = str(row.get("file_name"))
        example = examples.get(_key(table.parent / name.replace("\\", "/")))
        if example is None:
            absent.append(printable(name))
            continue
        for column, values in ((caption, found.captions), (label, found.labels)):
            if column is not None and row.get(column) not in (None, ""):
                values[example] = str(row[column]).encode("utf8", "replace").decode().strip()
    if absent:
        found.notes.append(
            f"{table.name} names {counted(len(absent), 'file')} not among the examples, such as {absent[0]}"
        )


def _rows(table: Path) -> list[dict[str, Any]]:
    """The rows of a table. Errors: DataError."""
    where = printable(str(table))
    text = decode(where, table.read_bytes()).text
    try:
        if table.suffix.lower() == ".csv":
            rows = csv.DictReader(io.StringIO(text, newline=""))
            return [{k: v for k, v in row.items() if k is not None} for row in rows]
        lines = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, csv.Error, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{where}: {reason}; correct the table, or remove it") from None
    if any(not isinstance(row, dict) for row in lines):
        raise DataError(f'{where}: each line must be like {{"file_name": "a.png", "text": "a cat"}}')
    return lines


def _key(path: Path) -> str:
    """Two names that look the same are the same file."""
    return unicodedata.normalize("NFC", os.path.normpath(path))
