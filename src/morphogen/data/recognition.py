"""What a file holds, by its content: running text, records with texts, or rows of a table.

    .txt .md .py ...           text
    .csv .tsv .json .jsonl     pairs of texts, texts or conversations by the names of their fields; else rows
    .parquet .xlsx ...         rows
    any other suffix           text, if its first bytes are

So a folder with train.jsonl and test.jsonl is of the medium of their records.
"""

__all__ = ["holds_json_rows", "holds_rows", "holds_rows_of_text", "holds_text", "holds_texts", "is_text_file"]

import csv
from pathlib import Path

from morphogen.data.dataset import DataError
from morphogen.data.encoding import decode
from morphogen.data.records import SAMPLE, has_texts, json_records, pair_columns, rows_of
from morphogen.media import media
from morphogen.media.table import TABLE
from morphogen.media.text import DELIMITED, JSON, JSON_LINES, RECORDS, TEXT
from morphogen.representations.tabular.number_text import is_number

FEWEST = 3  # rows of a table
HEAD = 1 << 16  # bytes by which the content of a file is recognised


def is_text_file(path: Path) -> bool:
    """Whether a file is text: records only if they hold texts."""
    return holds_texts(path) if path.suffix.lower() in RECORDS else holds_text(path)


def holds_rows(path: Path) -> bool:
    """Whether a file is a table: records only if they do not hold texts."""
    suffix = path.suffix.lower()
    if suffix == JSON:
        return holds_json_rows(path)
    return not holds_texts(path) if suffix in RECORDS else suffix in TABLE.suffixes


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


def holds_rows_of_text(path: Path) -> bool:
    """Whether the first lines of a file of any name have equally many cells, half of them numbers."""
    try:
        with path.open("rb") as file:
            lines = decode("", file.read(HEAD)).text.split("\n")[:SAMPLE]
        rows = rows_of("\n".join(lines)) or [line.split() for line in lines if line.strip()]
    except (DataError, OSError, csv.Error):
        return False
    cells = [cell.strip() for row in rows for cell in row]
    is_even = len(rows) >= FEWEST and len({*map(len, rows)}) == 1 < len(rows[0])
    return is_even and 2 * sum(map(is_number, cells)) >= len(cells)


def _json_of(path: Path) -> list[object]:
    """The records of a whole JSON file, since only all of it can be parsed; []: none."""
    try:
        return (json_records("", decode("", path.read_bytes()).text, False) or ([], ()))[0]
    except (DataError, OSError):
        return []
