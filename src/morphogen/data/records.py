r"""Records of JSON, JSON-lines and delimited files, and which of their fields are texts or pairs of texts.

{"text": "..."}                               a document
{"source": "...", "target": "..."}            a pair; also `PAIRS`, two languages, {"translation": {...}}
two or three columns of mostly different phrases, or columns of these names       pairs
"""

__all__ = [
    "SAMPLE",
    "TEXTS",
    "Columns",
    "are_texts",
    "has_texts",
    "is_prose",
    "json_records",
    "pair_columns",
    "pairs_of",
    "rows_of",
    "texts_of",
]

import csv
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

from morphogen.data.dataset import DataError
from morphogen.data.json_orientations import rows_of_json

TEXTS = ("text", "content", "body", "document", "article", "story", "code")
PAIRS = (
    *(("source", "target"), ("src", "tgt"), ("input", "output"), ("prompt", "completion")),
    *(("prompt", "response"), ("question", "answer"), ("instruction", "output"), ("instruction", "response")),
    *(("document", "summary"), ("article", "summary")),
)
CHATS = ("messages", "conversations", "conversation")
LANGUAGE = re.compile("[a-z]{2,3}([-_][a-z]{2,4})?")  # the name of a field that holds a language: en, pt-br
NAME = re.compile(r"[^\W\d][\w-]*")  # of a column: a word, without the mark that ends a sentence
SAMPLE = 200  # records and rows that are looked at
SKIPPED = 0.1  # largest fraction of records that may be unusable
DISTINCT, PHRASE = 0.7, 1.5  # a column of texts: its fraction of different cells, and its words per cell
SENTENCE = 4  # words of a text, beyond those of a name
LONG = 20  # characters that count as a word more, for scripts without spaces


class Columns(NamedTuple):
    """The columns of a table of pairs, whether its first row has their names, and the names of all."""

    source: int
    target: int
    has_header: bool
    names: Sequence[str]


def json_records(where: str, text: str, by_line: bool) -> tuple[list[Any], tuple[str, ...]] | None:
    """The records of a file and a note on skipped lines; None for a JSON file without records.

    Arguments:
        where: what errors name.
        text: the whole file.
        by_line: whether it has a record per line (JSON lines).

    Errors: DataError if more than a tenth of the lines are not JSON.
    """
    if not by_line and not _is_by_line(text):
        try:
            rows = rows_of_json(json.loads(text))
        except (ValueError, RecursionError):
            return None
        return None if rows is None else (rows, ())
    records, bad, lines = [], [], text.split("\n")
    for number, line in enumerate(lines, 1):
        try:
            if line.strip():
                records.append(json.loads(line))
        except (ValueError, RecursionError):
            bad.append(number)
    if len(bad) > SKIPPED * (len(records) + len(bad)) or not records:
        raise DataError(
            f"{where}: line {bad[0] if bad else 1} is not JSON, and so are {max(len(bad) - 1, 0)} others of "
            f"{len(records) + len(bad)}; write one record per line, or name the file .txt"
        )
    return records, ((f"skipped {len(bad)} lines that are not JSON, line {bad[0]} first",) if bad else ())


def has_texts(records: Sequence[Any]) -> bool:
    """Whether records are texts, pairs of texts or conversations, by the names of their fields."""
    fields = _fields(records)
    named = [name for name in TEXTS if name in fields]
    is_named = named == fields or TEXTS[0] in named or any(_has_phrases(records, name) for name in named)
    return is_named or any(name in fields for name in CHATS) or not fields or pairs_of(records) is not None


def texts_of(where: str, records: Sequence[Any]) -> tuple[list[str], tuple[str, ...]]:
    """The documents of records, and notes. Errors: DataError if they have no text field."""
    fields = _fields(records)
    if not fields:
        return _usable(where, [record if isinstance(record, str) else None for record in records], "text")
    strings = [name for name in fields if isinstance(_first(records, name), str)]
    named = [name for name in TEXTS if name in strings]
    if chat := [name for name in CHATS if name in fields]:
        raise DataError(
            f"{where}: field {chat[0]!r} has conversations; write each as one text into a field 'text', "
            "or as the fields 'prompt' and 'response'"
        )
    if not named and len(strings) != 1:
        raise DataError(
            f"{where}: none of its fields {', '.join(map(repr, fields[:8]))} is known as text; "
            "name one of them 'text'"
        )
    field = (named or strings)[0]
    texts, notes = _usable(where, [_string(record, field) for record in records], f"field {field!r}")
    others = [name for name in fields if name != field]
    unused = f"; not used: {', '.join(others)}" if others else ""
    return texts, (f"text: field {field!r}{unused}", *notes)


def pairs_of(records: Sequence[Any]) -> tuple[list[tuple[str | None, str | None]], str] | None:
    """Sources and targets of records, and a note that names their fields; None if they are not pairs."""
    fields = _fields(records)
    if "translation" in fields and isinstance(_first(records, "translation"), Mapping):
        inner = [record.get("translation") if isinstance(record, Mapping) else None for record in records]
        return pairs_of(inner)
    names = next(((a, b) for a, b in PAIRS if a in fields and b in fields), None)
    if names is None and len(fields) == 2 and all(LANGUAGE.fullmatch(str(name).lower()) for name in fields):
        names = fields[0], fields[1]
    if names is None or not all(isinstance(_first(records, name), str) for name in names):
        return None
    others = [str(name) for name in fields if name not in names]
    note = f"pairs of texts: from {names[0]!r} to {names[1]!r}"
    pairs = [(_string(record, names[0]), _string(record, names[1])) for record in records]
    return pairs, note + (f"; not used: {', '.join(others)}" if others else "")


def rows_of(text: str) -> list[list[str]]:
    """The rows of a delimited text, by the delimiter that gives rows of one width. Errors: csv.Error."""
    lines = [line for line in text.split("\n") if line.strip()]
    tabs = {line.count("\t") for line in lines}
    if len(tabs) == 1 and tabs != {0}:  # a quotation mark may be just that
        return [[_unquoted(cell) for cell in line.split("\t")] for line in lines]
    first = "\n".join(lines[:SAMPLE])
    for delimiter in "\t,;|":
        widths = {len(row) for row in csv.reader(first.splitlines(keepends=True), delimiter=delimiter)}
        if len(widths) == 1 and widths != {1}:
            return list(csv.reader(text.splitlines(keepends=True), delimiter=delimiter))
    return []


def pair_columns(rows: Sequence[Sequence[str]]) -> Columns | None:
    """The columns of a table of pairs, by their names or by their content; None if it is another table."""
    sample = [row for row in rows[: SAMPLE + 1] if row]
    if len(sample) < 4 or len({len(row) for row in sample}) != 1:
        return None
    names = [cell.strip().lower() for cell in sample[0]]
    body = list(zip(*sample[1:], strict=True))
    for first, second in PAIRS:
        if first in names and second in names:
            source, target = names.index(first), names.index(second)
            is_text = _is_text(body[source]) and _is_text(body[target], distinct=0.0)
            return Columns(source, target, True, sample[0]) if is_text else None
    if len(names) not in (2, 3) or not all(map(_is_text, body)):
        return None
    if len(names) == 2 and all(map(LANGUAGE.fullmatch, names)):
        return Columns(0, 1, True, sample[0])
    words = [sum(len(cell.split()) for cell in column) / len(column) for column in body]
    if min(words) < PHRASE:
        return None
    has_header = _are_names(sample[0]) and not any(map(_are_names, sample[1:]))
    return Columns(0, 1, has_header, sample[0] if has_header else ["1", "2", "3"][: len(names)])


def is_prose(cells: Sequence[Any]) -> bool:
    """Whether cells are strings, and most of them several words."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell]
    return 2 * len(texts) > len(cells) and 2 * sum(len(text.split()) > 1 for text in texts) > len(texts)


def are_texts(cells: Sequence[Any]) -> bool:
    """Whether cells are mostly different texts of several words each, rather than names."""
    texts = [cell for cell in cells if isinstance(cell, str) and cell]
    return bool(texts) and _words(texts) >= SENTENCE * len(texts) and _is_text(texts)


def _words(texts: Sequence[str]) -> int:
    """The number of words; in scripts without spaces, some characters count as one."""
    return sum(len(text.split()) + len(text) // LONG for text in texts)


def _is_by_line(text: str) -> bool:
    """Whether the first two lines of a JSON file are an object each: JSON lines under another name."""
    lines = text.lstrip().split("\n", 2)[:2]
    try:
        return len(lines) == 2 and all(isinstance(json.loads(line), Mapping) for line in lines)
    except (ValueError, RecursionError):
        return False


def _is_text(cells: Sequence[str], distinct: float = DISTINCT) -> bool:
    """Whether nearly all cells have letters, and most are different."""
    lettered = sum(any(map(str.isalpha, cell)) for cell in cells)
    return lettered >= 0.9 * len(cells) and len(set(cells)) >= distinct * len(cells)


def _are_names(row: Sequence[str]) -> bool:
    """Whether the cells of a row are a single word each, as the names of columns above phrases are."""
    return all(NAME.fullmatch(cell.strip()) for cell in row)


def _fields(records: Sequence[Any]) -> list[Any]:
    """The names of the fields of the first records."""
    sample = [record for record in records[:SAMPLE] if isinstance(record, Mapping)]
    return list(dict.fromkeys(name for record in sample for name in record))


def _first(records: Sequence[Any], field: Any) -> Any:
    """The first value of a field that is not missing."""
    values = (record.get(field) for record in records[:SAMPLE] if isinstance(record, Mapping))
    return next((value for value in values if value is not None), None)


def _has_phrases(records: Sequence[Any], field: str) -> bool:
    """Whether a field holds texts rather than words or numbers, such as a column of postal codes."""
    values = [record[field] for record in records[:SAMPLE] if isinstance(record, Mapping) and field in record]
    texts = [value for value in values if isinstance(value, str)]
    return 2 * len(texts) > len(values) and _words(texts) >= PHRASE * len(texts)


def _string(record: Any, field: str) -> str | None:
    value = record.get(field) if isinstance(record, Mapping) else None
    return value if isinstance(value, str) else None


def _usable(where: str, values: Sequence[str | None], what: str) -> tuple[list[str], tuple[str, ...]]:
    """The values that are not missing or empty, and how many are. Errors: DataError for more than a tenth."""
    texts = [value for value in values if value]
    missing = len(values) - len(texts)
    if missing > SKIPPED * len(values) or not texts:
        raise DataError(
            f"{where}: {missing} of {len(values)} records have no {what}; remove them or name another field"
        )
    return texts, ((f"skipped {missing} records without {what}",) if missing else ())


def _unquoted(cell: str) -> str:
    """A cell without the quotation marks that a writer of tables put around it."""
    inside = cell[1:-1].replace('""', "")
    is_quoted = len(cell) > 1 and cell[0] == cell[-1] == '"' and '"' not in inside
    return cell[1:-1].replace('""', '"') if is_quoted else cell
