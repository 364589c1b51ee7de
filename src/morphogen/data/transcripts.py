"""Transcripts in one file, a line per recording, without a header.

LJ001-0001|Printing, in the only sense|...      LJ Speech: metadata.csv; of several fields the last
84-121123-0000 GO DO YOU HEAR                   LibriSpeech: 84-121123.trans.txt
hello: Hello, world.                            also with a tab or a comma, and with the suffix of the file
"""

__all__ = ["read_transcripts"]

from collections.abc import Mapping
from pathlib import Path

from morphogen.data.dataset import DataError
from morphogen.data.encoding import decode

SUFFIXES = (".txt", ".csv", ".tsv", ".lab", ".text")
SEPARATORS = ("|", "\t", ",", ":", " ")
MATCHED = 0.5  # smallest fraction of the lines that must begin with the name of an example


def read_transcripts(table: Path, examples: Mapping[str, Path]) -> dict[Path, str]:
    """The transcript of each example that a file names; {} for a file that is not one of transcripts.

    Arguments:
        table: the file.
        examples: by their stem.
    """
    if table.suffix.lower() not in SUFFIXES:
        return {}
    try:
        lines = [line for line in decode(table.name, table.read_bytes()).text.split("\n") if line.strip()]
    except DataError:
        return {}
    found = {}
    for line in lines:
        for separator in SEPARATORS:
            name, _, text = line.partition(separator)
            example = examples.get(name.strip()) or examples.get(Path(name.strip()).stem)
            if example is not None and text.strip():
                found[example] = text.rpartition("|")[2].strip() or text.strip(" |")
                break
    return found if len(found) >= MATCHED * len(lines) else {}
