"""The files below a data folder, without those that no person means by it.

files of the operating system, hidden files, morphogen's own sheets and reports, empty files    left out
a link to a folder       entered, under the name of the link; each folder is read once, so loops end
a link that leads nowhere                                                                       listed
"""

__all__ = ["Tree", "is_stamped", "printable", "visible_files", "walk", "without_captions"]

import os
import re
import stat
import unicodedata
from collections import Counter, defaultdict, deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

FILES = (".ds_store", ".directory", ".localized", "thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r")
APPLE_DOUBLE = "._"  # how macOS begins the names of its own files beside those of other people
FOLDERS = ("__macosx", "@eadir", "__pycache__", "$recycle.bin", "system volume information", "lost+found")
RECORDS = ("samples.json", "report.json")  # beside them lie the other files that morphogen writes
OWN = frozenset((*RECORDS, "sheet.png", "film.gif", "report.html", "samples.png", "samples.safetensors"))
STAMP = b"morphogen"  # in the first bytes of each of OWN, also without the record beside it
SEPARATOR = re.compile(r"(?<=[^._\-])[._\-]")  # in the stem of a file that belongs to another one
UNPRINTABLE = ("Cc", "Cs", "Zl", "Zp")  # control characters, undecodable bytes, separators of lines


@dataclass(frozen=True)
class Tree:
    """What lies below a folder.

    Arguments:
        files: readable, not empty, in the order of their paths.
        folders: all that were entered, the top first.
        dead: links that lead nowhere.
        ignored: number of files left out, by kind ("empty", "of the operating system", ...).
        empty: the empty ones.
    """

    files: Sequence[Path]
    folders: Sequence[Path]
    dead: Sequence[Path]
    ignored: Mapping[str, int]
    empty: Sequence[Path] = ()


def walk(folder: Path) -> Tree:
    """All files below a folder. Errors: OSError for an unreadable folder: no class is silently lost."""
    files: list[Path] = []
    folders: list[Path] = []
    dead: list[Path] = []
    empty: list[Path] = []
    ignored: Counter[str] = Counter()
    for root, names in _folders(folder, ignored):
        folders.append(root)
        is_ours = any(record in names for record in RECORDS)
        for path in (root / name for name in names):
            kind = _kind(path, is_ours)
            if kind is None:
                files.append(path)
            elif kind == "dead":
                dead.append(path)
            elif kind != "hidden":
                ignored[kind] += 1
                empty += [path] if kind == "empty" else []
    return Tree(sorted(files), folders, sorted(dead), ignored, sorted(empty))


def visible_files(folder: Path) -> Sequence[Path]:
    """The files below a folder by which its medium is recognised: one that only describes another is none.

    A text beside another file of the same stem is its caption; frog_fr.ogg and frog.mask.npy beside frog.png,
    which continue its stem, belong to it too.
    """
    files = without_captions(folder)
    kinds: dict[Path, set[str]] = defaultdict(set)
    for file in files:
        kinds[file.with_suffix("")].add(file.suffix.lower())
    return [file for file in files if not _continues(file, kinds)]


def without_captions(folder: Path) -> Sequence[Path]:
    """The files below a folder that are not the text beside another file of the same stem."""
    files = walk(folder).files
    described = {file.with_suffix("") for file in files if file.suffix.lower() != ".txt"}
    return [file for file in files if file.suffix.lower() != ".txt" or file.with_suffix("") not in described]


def is_stamped(path: Path) -> bool:
    """Whether a file names morphogen where its own files do."""
    with path.open("rb") as file:
        return STAMP in file.read(4096)


def printable(name: str) -> str:
    """A file name in one line that can be written as UTF-8: in NFC, with control characters escaped."""
    return "".join(
        c.encode("unicode_escape").decode() if unicodedata.category(c) in UNPRINTABLE else c
        for c in unicodedata.normalize("NFC", name)
    )


def _continues(file: Path, kinds: Mapping[Path, set[str]]) -> bool:
    """Whether the stem of a file is that of a file of another kind, then a separator and more.

    Arguments:
        file: its path.
        kinds: the suffixes of the files of each stem.
    """
    own, suffix = file.with_suffix(""), file.suffix.lower()
    begun = (own.with_name(own.name[: found.start()]) for found in SEPARATOR.finditer(own.name))
    return any(kinds.get(stem, set()) - {suffix} for stem in begun)


def _folders(top: Path, ignored: Counter[str]) -> Iterator[tuple[Path, list[str]]]:
    """Each folder once, with the names of its files; links are followed last: a folder keeps its own name."""
    # A link to the folder or to one that holds it is a loop.
    seen = {_identity(parent) for parent in top.resolve().parents}
    waiting = deque([top])
    while waiting:
        for place, folders, names in os.walk(waiting.popleft(), onerror=_stop):
            root = Path(place)
            if _identity(root) in seen:
                ignored["behind links to folders that are read already"] += 1
                folders.clear()
                continue
            seen.add(_identity(root))
            folders[:] = sorted(name for name in folders if not _is_litter(name))
            waiting.extend(root / name for name in folders if (root / name).is_symlink())
            yield root, names


def _kind(path: Path, is_ours: bool) -> str | None:
    """Why a file is left out; None: it is not."""
    if path.name.lower() in FILES or path.name.startswith(APPLE_DOUBLE):
        return "of the operating system"
    if _is_litter(path.name):
        return "hidden"
    try:
        status = path.stat()
    except OSError:
        if path.is_symlink():
            return "dead"
        raise
    if not stat.S_ISREG(status.st_mode):
        return "that are not regular files"
    if status.st_size == 0:
        return "empty"
    if path.name in OWN and (is_ours or is_stamped(path)):
        return "written by morphogen"
    return None


def _is_litter(name: str) -> bool:
    return name.startswith(".") or name.lower() in (*FILES, *FOLDERS)


def _identity(folder: Path) -> tuple[int, int]:
    status = folder.stat()
    return status.st_dev, status.st_ino


def _stop(error: OSError) -> None:
    raise error
