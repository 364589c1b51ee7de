"""Transcripts in one file, a line per recording, without a header.

LJ001-0001|Printing, in the only sense|...      LJ Speech: metadata.csv; of several fields the last
84-121123-0000 GO DO YOU HEAR                   LibriSpeech: 84-121123.trans.txt
hello: Hello, world.                            also with a tab or a comma, and with the suffix of the file
hello.wav,"Hello, world."                       the text is a cell of a .csv or .tsv

A .csv or .tsv with a header, or with more cells in a line, is none (see `captions`).
"""

__all__ = ["MATCHED", "SUFFIXES", "Transcripts", "one_each", "read_transcripts"]

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from morphogen.data.dataset import DataError
from morphogen.data.encoding import decode

SUFFIXES = (".txt", ".csv", ".tsv", ".lab", ".text")
SEPARATORS = ("|", "\t", ",", ":", " ")
CELLS = {".csv": ",", ".tsv": "\t"}  # separators of files whose texts are cells
MATCHED = 0.5  # smallest fraction of the lines that must begin with the name of an example


class Transcripts(NamedTuple):
    """The texts of each example; and a note on a file that names the examples, but cannot be read."""

    texts: Mapping[Path, Sequence[str]]
    notes: Sequence[str] = ()


class Line(NamedTuple):
    """The example that a line names, None for none of them, and its text: one cell but in a table."""

    example: Path | None
    cells: Sequence[str] = ()


def read_transcripts(table: Path, examples: Mapping[str, Path]) -> Transcripts:
    """The transcripts of each example that a file names; none for a file that is not one of transcripts.

    Arguments:
        table: the file.
        examples: by their stem.
    """
    if table.suffix.lower() not in SUFFIXES:
        return Transcripts({})
    try:
        text = decode(table.name, table.read_bytes()).text
    except DataError:
        return Transcripts({})
    written, separator = [line for line in text.split("\n") if line.strip()], CELLS.get(table.suffix.lower())
    lines = [_read_line(line, separator, examples) for line in written]
    texts: dict[Path, list[str]] = {}
    for line in lines:
        if line.example is not None:
            texts.setdefault(line.example, []).append(line.cells[0])
    several = [text for each in texts.values() for text in each if len(each) > 1]
    if sum(map(len, texts.values())) < MATCHED * len(lines) or not _are_words(several):
        return Transcripts({})
    if separator is not None and (fault := _fault(written, lines, separator)):
        return Transcripts({}, [f"{table.name}: not read, {fault}"])
    return Transcripts({example: list(dict.fromkeys(each)) for example, each in texts.items()})


def one_each(texts: Mapping[Path, Sequence[str]]) -> tuple[str, ...]:
    """A note on the texts beyond the first of each file; () for one each."""
    total = sum(map(len, texts.values()))
    more = f"{total - len(texts)} of {total} captions left out: the first of each file is read"
    return (more,) if total > len(texts) else ()


def _are_words(texts: Sequence[str]) -> bool:
    """Whether texts are captions rather than numbers, such as the corners of boxes."""
    words = [word for text in texts for word in text.split()]
    return 2 * sum(any(map(str.isalpha, word)) for word in words) >= len(words)


def _fault(written: Sequence[str], lines: Sequence[Line], separator: str) -> str:
    """Why the lines of a .csv or .tsv are no transcripts, and what to do; "": they are."""
    name, mark, _ = written[0].partition(separator)
    is_header = mark and not any(map(str.isdigit, name)) and lines[0].example is None
    if is_header and all(line.example for line in lines[1:]):
        return f"since its header has no column of files; call {name.strip()} file_name"
    if any(len(line.cells) > 1 for line in lines):
        names = separator.join(("file_name", "label")).replace("\t", "<tab>")
        return f"since it has several columns and no header; begin it with their names, such as {names}"
    return ""


def _read_line(line: str, cells: str | None, examples: Mapping[str, Path]) -> Line:
    """The example that a line names, and its text.

    Arguments:
        line: without its end.
        cells: the separator of cells; None: a text is as it is written.
        examples: by their stem.
    """
    for separator in SEPARATORS:
        name, _, text = line.partition(separator)
        name = name.strip().strip('"')
        example = examples.get(name) or examples.get(Path(name).stem)
        if example is not None and text.strip():
            if separator == cells:
                return Line(example, _cells(text.strip(), separator))
            return Line(example, [text.rpartition("|")[2].strip() or text.strip(" |")])
    return Line(None)


def _cells(text: str, separator: str) -> list[str]:
    """The cells of a text without their quotes; a text with spaces behind its commas is one."""
    try:
        first, *others = next(csv.reader([text], delimiter=separator))
    except csv.Error:  # longer than a cell can be
        return [text]
    return [text] if others and all(cell[:1] == " " for cell in others) else [first, *others]
