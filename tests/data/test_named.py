"""Named data sets: their loaders on small files of the same format, and their sizes if they are available."""

import hashlib
import io
import json
import re

import numpy as np
import pytest
import torch
from PIL import Image

from morphogen.data import NAMED, DataError, emoji, load_data, mnist
from morphogen.data.cache import keep, pinned


def lay(monkeypatch, tmp_path, name, module, table, files):
    """Put files into a temporary cache, with their checksums as the pins in `table`."""
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))
    (tmp_path / name).mkdir()
    for file, content in files.items():
        (tmp_path / name / file).write_bytes(content)
    monkeypatch.setattr(
        module, table, {file: hashlib.sha256(content).hexdigest() for file, content in files.items()}
    )


def idx(values):
    return bytes([0, 0, 8, values.ndim]) + np.array(values.shape, ">u4").tobytes() + values.tobytes()


def contents(examples):
    return {value.tobytes() for value in examples.values.numpy()}


@pytest.mark.parametrize(("name", "table"), [("mnist", "MNIST_FILES"), ("fashion-mnist", "FASHION_FILES")])
def test_the_test_part_is_the_authors_test_set(monkeypatch, tmp_path, name, table):
    rng = np.random.default_rng(0)
    learn, test = (rng.integers(0, 256, (n, 28, 28), dtype=np.uint8) for n in (200, 30))
    labels, test_labels = (np.arange(n, dtype=np.uint8) % 10 for n in (200, 30))
    parts = dict(zip(getattr(mnist, table), map(idx, (learn, labels, test, test_labels)), strict=True))
    lay(monkeypatch, tmp_path, name, mnist, table, parts)
    data = load_data(name)
    assert torch.equal(data.test.values[:, 0], torch.from_numpy(test))
    assert data.test.labels.tolist() == test_labels.tolist()
    assert contents(data.train) | contents(data.valid) == {picture.tobytes() for picture in learn}
    assert len(data.train) + len(data.valid) == 200 and 5 <= len(data.valid) <= 40
    assert len(data.classes) == 10 and data.representation.shape == (1, 28, 28)
    assert "authors' own" in data.split
    label_of = {picture.tobytes(): label for picture, label in zip(learn, labels, strict=True)}
    for picture, label in zip(data.train.values, data.train.labels, strict=True):
        assert label_of[picture.numpy().tobytes()] == label


def test_grey_values_of_three_decimals_round_back_exactly(monkeypatch, tmp_path):
    values = np.random.default_rng(0).integers(0, 256, (10, 4, 784), dtype=np.uint8)
    files = {
        f"{digit}.json": json.dumps({"data": (of_class / 255).round(3).flatten().tolist()}).encode()
        for digit, of_class in enumerate(values)
    }
    lay(monkeypatch, tmp_path, "mnist-10k", mnist, "DIGIT_FILES", files)
    data = load_data("mnist-10k")
    rows = {
        v.numpy().tobytes(): label
        for part in (data.train, data.valid, data.test)
        for v, label in zip(part.values, part.labels, strict=True)
    }
    assert rows == {picture.tobytes(): digit for digit, of_class in enumerate(values) for picture in of_class}


def test_a_picture_is_in_the_same_part_of_mnist_5k_and_mnist_10k():
    if not NAMED["mnist-10k"].available:
        pytest.skip("run make data to unpack mnist-10k")
    few, many = load_data("mnist-5k"), load_data("mnist-10k")
    for part in ("train", "valid", "test"):
        assert contents(getattr(few, part)) <= contents(getattr(many, part))
    counts = torch.cat([part.labels for part in (many.train, many.valid, many.test)]).bincount()
    assert counts.tolist() == [1001, 1127, 991, 1032, 980, 863, 1014, 1070, 944, 978]


def sheet_and_table(hands=30, side=8):
    """A sheet of side x side cells and its table.

    Each hand occurs twice: plain (blue 10, one corner transparent) and in one skin tone (blue 11).
    """
    rng = np.random.default_rng(0)
    sheet = np.zeros((side * 34, side * 34, 4), np.uint8)
    cells = [{"sheet_x": i % side, "sheet_y": i // side, "has_img_twitter": True} for i in range(2 * hands)]
    for i, cell in enumerate(cells):
        y, x = cell["sheet_y"] * 34 + 1, cell["sheet_x"] * 34 + 1
        sheet[y : y + 32, x : x + 32] = (*rng.integers(0, 256, 2), 10 + i % 2, 255)
        sheet[y, x, 3] = 255 * (i % 2)
    tones = list(emoji.TONES)
    not_drawn = {"1F3FB-1F3FF": {"has_img_twitter": False}}
    table = [
        {
            "name": f"HAND {i}",
            "category": "ab"[i % 2],
            **cells[2 * i],
            "skin_variations": {tones[i % 5]: cells[2 * i + 1], **not_drawn},
        }
        for i in range(hands)
    ]
    file = io.BytesIO()
    Image.fromarray(sheet).save(file, "PNG")
    return {"emoji.json": json.dumps(table).encode(), "sheet_twitter_32.png": file.getvalue()}


def test_emoji_are_cropped_from_the_sheet_and_skin_tones_stay_in_one_part(monkeypatch, tmp_path):
    lay(monkeypatch, tmp_path, "emoji", emoji, "EMOJI_FILES", sheet_and_table())
    data = load_data("emoji")
    parts = (data.train, data.valid, data.test)
    assert sum(map(len, parts)) == 60
    assert data.classes == ("a", "b") and data.representation.shape == (3, 32, 32)
    for part in parts:
        hands = [int(caption.split(",")[0].removeprefix("hand ")) for caption in part.captions]
        assert all(hands.count(hand) == 2 for hand in hands), "a part has an emoji without its skin tone"
        assert [hand % 2 for hand in hands] == part.labels.tolist()
        toned = torch.tensor([caption.endswith(" skin tone") for caption in part.captions])
        assert torch.equal(part.values[:, 2, 5, 5], 10 + toned.byte())
        assert torch.equal((part.values[:, :, 0, 0] == 255).all(1), ~toned)
    assert any(caption.endswith(", medium-light skin tone") for part in parts for caption in part.captions)


def test_emoji_have_the_documented_sizes():
    if not NAMED["emoji"].available:
        pytest.skip("run make data to unpack emoji")
    data = load_data("emoji")
    parts = (data.train, data.valid, data.test)
    assert sum(map(len, parts)) == 3786 and len(data.classes) == 10
    assert len(set().union(*map(contents, parts))) == 3752
    assert not contents(data.train) & contents(data.test) and not contents(data.train) & contents(data.valid)
    assert "rocket" in {caption for part in parts for caption in part.captions}


@pytest.mark.parametrize("source", NAMED.values(), ids=NAMED)
def test_every_source_is_complete(source):
    assert source.description and source.licence and source.size and source.origin
    assert source.module or (
        source.files and (source.urls or source.package) and all("{file}" in home for home in source.urls)
    )
    assert all(re.fullmatch(r"[0-9a-f]{64}", pin) for pin in source.files.values())
    # npm, pip and apt know their registries
    assert not any(host in source.origin for host in ("npmjs", "pypi", "deb.debian.org"))
    assert NAMED[source.name] is source


def test_a_missing_or_wrong_file_names_the_remedy(monkeypatch, tmp_path):
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path))
    with pytest.raises(DataError, match="is missing; download it: morphogen data get mnist"):
        load_data("mnist")
    pin = hashlib.sha256(b"x").hexdigest()
    keep("some", "file", b"x", pin, "here")
    assert pinned("some", "file", pin) == b"x"
    (tmp_path / "some" / "file").write_bytes(b"y")
    with pytest.raises(DataError, match="has the wrong sha256; download it again: morphogen data get some"):
        pinned("some", "file", pin)
