"""The parts of one's own split by the names of files: train.csv beside test.csv, or shards of them.

    train.jsonl  valid.jsonl  test.jsonl
    train-00000-of-00002.parquet  train-00001-of-00002.parquet  test-00000-of-00001.parquet
    train/a.csv  train/b.csv  test/c.csv

The names are those of `folders.FOLDERS`, which the package `datasets` uses too.
"""

__all__ = ["own_parts"]

import re
from collections.abc import Sequence
from pathlib import Path

from morphogen.data.folders import FOLDERS
from morphogen.data.splits import Part

SHARD = re.compile(r"-\d+-of-\d+$")


def own_parts(folder: Path, files: Sequence[Path]) -> dict[Path, Part]:
    """The part of each file that has one; {} unless there are train and another part.

    Arguments:
        folder: that holds the files.
        files: at any depth; a part is named by the file, or by the folder at the top.
    """
    parts = {file: part for file in files if (part := _part(folder, file)) is not None}
    return parts if {"train"} < {*parts.values()} else {}


def _part(folder: Path, file: Path) -> Part | None:
    *above, _ = file.relative_to(folder).parts
    names = [SHARD.sub("", file.stem), *above[:1]]
    return next((FOLDERS[name.lower()] for name in names if name.lower() in FOLDERS), None)
