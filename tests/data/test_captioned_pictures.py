"""Pictures with captions as conditions: named sets on small files of their formats; several captions each."""

import hashlib
import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import morphogen as mg
from morphogen.conditioning.caption import Captions, caption_texts
from morphogen.data import Captioned, DataError, emoji, emoji_captions, stamps
from morphogen.data.dataset import Pictures
from morphogen.data.named import NAMED
from morphogen.run import Run
from morphogen.run_data import create_run, read_data

RNG = np.random.default_rng(0)


def lay(
    monkeypatch: pytest.MonkeyPatch,
    path: Path,
    name: str,
    module: Any,
    table: str,
    files: Mapping[str, bytes],
) -> None:
    """Put files into a temporary cache, with their checksums as the pins in `table`."""
    monkeypatch.setenv("MORPHOGEN_DATA", str(path))
    (path / name).mkdir()
    for file, content in files.items():
        (path / name / file).write_bytes(content)
    pins = {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    monkeypatch.setattr(module, table, pins)


def png(values: np.ndarray) -> bytes:
    file = io.BytesIO()
    Image.fromarray(values).save(file, "PNG")
    return file.getvalue()


def test_rows_are_every_caption_of_every_picture() -> None:
    pictures = Pictures(torch.arange(6, dtype=torch.uint8).view(3, 1, 1, 2), labels=torch.tensor([0, 1, 0]))
    rows = Captioned(pictures, [["a", "b"], ["c"], ["d", "e", "füñf"]])
    assert len(rows) == 9 and rows.labels is not None and len(rows.labels) == 9
    every = rows.first()
    assert caption_texts(every.condition["caption"]) == ["a", "c", "d", "b", "c", "e", "a", "c", "füñf"]
    assert torch.equal(every.medium[3:6], pictures.first().medium)
    assert every.condition["label"].tolist() == [0, 1, 0] * 3
    assert caption_texts(rows[torch.tensor([8, 1])].condition["caption"]) == ["füñf", "c"]
    assert len(Captioned(pictures, [["a", "b"], ["c"], ["d"]], variants=1)) == 3


def test_emoji_have_names_tags_and_categories(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    cells = [{"sheet_x": i % 8, "sheet_y": i // 8, "has_img_twitter": True} for i in range(60)]
    table = [
        {
            "name": f"HAND {i}", "category": "ab"[i % 2], "unified": f"1F{i:03}-FE0F", **cells[2 * i],
            "skin_variations": {"1F3FB": {"unified": f"1F{i:03}-1F3FB", **cells[2 * i + 1]}},
        }
        for i in range(30)
    ]  # fmt: skip
    sheet = RNG.integers(0, 256, (272, 272, 3), dtype=np.uint8)
    lay(monkeypatch, tmp_path, "emoji", emoji, "EMOJI_FILES",
        {"emoji.json": json.dumps(table).encode(), "sheet_twitter_32.png": png(sheet)})  # fmt: skip
    words = [
        {
            "label": f"hand {i}", "hexcode": f"1F{i:03}", "group": 1, "tags": ["hi", "bye", "yo"],
            "skins": [{"label": f"hand {i}: light skin tone", "hexcode": f"1F{i:03}-1F3FB"}],
        }
        for i in range(29)
    ]  # fmt: skip
    groups = {"groups": [{"order": 1, "message": "people & body"}]}
    lay(monkeypatch, tmp_path, "emoji-captions", emoji_captions, "EMOJIBASE_FILES",
        {"data.json": json.dumps(words).encode(), "messages.json": json.dumps(groups).encode()})  # fmt: skip
    data, plain = mg.load_data("emoji-captions"), mg.load_data("emoji")
    assert data.split == plain.split and torch.equal(data.test.values, plain.test.values)
    assert isinstance(data.conditions["caption"], Captions) and len(data.classes) == 2
    texts = {texts[0]: texts[1:] for part in (data.train, data.valid, data.test) for texts in part.texts}
    assert texts["hand 3"] == ["hand 3: hi, bye", "hi, bye, yo", "people & body: hand 3"]
    assert texts["hand 3, light skin tone"][0] == "hand 3, light skin tone: bye, yo"
    assert texts["hand 29"] == [] and texts["hand 29, light skin tone"] == []
    assert len(data.train) == 4 * len(plain.train) and len(data.test) == len(plain.test)


def test_stamps_have_a_sentence_and_the_folder_as_class(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    package = io.BytesIO()
    with zipfile.ZipFile(package, "w") as archive:
        for i in range(40):
            place, size = f"{('animals', 'food')[i % 2]}/deeper/{i}", (20 + i, 30, 4)
            archive.writestr(f"{place}.png", png(RNG.integers(0, 256, size, dtype=np.uint8)))
            archive.writestr(f"{place}.txt", f"Stamp {i}.\nde.utf8=Stempel {i}.\n")
            archive.writestr(f"{place}_desc_fr.ogg", b"sound")
        archive.writestr("food/vector.txt", "A vector.")
        archive.writestr("food/vector.svg", b"<svg/>")
    kept = stamps.pictures_and_texts(package.getvalue())
    with zipfile.ZipFile(io.BytesIO(kept)) as archive:
        assert {name.rpartition(".")[2] for name in archive.namelist()} == {"png", "txt"}
    lay(monkeypatch, tmp_path, "stamps", stamps, "STAMPS_FILES", {"stamps.zip": kept})
    data = mg.load_data("stamps")
    parts = (data.train, data.valid, data.test)
    assert data.classes == ("animals", "food") and data.representation.shape == (3, 32, 32)
    assert sorted(caption for part in parts for caption in part.captions) == sorted(
        f"Stamp {i}." for i in range(40)
    )
    for part in parts:
        numbers = [int(caption[6:-1]) for caption in part.captions]
        assert [number % 2 for number in numbers] == part.labels.tolist()


@pytest.mark.parametrize(
    ("name", "sizes"), [("stamps", (576, 89, 120)), ("emoji-captions", (13840, 392, 626))]
)
def test_the_documented_sizes(name: str, sizes: tuple[int, int, int]) -> None:
    try:
        data = mg.load_data(name)
    except DataError:
        pytest.skip(f"python -m morphogen.data.fetch emoji {name}")
    assert tuple(map(len, (data.train, data.valid, data.test))) == sizes
    assert NAMED[name].available


def fill(folder: Path, n: int = 12) -> list[Path]:
    """Pictures of noise."""
    folder.mkdir(exist_ok=True)
    files = [folder / f"{i:02d}.png" for i in range(n)]
    for file in files:
        file.write_bytes(png(RNG.integers(0, 256, (8, 8), dtype=np.uint8)))
    return files


def test_captions_of_a_folder_are_a_condition_if_all_pictures_have_one(tmp_path: Path) -> None:
    """In any language, with a sentence that is longer than an encoder takes."""
    words = ["a cat", "eine Katze", "один кот", "猫が一匹", "قطة", "🐈", "a " + "very " * 200 + "long cat"]
    for i, file in enumerate(fill(tmp_path)):
        file.with_suffix(".txt").write_text(words[i % len(words)])
    data = mg.load_data(str(tmp_path))
    assert isinstance(spec := data.conditions["caption"], Captions) and spec.text.length == 64
    parts = (data.train, data.valid, data.test)
    said = [text for part in parts for text in caption_texts(part.first().condition["caption"])]
    assert set(said) == set(words) and said == [text for part in parts for text in part.captions]
    assert any("captions are longer than 64 tokens: their ends are not read" in note for note in data.notes)
    model = mg.build_system("ddpm", data, size="tiny")  # captions are optional
    assert model.conditioner is None
    assert mg.load_data(str(tmp_path), tokenizer="bytes").conditions["caption"].text.vocabulary == 256
    for file in ("03.txt", "07.txt"):
        (tmp_path / file).write_text(" \n")
    (tmp_path / "09.txt").unlink()
    data = mg.load_data(str(tmp_path))
    note = (
        "captions for 9 of 12 pictures: none for 03.png, 07.png, 09.png; models are conditioned on captions"
    )
    assert not data.conditions and any(line.startswith(note) for line in data.notes)


def test_captions_in_memory() -> None:
    pictures = RNG.integers(0, 256, (30, 8, 8), dtype=np.uint8)
    texts: list[Any] = [[f"number {i}", f"picture {i}"] for i in range(30)]
    data = mg.load_data(pictures, captions=texts)
    assert len(data.train) == 2 * len(data.train.pictures) and "caption" in data.conditions
    with pytest.raises(DataError, match=r"^captions\[4\] is missing; give every example a caption, or leave"):
        mg.load_data(pictures, captions=[*texts[:4], None, *texts[5:]])
    data = mg.load_data(pictures, captions=[*texts[:4], "", *texts[5:]])
    assert not data.conditions and "1 of 30 captions are empty, the first captions[4]" in str(data.notes)


def test_a_run_whose_model_takes_no_captions_is_opened_again(tmp_path: Path) -> None:
    """The vocabulary of the captions is not saved with its model."""
    for file in fill(tmp_path / "photos", 40):
        file.with_suffix(".txt").write_text(f"the number {file.stem}")
    data = mg.load_data(str(tmp_path / "photos"))
    run = create_run(tmp_path, "mixture", data, {"data": str(tmp_path / "photos")})
    mg.save(mg.build_system("mixture", data, size="tiny"), run.directory / "model")
    run.mark("finished")
    opened = Run.open(run.directory)
    assert "caption" in opened.record["settings"]["conditions"] and not opened.conditions
    assert opened.model().specs == {}
    assert read_data(opened.record["settings"], run.directory).sha256 == data.sha256


@pytest.mark.parametrize("given", ["by place", "as pairs", "as items", "several"])
def test_labels_that_are_sentences_are_captions(given: str) -> None:
    pictures = RNG.integers(0, 256, (30, 8, 8, 3)).astype("uint8")
    texts = [f"a drawing of number {i}" for i in range(30)]
    items = [(Image.fromarray(picture), text) for picture, text in zip(pictures, texts, strict=True)]
    several = [[text, "a picture with one number"] for text in texts]
    data = {
        "by place": lambda: mg.load_data(pictures, texts),
        "as pairs": lambda: mg.load_data((pictures, texts)),
        "as items": lambda: mg.load_data(_Items(items)),
        "several": lambda: mg.load_data(pictures, several),
    }[given]()
    assert list(data.conditions) == ["caption"] and data.classes == ()
    note = f"the labels are {31 if given == 'several' else 30} different texts, and are read as captions"
    assert note in data.notes
    ours = mg.load_data(pictures, captions=several if given == "several" else texts)
    assert data.train.captions == ours.train.captions and torch.equal(data.train.values, ours.train.values)


def test_few_sentences_are_classes_with_a_note_and_short_names_are_without() -> None:
    pictures = RNG.integers(0, 256, (30, 8, 8, 3)).astype("uint8")
    long = mg.load_data(pictures, [f"a drawing of number {i % 3}" for i in range(30)])
    note = "the 3 classes are named by several words: captions=labels conditions on these"
    assert len(long.classes) == 3 and note in long.notes
    short = mg.load_data(pictures, [("ankle boot", "tote bag")[i % 2] for i in range(30)])
    assert short.classes == ("ankle boot", "tote bag") and not any("captions" in one for one in short.notes)


class _Items(torch.utils.data.Dataset[Any]):
    """Pairs, as the data sets of torchvision are."""

    def __init__(self, items: list[Any]):
        self.items = items

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, i: int) -> Any:
        return self.items[i]
