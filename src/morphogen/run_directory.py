"""Names of run directories, root/SYSTEM-DATA-NNN."""

__all__ = ["file_name", "next_directory", "not_a_run"]

import re
import unicodedata
from collections.abc import Sequence
from difflib import get_close_matches
from mimetypes import guess_type
from pathlib import Path
from shlex import quote

from morphogen.media import media
from morphogen.saved_config import FROM_HUB

GGUF = ".gguf"
SHOWN = 8  # runs that a message lists


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
    composed = unicodedata.normalize("NFC", kept)  # a letter and its accent are one letter
    return re.sub(r"[^\w.]+", "-", composed).strip("-.") or "unnamed"


def not_a_run(path: Path) -> str:
    """Why a path is not a run directory, and what to give instead: what is meant by it, as far as it says."""
    if path.suffix.lower() == GGUF:
        converse = f"converse with it: morphogen chat {quote(str(path))}"
        return f"{path} is not a run, but a pretrained model; {converse}"
    if path.is_file():
        return f"{path} is a file; give a run, a directory made by `morphogen train`"
    if (path / "model" / "config.json").is_file():
        how = f"it has no run.json, which `morphogen train` writes; load its model: mg.load({str(path)!r})"
        return f"{path} is the directory of a training in Python: {how}"
    if inside := sorted(file.parent for file in path.glob("*/run.json")):
        return f"{path} is not a run, but holds some: give one of {_listed(inside)}"
    if (path / "model_index.json").is_file():
        return f"{path} is not a run, but a pipeline of diffusers: write {quote(f'diffusers:{path}')}"
    if not path.exists() and not path.parent.exists():
        return f"{path} is not a run: it does not exist; {FROM_HUB}"
    if not path.exists():
        files = [*path.parent.glob("runs/*/run.json"), *path.parent.glob("*/run.json")]
        beside = {file.parent.name: file.parent for file in files}
        begun = [name for name in beside if path.name and name.startswith(path.name)]
        if near := begun or get_close_matches(path.name, beside):
            return f"there is no run {path}; did you mean {_listed([beside[name] for name in sorted(near)])}?"
    return f"{path} is not a run: it has no run.json; give a directory made by `morphogen train`"


def _listed(directories: Sequence[Path]) -> str:
    more = f" and {len(directories) - SHOWN} more" if len(directories) > SHOWN else ""
    return ", ".join(map(str, directories[:SHOWN])) + more
