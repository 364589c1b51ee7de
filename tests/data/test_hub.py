"""Data sets read by the package `datasets` from local folders: pictures and text, and their splits."""

import io
import sys
import tarfile

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

from morphogen.conditioning.caption import Captions, caption_texts
from morphogen.data import DataError, load_data
from tests.cases import own_notes

datasets = pytest.importorskip("datasets", reason="the extra `hub`: pip install 'morphogen[hub]'")


@pytest.fixture(autouse=True)
def quiet(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "hf-cache")
    datasets.disable_progress_bars()


def pictures(n, label=None, seed=0, side=8):
    """n pictures whose top left pixel is their index, with a label column if `label` is given."""
    values = np.random.default_rng(seed).integers(0, 256, (n, side, side), dtype=np.uint8)
    values[:, 0, 0] = np.arange(n)
    columns, features = {"img": [Image.fromarray(v) for v in values]}, {"img": datasets.Image()}
    if label is not None:
        columns["label"] = [label(i) for i in range(n)]
        features["label"] = datasets.ClassLabel(names=["even", "odd"])
    return datasets.Dataset.from_dict(columns, features=datasets.Features(features))


def stored(tmp_path, **parts):
    datasets.DatasetDict(**parts).save_to_disk(str(tmp_path / "stored"))
    return f"hf:{tmp_path / 'stored'}"


def test_the_authors_split_is_kept_and_labels_belong_to_their_pictures(tmp_path):
    source = stored(
        tmp_path,
        train=pictures(40, lambda i: i % 2),
        validation=pictures(9, lambda i: i % 2, 1),
        test=pictures(12, lambda i: i % 2, 2),
    )
    data = load_data(source)
    assert [len(part) for part in (data.train, data.valid, data.test)] == [40, 9, 12]
    assert "authors' own parts" in data.split and data.name == "stored"
    assert data.classes == ("even", "odd") and data.representation.shape == (1, 8, 8)
    for part in (data.train, data.valid, data.test):
        assert torch.equal(part.values[:, 0, 0, 0] % 2, part.labels)


def test_two_splits_are_train_and_test(tmp_path):
    data = load_data(
        stored(tmp_path, train=pictures(60, lambda i: i % 2), validation=pictures(9, lambda i: i % 2, 1))
    )
    assert len(data.test) == 9 and len(data.train) + len(data.valid) == 60 and len(data.valid) > 0


def test_a_test_split_with_withheld_labels_is_ignored(tmp_path):
    data = load_data(stored(tmp_path, train=pictures(60, lambda i: i % 2), test=pictures(9, lambda i: -1, 1)))
    assert len(data.train) + len(data.valid) + len(data.test) == 60 and "75/10/15" in data.split


def test_a_folder_of_parquet_is_split_by_content(tmp_path):
    (tmp_path / "table").mkdir()
    pictures(50, lambda i: i % 2).to_parquet(tmp_path / "table" / "train.parquet")
    data = load_data(f"hf:{tmp_path / 'table'}", resolution=16)
    assert len(data.train) + len(data.valid) + len(data.test) == 50
    assert data.representation.shape == (1, 16, 16)
    assert "75/10/15" in data.split and "resized to 16 x 16" in data.notes[0]


def test_string_labels_are_classes_and_a_row_without_one_is_skipped(tmp_path):
    table = pictures(30).add_column("label", ["cat" if i % 2 else "dog" for i in range(29)] + [None])
    data = load_data(stored(tmp_path, train=table))
    assert data.classes == ("cat", "dog") and own_notes(data)[1:] == ("skipped row 29: no label",)
    assert torch.equal(1 - data.train.values[:, 0, 0, 0] % 2, data.train.labels)


def test_pictures_without_labels(tmp_path):
    data = load_data(stored(tmp_path, train=pictures(30)))
    assert data.classes == () and data.train.labels is None


def test_one_colour_picture_in_any_split_makes_all_pictures_rgb(tmp_path):
    colour = datasets.Dataset.from_dict(
        {"img": [Image.new("RGB", (8, 8), (i, 0, 200)) for i in range(4)]},
        features=datasets.Features(img=datasets.Image()),
    )
    data = load_data(stored(tmp_path, train=pictures(30), test=colour))
    assert data.representation.shape == (3, 8, 8) and data.train.values.shape[1] == 3


def lines(n, seed):
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(["sun", "moon", "Größe", "river"], 9)) + f" {seed} {i}" for i in range(n)]


def test_text_by_content(tmp_path):
    rows = lines(400, 0)
    (tmp_path / "text").mkdir()
    datasets.Dataset.from_dict({"source": ["x"] * 400, "text": rows}).to_parquet(
        tmp_path / "text" / "train.parquet"
    )
    data = load_data(f"hf:{tmp_path / 'text'}", length=32)
    assert (
        data.medium == "text"
        and data.representation.length == 32
        and "by the hash of each text" in data.split
    )
    assert torch.equal(data.train.text, load_data(rows, length=32).train.text)  # as the list of these texts
    assert data.notes[0] == "text: column 'text'; not used: source"


@pytest.mark.parametrize("with_valid", [True, False])
def test_text_with_the_authors_split(tmp_path, with_valid):
    parts = {"train": lines(300, 0), "test": lines(40, 1)} | (
        {"validation": lines(30, 2)} if with_valid else {}
    )
    data = load_data(
        stored(tmp_path, **{part: datasets.Dataset.from_dict({"text": rows}) for part, rows in parts.items()})
    )

    def covered(part):
        return {i for start in part.starts.tolist() for i in range(start, start + part.length)}

    train, valid, test = (covered(part) for part in (data.train, data.valid, data.test))
    assert not (train & valid or train & test or valid & test) and valid
    text = bytes(data.train.text.tolist())
    assert text[min(test) : min(test) + 64].decode().startswith(parts["test"][0])
    assert len(test) > 0.9 * len("\n".join(parts["test"]).encode())
    if with_valid:
        assert text[min(valid) : min(valid) + 64].decode().startswith(parts["validation"][0])


def test_columns_without_pictures_or_text_are_a_table(tmp_path):
    columns = {"size": [0.3, 1.7, 2.2, 0.9] * 9, "price": [float(i * i % 7) for i in range(36)]}
    data = load_data(stored(tmp_path, train=datasets.Dataset.from_dict(columns)))
    assert data.medium == "table" and [c.name for c in data.representation.columns] == ["size", "price"]


def test_broken_pictures_are_skipped_unless_there_are_too_many(tmp_path):
    rows = [
        {"bytes": row["bytes"], "path": None}
        for row in pictures(30).cast_column("img", datasets.Image(decode=False))["img"]
    ]
    features = datasets.Features(img=datasets.Image())
    for broken in (2, 9):
        bad = [{"bytes": b"no picture", "path": None}] * (broken - 1) + [None]
        table = datasets.Dataset.from_dict({"img": rows + bad}, features=features)
        (tmp_path / str(broken)).mkdir()
        source = stored(tmp_path / str(broken), train=table)
        if broken == 2:
            assert len(own_notes(load_data(source))) == 1 + broken
            continue
        with pytest.raises(DataError, match="9 of 39 files cannot be used"):
            load_data(source)


@pytest.mark.parametrize("source", ["hf:owner/name", "hf:owner/name:config"])
def test_an_error_of_the_hub_is_one_line_with_the_remedy(monkeypatch, source):
    calls = []

    def fail(*arguments):
        calls.append(arguments)
        raise ConnectionError("Couldn't reach the Hub\nat all")

    monkeypatch.setattr(datasets, "load_dataset", fail)
    message = rf"{source}': Couldn't reach the Hub at all; check the name and the network"
    with pytest.raises(DataError, match=message) as error:
        load_data(source)
    assert "\n" not in str(error.value)
    assert calls == [("owner/name", "config" if source.endswith("config") else None)]


def test_without_the_extra_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(
        DataError, match=r"needs the package datasets; install it: pip install 'morphogen\[hub\]'"
    ):
        load_data("hf:owner/name")


def captioned_pictures(n, caption, column="text", seed=0):
    """Pictures with a column of texts; `caption` gives that of each index."""
    return pictures(n, seed=seed).add_column(column, [caption(i) for i in range(n)])


@pytest.mark.parametrize("column", ["text", "caption", "Prompt"])
def test_a_column_of_captions_is_the_condition(tmp_path, column):
    """Each picture keeps its caption, in the authors' splits and in one that is split by content."""
    parts = {
        part: captioned_pictures(n, "number {}".format, column, seed)
        for seed, (part, n) in enumerate((("train", 40), ("test", 9)))
    }
    for data in (load_data(stored(tmp_path, **parts)), load_data(parts["train"])):
        assert isinstance(data.conditions["caption"], Captions)
        assert f"captions: column {column!r}, for" in str(data.notes)
        for part in (data.train, data.valid, data.test):
            batch = part.first()
            numbers = [int(text[7:]) for text in caption_texts(batch.condition["caption"])]
            assert ((batch.medium[:, 0, 0, 0] + 1) * 127.5).round().tolist() == numbers
    assert data.train.variants == 1


def test_several_captions_beside_a_class(tmp_path):
    table = pictures(40, lambda i: i % 2)
    table = table.add_column("captions", [[f"picture {i}", f"the number {i}", ""] for i in range(40)])
    data = load_data(stored(tmp_path, train=table))
    assert data.train.variants == 2 and set(data.conditions) == {"label", "caption"}
    assert data.classes == ("even", "odd")


def test_missing_captions_and_texts_of_other_columns_are_noted(tmp_path):
    """Captions of some pictures are no condition, and neither is a text of another name."""
    some = load_data(captioned_pictures(40, lambda i: None if i in (3, 5) else f"number {i}"))
    note = "captions: column 'text', for 38 of 40 pictures; models are conditioned on captions only if all"
    assert not some.conditions and note in str(some.notes)
    other = load_data(captioned_pictures(40, "number {}".format, "description"))
    note = "texts in 'description' are not read; name a column caption to condition on it"
    assert not other.conditions and note in other.notes


@pytest.mark.parametrize("writer", ["records", "bytes", "shards"])
def test_folders_that_other_programs_wrote_hold_captioned_pictures(tmp_path, writer):
    """Parquet of pandas, with pictures as records or bytes, and shards of WebDataset: no type says so."""
    values = np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8)
    encoded, texts = [png(value) for value in values], [f"number {i}" for i in range(40)]
    folder = tmp_path / "written"
    folder.mkdir()
    if writer == "shards":
        write_shard(folder / "00000.tar", encoded, texts)
    else:
        cells = [{"bytes": each, "path": None} for each in encoded] if writer == "records" else encoded
        pd.DataFrame({"image": cells, "caption": texts}).to_parquet(folder / "part.parquet")
        message = rf"part\.parquet: column 'image' holds bytes, as of pictures: give hf:{folder}$"
        with pytest.raises(DataError, match=message):
            load_data(folder)
    data = load_data(f"hf:{folder}")
    assert data.representation.shape == (1, 8, 8) and list(data.conditions) == ["caption"]
    captions = [text for part in (data.train, data.valid, data.test) for text in part.captions]
    assert sorted(captions) == sorted(texts)
    pixels = data.train.first(1).medium.add(1).mul(127.5).round()
    assert torch.equal(pixels[0, 0], torch.from_numpy(values[texts.index(data.train.captions[0])]).float())


def test_a_folder_that_the_package_saved_is_named_with_its_prefix(tmp_path):
    name = stored(tmp_path, train=pictures(40))
    with pytest.raises(DataError, match=rf"was saved by the package datasets: give {name}$"):
        load_data(name.removeprefix("hf:"))


def png(value):
    file = io.BytesIO()
    Image.fromarray(value).save(file, "PNG")
    return file.getvalue()


def write_shard(path, encoded, texts):
    """A shard as img2dataset writes it: a.png and a.txt of each picture."""
    with tarfile.open(path, "w") as shard:
        for i, (picture, text) in enumerate(zip(encoded, texts, strict=True)):
            for suffix, content in (("png", picture), ("txt", text.encode())):
                entry = tarfile.TarInfo(f"{i:09}.{suffix}")
                entry.size = len(content)
                shard.addfile(entry, io.BytesIO(content))
