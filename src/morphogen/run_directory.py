"""Names of run directories, root/SYSTEM-DATA-NNN."""

__all__ = ["file_name", "next_directory"]

import re
from mimetypes import guess_type
from pathlib import Path

from morphogen.media import media


def next_directory(root: Path, stem: str) -> Path:
    """Create `root/STEM-NNN` with the next free number; concurrent callers get different directories."""
    root.mkdir(parents=True, exist_ok=True)
    names = (re.fullmatch(rf"{re.escape(stem)}-(\d+)", path.name) for path in root.glob(f"{stem}-*"))
    number = max((int(name[1]) for name in names if name), default=0) + 1
    while True:
        directory = root / f"{stem}-{number:03d}"
        try:
            directory.mkdir()
            return directory
        except FileExistsError:
            number += 1


def file_name(name: str) -> str:
    """The name of a data set in file names: flowers for hf:owner/flowers, /data/flowers/ and flowers.csv."""
    last = re.split(r"[/:\\]", name.rstrip("/\\"))[-1]
    stem, dot, suffix = last.rpartition(".")
    known = any(f".{suffix.lower()}" in medium.suffixes for medium in media().values())
    kept = stem if dot and (known or guess_type(last)[0]) else last
    return re.sub(r"[^A-Za-z0-9._]+", "-", kept).strip("-.") or "unnamed"
