"""Folders.

One folder per class or flat, as they come from cameras, archives, other tools and operating systems.
"""

import json
import shutil
import unicodedata
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from morphogen.data import DataError, Dataset, load_data
from morphogen.data.pictures import read_as
from morphogen.data.walk import visible_files
from tests.cases import case, own_notes

RNG = np.random.default_rng(0)


def fill(folder: Path, n: int = 12, low: int = 0, high: int = 256) -> Path:
    """A folder of n different pictures of 8 x 8 pixels, added to those that it has."""
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(n):
        Image.fromarray(RNG.integers(low, high, (8, 8), dtype=np.uint8)).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture
def pets(tmp_path: Path) -> Path:
    """Twenty dark pictures of cats and twenty bright ones of dogs."""
    fill(tmp_path / "pets" / "cats", 20, 0, 100)
    fill(tmp_path / "pets" / "dogs", 20, 150)
    return tmp_path / "pets"


def count(data: Dataset) -> int:
    return len(data.train) + len(data.valid) + len(data.test)


def refusal(folder: Path) -> str:
    with pytest.raises(DataError) as error:
        load_data(str(folder))
    assert "\n" not in str(error.value) and str(folder) in str(error.value)
    return str(error.value)


@case("`--condition folders`", "the classes of the sub-folders; of a flat folder, one line")
def test_classes_by_their_place(pets: Path, tmp_path: Path) -> None:
    data = load_data(str(pets), condition="folders")
    assert data.classes == ("cats", "dogs") and data.split == load_data(str(pets)).split
    with pytest.raises(DataError, match=r"condition 'folders': .*flat' has no sub-folders of pictures"):
        load_data(str(fill(tmp_path / "flat")), condition="folders")


@case(
    "a class folder that holds only `Thumbs.db`", "no class, and a note that names it", "pytorch/vision#4925"
)
def test_a_class_of_litter(pets: Path) -> None:
    (pets / "birds").mkdir()
    (pets / "birds" / "Thumbs.db").write_bytes(b"\xd0\xcf\x11\xe0")
    data = load_data(str(pets))
    assert data.classes == ("cats", "dogs") and count(data) == 40
    assert own_notes(data)[1:] == ("ignored 1 file of the operating system", "no pictures in birds: no class")


@case(
    "`.DS_Store`, `._a.png`, `desktop.ini` and `__MACOSX/` beside the pictures",
    "ignored with their count, hidden or not: they are not skipped files",
    "pytorch/vision#4925",
)
def test_litter_of_operating_systems(pets: Path) -> None:
    for name in (".DS_Store", "._cat.png", "desktop.ini", "THUMBS.DB"):
        (pets / "cats" / name).write_bytes(b"\0\1")
    shutil.copytree(pets / "cats", pets / "__MACOSX")
    data = load_data(str(pets))
    assert data.classes == ("cats", "dogs") and count(data) == 40
    assert own_notes(data)[1:] == ("ignored 4 files of the operating system",)


@case(
    "classes of one picture, which fall wholly into valid or test",
    "named and left out: they cannot be asked for",
    "healthcareai-py#437",
)
def test_classes_without_a_training_example(pets: Path) -> None:
    for i in range(8):
        fill(pets / f"rare{i}", 1)
    data = load_data(str(pets))
    trained = {data.classes[i] for i in data.train.first().condition["label"]}
    left_out = [f"rare{i}" for i in range(8) if f"rare{i}" not in trained]
    assert set(data.classes) == trained and left_out and count(data) == 48 - len(left_out)
    assert (
        own_notes(data)[-1].startswith(f"no picture of {left_out[0]} (1)")
        and "is in train" in own_notes(data)[-1]
    )
    for part in (data.valid, data.test):
        assert int(part.first().condition["label"].max()) < len(data.classes)


@case(
    "eight classes of one picture and nothing else",
    "one line: no class is in every part",
    "healthcareai-py#437",
)
def test_only_classes_of_one_picture(tmp_path: Path) -> None:
    for i in range(8):
        fill(tmp_path / f"rare{i}", 1)
    assert "no class is in train and in valid and test" in refusal(tmp_path)


@case("forty links that lead nowhere", "“40 links in birds lead nowhere”", "MediSwarm#481")
def test_dead_links(pets: Path) -> None:
    (pets / "birds").mkdir()
    for i in range(40):
        (pets / "birds" / f"{i}.png").symlink_to(f"/nowhere/{i}.png")
    data = load_data(str(pets))
    assert data.classes == ("cats", "dogs")
    assert own_notes(data)[1:] == ("40 links in birds lead nowhere", "no pictures in birds: no class")


@case("a folder of which all links lead nowhere", "one line that counts them", "MediSwarm#481")
def test_only_dead_links(tmp_path: Path) -> None:
    (tmp_path / "a.png").symlink_to("/nowhere.png")
    assert "no pictures in it (1 link in the folder leads nowhere)" in refusal(tmp_path)


@case("a link that leads nowhere as the data", "one line that says so, and where it leads")
def test_a_link_that_leads_nowhere(tmp_path: Path) -> None:
    (tmp_path / "broken").symlink_to("gone/pictures")
    assert "broken': is a link that leads nowhere, to gone/pictures" in refusal(tmp_path / "broken")


@case("class folders that are links to folders elsewhere", "entered, under the names of the links")
def test_linked_classes(tmp_path: Path) -> None:
    for name in ("cats", "dogs"):
        fill(tmp_path / "store" / name)
        (tmp_path / "data").mkdir(exist_ok=True)
        (tmp_path / "data" / f"my {name}").symlink_to(tmp_path / "store" / name)
    data = load_data(str(tmp_path / "data"))
    assert data.classes == ("my cats", "my dogs") and count(data) == 24


@case("a link to the folder itself, or to one above it", "not followed, and counted")
def test_loops(pets: Path) -> None:
    (pets / "cats" / "self").symlink_to(pets)
    (pets / "dogs" / "up").symlink_to(pets.parent)
    (pets / "cats" / "there").symlink_to(pets / "dogs")
    data = load_data(str(pets))
    assert data.classes == ("cats", "dogs") and count(data) == 40
    assert own_notes(data)[1:] == ("ignored 3 files behind links to folders that are read already",)


@case("`a.png` with `a.txt`, forty times", "pictures with captions", "kohya_ss#1936")
def test_captions_beside_the_pictures(tmp_path: Path) -> None:
    for picture in sorted(fill(tmp_path, 40).iterdir()):
        brightness = int(np.asarray(Image.open(picture))[0, 0])
        picture.with_suffix(".txt").write_text(f"first pixel {brightness}\n")
    data = load_data(str(tmp_path))
    assert data.medium == "pictures" and "captions for 40 of 40 pictures" in data.notes
    for part in (data.train, data.valid, data.test):
        assert part.captions == [f"first pixel {int(v[0, 0, 0])}" for v in part.values]


@case("`train`, `val` and `test` folders", "the parts of the split, not classes")
def test_own_split(tmp_path: Path) -> None:
    for part, n in (("train", 12), ("val", 4), ("test", 5)):
        for name in ("cats", "dogs"):
            fill(tmp_path / part / name, n)
    data = load_data(str(tmp_path))
    assert (len(data.train), len(data.valid), len(data.test)) == (24, 8, 10)
    assert data.classes == ("cats", "dogs") and "the authors' own parts" in data.split


@case("`Train` and `Test` only", "valid is cut from train by content")
def test_own_test_part(tmp_path: Path) -> None:
    fill(tmp_path / "Train", 40)
    fill(tmp_path / "Test", 6)
    data = load_data(str(tmp_path))
    assert data.classes == () and len(data.test) == 6 and len(data.train) + len(data.valid) == 40
    assert "6 test, the authors' own part" in data.split and len(data.valid) > 0


@case("the same pictures in `train` and `test`", "a note: figures on them flatter the model")
def test_copies_across_parts(tmp_path: Path) -> None:
    fill(tmp_path / "train", 30)
    shutil.copytree(tmp_path / "train", tmp_path / "test")
    data = load_data(str(tmp_path))
    copies = 30 - len(data.valid)  # valid is cut from train
    assert f"{copies} pictures of valid and test are in train too" in own_notes(data)[-1]


@case("classes `bus`, `car` and `train`", "three classes: `train` alone beside others is no part of a split")
def test_a_class_named_train(tmp_path: Path) -> None:
    for name in ("bus", "car", "train"):
        fill(tmp_path / name)
    assert load_data(str(tmp_path)).classes == ("bus", "car", "train")


@case("`train` and `test` beside a class folder", "one line that names it and what to do")
def test_parts_beside_classes(tmp_path: Path) -> None:
    for name in ("train", "test", "birds"):
        fill(tmp_path / name)
    assert "the folder birds beside test and train, the parts of the split; move it" in refusal(tmp_path)


@case(
    "a Kaggle folder: `train` with classes, `test` without",
    "one line that names the first picture without a class",
)
def test_a_test_part_without_classes(tmp_path: Path) -> None:
    fill(tmp_path / "train" / "cats")
    fill(tmp_path / "train" / "dogs")
    fill(tmp_path / "test", 3)
    assert "3 pictures, such as test/00.png, next to the class folders" in refusal(tmp_path)


@case("a class whose name is composed in one part and decomposed in the other", "one class (Unicode NFC)")
def test_names_that_look_the_same(tmp_path: Path) -> None:
    for part, form in (("train", "NFC"), ("valid", "NFD"), ("test", "NFD")):
        for name in ("café", "tea"):
            fill(tmp_path / part / unicodedata.normalize(form, name))  # type: ignore[arg-type]
    assert load_data(str(tmp_path)).classes == (unicodedata.normalize("NFC", "café"), "tea")


@case(
    "`a.png` with an `a.txt` that holds its translations, as in Debian's `tuxpaint-stamps`",
    "the untranslated line is the caption; a note says which languages are left out",
)
def test_captions_with_translations(tmp_path: Path) -> None:
    fill(tmp_path, 12)
    for file in tmp_path.glob("*.png"):
        translations = f"de.utf8=Bild {file.stem}\nca@valencia.utf8=imatge\npt_BR=imagem\n"
        file.with_suffix(".txt").write_text(f"Picture {file.stem}.\n{translations}")
    data = load_data(str(tmp_path))
    said = {caption for part in (data.train, data.valid, data.test) for caption in part.captions}
    assert said == {f"Picture {i:02d}." for i in range(12)}
    note = "captions: the untranslated line of 12 files; left out the translations into 3 languages"
    assert f"{note} (ca@valencia, de, pt_BR)" in data.notes


@case("`metadata.jsonl` with `file_name` and `text`", "captions, as in Hugging Face's imagefolder")
def test_metadata_jsonl(tmp_path: Path) -> None:
    for part in ("train", "test"):
        names = [file.name for file in fill(tmp_path / part).iterdir()]
        rows = [json.dumps({"file_name": name, "text": f"{part} {name}"}) for name in [*names, "gone.png"]]
        (tmp_path / part / "metadata.jsonl").write_text("\n".join(rows) + "\n")
    data = load_data(str(tmp_path))
    assert set(data.test.captions) == {f"test {i:02d}.png" for i in range(12)}
    assert "metadata.jsonl names 1 file not among the examples, such as gone.png" in data.notes


@case("`metadata.jsonl` that breaks off", "one line with the table and the place")
def test_broken_metadata(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "00.png", "te')
    assert "metadata.jsonl" in refusal(tmp_path) and "correct the table" in refusal(tmp_path)


@case(
    "our own `sheet.png`, `film.gif` and `samples.json` among the samples",
    "ignored: the samples are the examples",
)
def test_own_output(tmp_path: Path) -> None:
    fill(tmp_path)
    (tmp_path / "samples.json").write_text("{}")
    for name in ("sheet.png", "film.gif"):
        Image.new("L", (99, 44)).save(tmp_path / name)
    data = load_data(str(tmp_path))
    assert count(data) == 12 and data.representation.shape == (1, 8, 8)
    assert own_notes(data)[1:] == ("ignored 3 files written by morphogen",)


@case("ten `.py` files and three empty ones", "text; the empty ones are counted", "gpt-2-output-dataset#51")
def test_source_files_with_empty_ones(tmp_path: Path) -> None:
    for i in range(10):
        (tmp_path / f"{i}.py").write_text("".join(f"x{i} = {j}\n" for j in range(60)))
    for i in range(3):
        (tmp_path / f"e{i}.py").write_bytes(b"")
    data = load_data(str(tmp_path))
    assert data.medium == "text" and "ignored 3 empty files (e0.py, e1.py, e2.py)" in data.notes


@case("pictures with a README and a licence", "the pictures; the others are counted by kind")
def test_files_of_another_kind(pets: Path) -> None:
    for name in ("README.md", "LICENSE", "sizes.csv"):
        (pets / name).write_text("about the pets")
    data = load_data(str(pets))
    assert count(data) == 40
    assert own_notes(data)[1:] == ("ignored 3 files of another kind (no suffix, .md, .csv)",)


@case("a folder of files that no medium reads", "one line that counts what is in it")
def test_no_example(tmp_path: Path) -> None:
    (tmp_path / "a.blend").write_bytes(b"BLENDER\0\0")
    assert "no pictures in it (ignored 1 file of another kind (.blend))" in refusal(tmp_path)


@case("a class of which every picture is broken", "no class, and each file is named")
def test_a_class_of_broken_pictures(pets: Path) -> None:
    (pets / "birds").mkdir()
    (pets / "birds" / "0.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    data = load_data(str(pets))
    assert data.classes == ("cats", "dogs")
    assert "no picture of birds can be read: left out of the classes" in data.notes
    assert "skipped birds/0.png: not a picture that Pillow can read" in data.notes


@case("recordings with `a.txt` beside `a.wav`", "sounds with transcripts")
def test_sounds_with_transcripts(tmp_path: Path) -> None:
    from scipy.io import wavfile

    for i in range(12):
        wavfile.write(tmp_path / f"{i}.wav", 8000, RNG.integers(-9999, 9999, 400).astype(np.int16))
        (tmp_path / f"{i}.txt").write_text(f"number {i}")
    data = load_data(str(tmp_path), length=100)
    assert data.medium == "sound" and "captions for 12 of 12 recordings" in data.notes
    captions = {caption for part in (data.train, data.valid, data.test) for caption in part.captions}
    assert captions == {f"number {i}" for i in range(12)}


@case("a folder name with a line feed", "a class whose name is in one line")
def test_names_of_several_lines(pets: Path) -> None:
    fill(pets / "two\nlines")
    assert load_data(str(pets)).classes == ("cats", "dogs", "two\\nlines")


@case("a folder of clip art: pictures with captions, and a few sources (`.svg`), sounds and data", "pictures")
def test_a_folder_of_many_kinds(pets: Path) -> None:
    for i in range(25):
        (pets / "cats" / f"{i}.svg").write_text("<svg></svg>")
        (pets / "dogs" / f"{i}.dat").write_text("noflip\n")
    for i in range(15):
        (pets / "dogs" / f"sound {i}.ogg").write_bytes(b"OggS")
    data = load_data(str(pets))
    assert data.medium == "pictures" and data.classes == ("cats", "dogs")
    note = "read as pictures; the folder also holds text and sound: give text:"
    assert any(line.startswith(note) for line in data.notes)
    (pets / "notes.svg").write_text("<svg>" + "a line of it\n" * 30)
    assert load_data(f"text:{pets / 'notes.svg'}", length=4).medium == "text"


@case(
    "`frog.png` with `frog.txt`, and `frog_desc_fr.ogg` and nine others, in which it is described",
    "pictures with captions: a file that continues another's name belongs to it; `sound:PATH` reads sounds",
)
def test_pictures_with_spoken_descriptions(tmp_path: Path) -> None:
    fill(tmp_path)
    for i in range(12):
        (tmp_path / f"{i:02d}.txt").write_text(f"frog {i}")
        for language in ("be", "de", "el", "en", "es", "fr", "it", "pl", "ru", "uk"):
            (tmp_path / f"{i:02d}_desc_{language}.ogg").write_bytes(b"OggS")
    data = load_data(str(tmp_path))
    assert data.medium == "pictures" and "captions for 12 of 12 pictures" in data.notes
    note = f"read as pictures; the folder also holds sound: give sound:{tmp_path} to read that"
    assert data.notes[0] == note
    (tmp_path / "frogs_1.ogg").write_bytes(b"OggS")  # 00.png is not the beginning of this name
    assert len(visible_files(tmp_path)) == 13


@case(
    "a few pictures among hundreds of sources", "the sources; a note has the prefix that reads the pictures"
)
def test_a_medium_of_few_files_among_many(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("morphogen.data.prefix.ENOUGH", 10)
    for i in range(120):
        (tmp_path / f"{i}.md").write_text(f"about {i}\n" * 9)
    fill(tmp_path / "plots", 9)
    assert not load_data(str(tmp_path), length=8).notes[0].startswith("read as")
    fill(tmp_path / "more", 1)
    note = f"read as text; the folder also holds pictures: give pictures:{tmp_path} to read that"
    assert load_data(str(tmp_path), length=8).notes[0] == note


@case("drawings (`.svg`, `.eps`) beside the pictures", "the pictures; a note: convert the others to PNG")
def test_vector_pictures(pets: Path) -> None:
    for name in ("a.svg", "b.SVG", "c.eps"):
        (pets / "cats" / name).write_text("<svg></svg>")
    notes = load_data(str(pets)).notes
    assert (
        "the ignored files include 3 vector pictures (.svg, .eps): convert them to PNG to read them" in notes
    )
    with pytest.raises(DataError, match=r"a vector picture \(SVG\): convert it to PNG"):
        read_as(pets / "cats" / "a.svg", (1, 8, 8))


@case("an unpacked archive: `archive/PetImages/cats`, `archive/PetImages/dogs`", "two classes, with a note")
def test_a_folder_around_the_classes(pets: Path, tmp_path: Path) -> None:
    archive = tmp_path / "archive"
    archive.mkdir()
    pets.rename(archive / "PetImages")
    data = load_data(str(archive))
    assert data.classes == ("cats", "dogs")
    assert "all files that are read are in PetImages: its folders are read" in data.notes
