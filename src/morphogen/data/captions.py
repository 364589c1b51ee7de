"""What other files of a folder say about an example: its caption and its class.

a.png  a.txt                                                  a text of the same name is the caption
                                                              and its first line, if translations follow
metadata.jsonl  {"file_name": "a.png", "text": "a cat"}       as in Hugging Face's imagefolder
labels.csv      file_name,caption,label                       any table whose header names files, see `FILES`
a|a cat    b|a dog                                            a line per example, see `transcripts`
a.png#0 a cat    a.png#1 one cat                              several of one example, in lines, rows or a list
"""

__all__ = ["CAPTIONS", "Descriptions", "describe", "plain_name"]

import json
import os
import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from morphogen.counted import counted
from morphogen.data.csv_dialect import Record, rows_below
from morphogen.data.dataset import DataError
from morphogen.data.encoding import decode
from morphogen.data.transcripts import MATCHED, SUFFIXES, read_transcripts
from morphogen.data.translations import untranslated
from morphogen.data.walk import printable

TABLES = ("metadata.jsonl", "metadata.csv")  # must be right; other tables may be of another kind
SIDECARS = (".txt", ".caption")
# names of columns, without their case, spaces and underscores
FILES = ("filename", "file", "filepath", "path", "image", "imagename", "imagepath", "imageid", "audio", "id")
CAPTIONS = ("text", "caption", "captions", "prompt", "transcription", "transcript", "sentence")
LABELS = ("label", "class", "category", "labelname", "classname")
SHOWN = 3  # languages in a note


@dataclass
class Descriptions:
    """Captions and class names by example, the files that hold them, and notes.

    Arguments:
        captions: by path, one or several; an example without one is missing.
        labels: class names by path, from a table.
        files: that were read for them.
        notes: facts for the user.
    """

    captions: dict[Path, Sequence[str]] = field(default_factory=dict)
    labels: dict[Path, str] = field(default_factory=dict)
    files: set[Path] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)


def describe(examples: Sequence[Path], others: Sequence[Path]) -> Descriptions:
    """What the other files of a folder say about its examples. A table takes precedence over a text.

    Errors: DataError for a table that cannot be read.
    """
    found = Descriptions()
    _read_sidecars(found, examples, set(others))
    ways = _ways(examples)
    for table in others:
        if table not in found.files and (table.name.lower() in TABLES or table.suffix.lower() in SUFFIXES):
            _read_table(found, table, ways)
    by_stem = {example.stem: example for example in examples}
    for table in others:
        if table not in found.files:
            transcripts = read_transcripts(table, by_stem)
            found.files |= {table} if transcripts.texts else set()
            found.captions |= transcripts.texts
            found.notes += transcripts.notes
    return found


def plain_name(name: str) -> str:
    """The name of a column without its case, spaces and underscores."""
    return re.sub(r"[\W_]+", "", name.casefold())


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
            found.captions[example] = [caption.text]
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


def _read_table(found: Descriptions, table: Path, ways: Sequence[Mapping[str, Path]]) -> None:
    """Add what a table says. One without a column of files, or of other files, is of another kind.

    Errors: DataError for a table that cannot be read.
    """
    is_metadata = table.name.lower() in TABLES
    try:
        rows = _rows(table)
    except DataError:
        if is_metadata:
            raise
        return
    columns = {column: plain_name(column) for row in rows for column in row if column is not None}
    named = {one: _named(table, [str(row.get(one)) for row in rows], ways) for one in _called(columns, FILES)}
    name = max(named, key=lambda one: _known(named[one]), default=None)
    if name is None or (not is_metadata and _known(named[name]) < MATCHED * len(rows)):
        return
    if ragged := [row[None] for row in rows if None in row]:
        raise DataError(
            f"{printable(str(table))}: line {ragged[0]} has more cells than the header; put quotes around a "
            "cell that contains the separator"
        )
    found.files.add(table)
    found.notes += _left_unread(table, [str(row.get(name)) for row in rows], named[name], columns)
    captions, labels = (
        _cells(rows, named[name], _called(columns, names)[:1]) for names in (CAPTIONS, LABELS)
    )
    found.captions |= captions
    _check_one_label(found, table, labels, _called(columns, LABELS)[:1])
    found.labels |= {example: texts[0] for example, texts in labels.items()}


def _cells(
    rows: Sequence[Mapping[Any, Any]], examples: Sequence[Path | None], columns: Sequence[str]
) -> dict[Path, list[str]]:
    """The different cells of columns that each example has, as text; a list in JSON is several."""
    cells: dict[Path, dict[str, None]] = {}
    for row, example in zip(rows, examples, strict=True):
        given = [row.get(column) for column in columns]
        for cell in given[0] if given and isinstance(given[0], list) else given:
            if example is not None and cell not in (None, ""):
                text = str(cell).encode("utf8", "replace").decode().strip()
                cells.setdefault(example, {})[text] = None
    return {example: [*texts] for example, texts in cells.items()}


def _check_one_label(
    found: Descriptions, table: Path, labels: Mapping[Path, Sequence[str]], columns: Sequence[str]
) -> None:
    """Errors: DataError for an example with several labels, in a table of boxes or in two tables."""
    every = {example: {*texts, found.labels.get(example, texts[0])} for example, texts in labels.items()}
    several = {example: sorted(texts) for example, texts in every.items() if len(texts) > 1}
    for example, texts in several.items():
        others = f", and {counted(len(several) - 1, 'other file')} several" if len(several) > 1 else ""
        raise DataError(
            f"{printable(str(table))}: {printable(example.name)} has the labels {texts[0]!r} and "
            f"{texts[1]!r}{others}; keep one row of each file, or rename the column {columns[0]!r} "
            "to leave it out"
        )


def _left_unread(
    table: Path, names: Sequence[str], examples: Sequence[Path | None], columns: Mapping[str, str]
) -> Iterator[str]:
    """Notes on the files that a table names in vain, and on its columns that are not read."""
    if absent := [printable(name) for name, one in zip(names, examples, strict=True) if one is None]:
        yield f"{table.name} names {counted(len(absent), 'file')} not among the examples, such as {absent[0]}"
    captions, classes = _called(columns, CAPTIONS)[:1], _called(columns, LABELS)[:1]
    read = (*_called(columns, FILES), *captions, *classes)
    if unread := [printable(column) for column in columns if column not in ("", *read)]:
        remedy = "; a column of classes must be called label" + ", one of captions caption" * (not captions)
        yield f"{table.name}: left out {', '.join(unread)}{'' if classes else remedy}"


def _ways(examples: Sequence[Path]) -> Sequence[Mapping[str, Path]]:
    """The examples by path, with their suffix and without, and likewise by name, if no other has the same."""
    paths = [[_key(example) for example in examples], [_key(one.with_suffix("")) for one in examples]]
    ways = []
    for keys in (*paths, *([*map(os.path.basename, each)] for each in paths)):
        count = Counter(keys)
        ways.append({key: one for key, one in zip(keys, examples, strict=True) if count[key] == 1})
    return ways


def _named(table: Path, names: Sequence[str], ways: Sequence[Mapping[str, Path]]) -> list[Path | None]:
    """The example of each name, in the way that finds the most: by path from the table, or by name."""
    paths = [_key(table.parent / name.replace("\\", "/")) for name in names]
    bare = [*map(os.path.basename, paths)]
    found = [[*map(way.get, keys)] for way, keys in zip(ways, (paths, paths, bare, bare), strict=True)]
    return max(found, key=_known)


def _known(examples: Sequence[Path | None]) -> int:
    return len(examples) - examples.count(None)


def _called(columns: Mapping[str, str], names: Iterable[str]) -> list[str]:
    """The columns of certain names, in the order of these."""
    return [column for name in names for column, plain in columns.items() if plain == name]


def _names_files(header: Sequence[str]) -> bool:
    return any(plain_name(name) in FILES for name in header)


def _rows(table: Path) -> list[dict[Any, Any]]:
    """The rows of a table by column; one with more cells than the header has its line under None.

    Errors: DataError.
    """
    where = printable(str(table))
    text = decode(where, table.read_bytes()).text
    if table.suffix.lower() != ".jsonl":
        header, *rows = rows_below(Path(where), text, _names_files) or [Record([], 0)]
        n = len(header.cells)
        return [
            dict(zip(header.cells, row.cells, strict=False))
            | ({None: row.line} if len(row.cells) > n else {})
            for row in rows
        ]
    try:
        lines = [json.loads(line) for line in text.split("\n") if line.strip()]
    except (ValueError, RecursionError) as error:
        reason = " ".join(str(error).split())
        raise DataError(f"{where}: {reason}; correct the table, or remove it") from None
    if any(not isinstance(row, dict) for row in lines):
        raise DataError(f'{where}: each line must be like {{"file_name": "a.png", "text": "a cat"}}')
    return lines


def _key(path: Path) -> str:
    """Two names that look the same are the same file."""
    return unicodedata.normalize("NFC", os.path.normpath(path))
