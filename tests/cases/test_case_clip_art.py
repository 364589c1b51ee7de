"""Folders of clip art.

Pictures, drawings, sounds and descriptions in one folder whose path has spaces, as collections of them are.
"""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morphogen.data import DataError, Dataset, load_data
from morphogen.run_directory import not_a_run
from tests.cases import case


def fill(folder: Path, n: int, first: int = 0) -> Path:
    """A folder of n different pictures of 8 x 8 pixels."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + n):
        values = np.random.default_rng(i).integers(0, 256, (8, 8), dtype=np.uint8)
        Image.fromarray(values).save(folder / f"{i:02d}.png")
    return folder


def cut_short(path: Path) -> None:
    """A picture of which half is missing."""
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def count(data: Dataset) -> int:
    return len(data.train) + len(data.valid) + len(data.test)


def refusal(data: str, **options: str) -> str:
    with pytest.raises(DataError) as error:
        load_data(data, **options)
    assert "\n" not in str(error.value)
    return str(error.value)


@case("ten pictures, one of them cut short and one empty", "the other eight; both are named")
def test_few_pictures_of_which_two_are_unreadable(tmp_path: Path) -> None:
    folder = fill(tmp_path / "phone", 10)
    cut_short(folder / "08.png")
    (folder / "09.png").write_bytes(b"")
    data = load_data(str(folder))
    assert count(data) == 8
    assert "ignored 1 empty file (09.png)" in data.notes
    assert "skipped 08.png: broken or cut short" in data.notes


@pytest.mark.parametrize(
    ("good", "bad", "is_read"), [(8, 2, True), (3, 2, True), (8, 3, False), (27, 3, True)]
)
def test_how_many_may_be_unreadable(tmp_path: Path, good: int, bad: int, is_read: bool) -> None:
    """Two, or a tenth of a larger folder."""
    folder = fill(tmp_path, good + bad)
    for i in range(good, good + bad):
        cut_short(folder / f"{i:02d}.png")
    if is_read:
        assert count(load_data(str(folder))) == good
    else:
        assert f"{bad} of {good + bad} files cannot be used" in refusal(str(folder))


@case("three pictures, two of which are broken", "refused: most are unreadable")
def test_most_are_unreadable(tmp_path: Path) -> None:
    folder = fill(tmp_path, 3)
    cut_short(folder / "00.png")
    cut_short(folder / "01.png")
    assert "2 of 3 files cannot be used (skipped 00.png: broken or cut short, and 1 more)" in refusal(
        str(folder)
    )


@case(
    "`text:` of a folder of descriptions, drawings (.svg) and numbers (.dat)",
    "the descriptions; the others are counted",
)
def test_texts_of_another_kind(tmp_path: Path) -> None:
    for i in range(12):
        (tmp_path / f"{i}.txt").write_text(f"A drawing of animal number {i}, from the side. " * 9)
    for i in range(5):
        (tmp_path / f"{i}.svg").write_text(f"<svg xmlns='x'><path d='{i}'/></svg>" * 9)
        (tmp_path / f"{i}.dat").write_text(f"{i} {i + 1}\n" * 90)
    data = load_data(f"text:{tmp_path}")
    assert (
        "12 files"
        in f"{sum(int(word) for word in data.split.split(', by')[0].split() if word.isdigit())} files"
    )
    assert "ignored 10 files of another kind (.dat, .svg)" in data.notes
    only = tmp_path / "only"
    for i in range(12):
        only.mkdir(exist_ok=True)
        (only / f"{i}.dat").write_text(f"{i} {i + 1}\n" * 90)
    assert not any("ignored" in note for note in load_data(f"text:{only}").notes), "numbers are what it holds"


@case("a folder of pictures and as many texts, in `clip art/`", "the note quotes what can be typed")
def test_remedies_quote_spaces(tmp_path: Path) -> None:
    folder = fill(tmp_path / "clip art", 12)
    for i in range(6):
        (folder / f"story {i}.txt").write_text(f"Story {i}. " * 40)
    (note,) = (note for note in load_data(str(folder)).notes if "to read that" in note)
    assert f"give 'text:{folder}' to read that" in note
    assert not_a_run(Path("my model.gguf")).endswith("morphogen chat 'my model.gguf'")


@case("one picture that is empty or cut short", "one line that says so, and asks for a folder of pictures")
def test_a_single_broken_picture(tmp_path: Path) -> None:
    fill(tmp_path, 1)
    cut_short(tmp_path / "00.png")
    (tmp_path / "01.jpg").write_bytes(b"")
    for name, fault in (("00.png", "broken or cut short"), ("01.jpg", "empty")):
        expected = f"{tmp_path / name}: is a single picture, {fault}; give a folder of pictures"
        assert refusal(str(tmp_path / name)) == expected


@case("a condition for a folder without sub-folders", "one line that says that it has none")
def test_classes_of_a_flat_folder(tmp_path: Path) -> None:
    fill(tmp_path / "flat", 6)
    assert refusal(str(tmp_path / "flat"), condition="cap").endswith(
        "leave condition out: it has no sub-folders, so no classes; for classes, make a sub-folder of each"
    )
    fill(tmp_path / "cats" / "a", 6)
    assert refusal(str(tmp_path / "cats"), condition="cap").endswith("sub-folders already give the classes")


@case("one vector picture among others", "a note that it is one of the ignored files, and what to do")
def test_one_vector_picture(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    (tmp_path / "a.svg").write_text("<svg/>")
    notes = load_data(str(tmp_path)).notes
    assert "the ignored files include 1 vector picture (.svg): convert it to PNG to read it" in notes


@case("the folders `train/` and `test/`", "a note that they were read as the parts of the split")
def test_parts_are_said(tmp_path: Path) -> None:
    fill(tmp_path / "train", 12)
    fill(tmp_path / "test", 6, first=12)
    note = "test, train: read as the parts of the split; if they are classes, rename the folders"
    assert note in load_data(str(tmp_path)).notes


@case(
    "sub-folders of class folders, `food/fruit`, `food/nuts`", "part of their class, and a note that says so"
)
def test_deeper_folders(tmp_path: Path) -> None:
    for i, name in enumerate(("food/fruit", "food/nuts", "animals")):
        fill(tmp_path / name, 10, first=10 * i)
    data = load_data(str(tmp_path))
    assert data.classes == ("animals", "food")
    assert "sub-folders are part of their class: food (fruit, nuts)" in data.notes


@case("the name of a run without its folder", "one line that suggests the run in `runs/`")
def test_a_run_without_its_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    place = Path("runs/ddpm-clip-art-001")
    place.mkdir(parents=True)
    (place / "run.json").write_text("{}")
    assert not_a_run(Path(place.name)) == f"there is no run {place.name}; did you mean {place}?"
