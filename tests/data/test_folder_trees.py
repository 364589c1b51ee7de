"""Folders of every shape: litter, broken files, links, loops, odd names, own splits, captions.

Each generated folder loads, or is refused in one line within a second. If it loads, every good picture is in
exactly one part, every class has a training example, and the counts in the notes add up.
"""

import os
import re
import tempfile
import time
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from morphogen.data import DataError, load_data
from morphogen.data.folders import list_folder
from morphogen.data.pictures import is_picture
from morphogen.data.walk import walk
from tests.cases import own_notes

NAMES = st.sampled_from(
    [
        *("cats", "dogs", "train", "Train", "test", "val", "dev", "caf\u00e9", "cafe\u0301", "a b", "01"),
        *("two\nlines", "x" * 120, "__MACOSX", ".git", "samples", "\u202eevil", "\udcff"),
    ]
)
LITTER = [
    "Thumbs.db",
    ".DS_Store",
    "desktop.ini",
    "._0.png",
    "README.md",
    "notes.txt",
    "data.bin",
    "sheet.png",
]
TABLES = {
    "metadata.csv": ["file_name,text,label\n0.png,a cat,cats\n", "a,b\n1,2\n", 'file_name\n"0.png', "\0"],
    "metadata.jsonl": [
        '{"file_name": "0.png", "text": "a"}\n',
        "[1]\n",
        "{",
        '{"file_name": null}\n',
        "\ufeff",
    ],
}
PICTURES = st.tuples(st.just("picture"), st.integers(2, 12), st.booleans())  # number, with captions
OTHERS = st.one_of(
    st.tuples(st.just("litter"), st.sampled_from(LITTER), st.booleans()),
    st.tuples(st.just("broken"), st.sampled_from(["b.png", "b.jpg", "b"]), st.binary(max_size=30)),
    st.tuples(st.just("dead"), st.integers(1, 3), st.none()),
    st.tuples(st.just("loop"), st.sampled_from([".", "..", "../..", "/"]), st.none()),
    st.tuples(st.just("link"), NAMES, st.none()),
    st.tuples(st.just("fifo"), st.none(), st.none()),
    st.sampled_from([("table", name, text) for name, texts in TABLES.items() for text in texts]),
)
ENTRIES = st.lists(OTHERS, max_size=2) | st.tuples(PICTURES, OTHERS) | st.tuples(PICTURES)
FOLDERS = st.dictionaries(NAMES, ENTRIES, max_size=4)
PARTS = st.fixed_dictionaries({"train": FOLDERS}, optional={"val": FOLDERS, "test": FOLDERS, "dogs": FOLDERS})
TREES = st.fixed_dictionaries(
    {"top": st.lists(OTHERS, max_size=1) | ENTRIES},
    optional={"classes": FOLDERS, "below": PARTS | st.dictionaries(NAMES, FOLDERS, max_size=3)},
)


class GeneratedFolder:
    """Writes a generated folder, each picture with a content of its own."""

    def __init__(self, root: Path):
        self.root, self.drawn = root, 0

    def write(self, tree: dict[str, Any]) -> None:
        self.fill(self.root, tree["top"])
        for name, entries in tree.get("classes", {}).items():
            self.fill(self.root / name, entries)
        for top, folders in tree.get("below", {}).items():
            for name, entries in folders.items():
                self.fill(self.root / top / name, entries)

    def fill(self, folder: Path, entries: list[tuple[str, Any, Any]]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        for kind, what, how in entries:
            getattr(self, kind)(folder, what, how)

    def picture(self, folder: Path, n: int, captioned: bool) -> None:
        for i in range(n):
            self.drawn += 1
            values = np.full((4, 4), self.drawn % 256, np.uint8)
            values[0, 0] = self.drawn // 256
            Image.fromarray(values).save(folder / f"{i}.png")
            if captioned:
                (folder / f"{i}.txt").write_bytes([b"a cat", b"caf\xe9 au lait", b" ", b""][i % 4])

    def litter(self, folder: Path, name: str, full: bool) -> None:
        (folder / name).write_bytes(b"some bytes" if full else b"")

    def broken(self, folder: Path, name: str, content: bytes) -> None:
        (folder / name).write_bytes(content)

    def dead(self, folder: Path, n: int, _: None) -> None:
        for i in range(n):
            self.link_to(folder / f"gone{i}.png", "/nowhere/at/all.png")

    def loop(self, folder: Path, target: str, _: None) -> None:
        self.link_to(folder / "loop", "loop" if target == "/" else target)

    def link(self, folder: Path, name: str, _: None) -> None:
        self.link_to(folder / "linked", self.root / name)

    def fifo(self, folder: Path, *_: None) -> None:
        if not (folder / "pipe.png").exists():
            os.mkfifo(folder / "pipe.png")

    def table(self, folder: Path, name: str, text: str) -> None:
        (folder / name).write_text(text, encoding="utf8")

    def link_to(self, link: Path, target: Path | str) -> None:
        if not os.path.lexists(link):
            link.symlink_to(target)


def contents(data: Any) -> dict[str, list[bytes]]:
    parts = {"train": data.train, "valid": data.valid, "test": data.test}
    return {name: [picture.numpy().tobytes() for picture in part.values] for name, part in parts.items()}


def check_counts(root: Path) -> None:
    """Each visible file is an example, a description, a dead link, or counted as ignored."""
    listing, tree = list_folder(root, is_picture), walk(root)
    files = len(tree.files) + sum(tree.ignored.values())
    assert files == len(listing.examples) + listing.described + sum(listing.ignored.values())
    dead = sum(int(note.split()[0]) for note in listing.notes if "nowhere" in note)
    assert dead == len(tree.dead)
    assert {example.part is None for example in listing.examples} in ({True}, {False})
    assert len({example.path for example in listing.examples}) == len(listing.examples)


def seconds_of_refusal(root: Path) -> float:
    """Processor time of a further call, which has nothing to import."""
    start = time.process_time()
    with pytest.raises(DataError):
        load_data(str(root))
    return time.process_time() - start


def check_folder(tree: dict[str, Any]) -> str:
    """The laws of one folder; what became of it."""
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "data"
        GeneratedFolder(root).write(tree)
        try:
            data = load_data(str(root))
        except DataError as error:
            assert "\n" not in str(error) and seconds_of_refusal(root) < 1
            assert str(error).startswith(str(root))
            return "refused"
        if data.medium != "pictures":
            return data.medium
        assert all("\n" not in note for note in data.notes)
        check_counts(root)
        parts = contents(data)
        assert all(parts.values())
        own = {example.part for example in list_folder(root, is_picture).examples} - {None}
        if not own & {"valid", "test"}:  # cut by content: identical pictures are in one part
            assert len({c for part in parts.values() for c in set(part)}) == sum(
                len(set(part)) for part in parts.values()
            )
        good = list_folder(root, is_picture).examples
        skipped = sum(
            int((re.match(r"skipped (\d+) files, such as", note) or [0, 1])[1])
            for note in data.notes
            if note.startswith("skipped ")
        )
        left_out = len(good) - skipped - sum(map(len, parts.values()))
        assert left_out >= 0 and (left_out == 0 or "is in train" in own_notes(data)[-1])
        if data.classes:
            trained = {data.classes[i] for i in data.train.labels.tolist()}
            assert trained == set(data.classes)
            assert all(unicodedata.is_normalized("NFC", name) and name.encode() for name in data.classes)
        return "pictures"


@pytest.mark.parametrize("count", [80, pytest.param(2000, marks=pytest.mark.slow)])
def test_folders_load_or_are_refused_in_one_line(count: int) -> None:
    found: Counter[str] = Counter()

    @settings(max_examples=count, derandomize=True, deadline=None, suppress_health_check=list(HealthCheck))
    @given(tree=TREES)
    def check(tree: dict[str, Any]) -> None:
        found[check_folder(tree)] += 1

    check()
    assert min(found["pictures"], found["refused"]) > count / 10
