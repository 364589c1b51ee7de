"""Samples of each medium: their files and names, previews, and the provenance in each picture."""

import csv
import json

import torch
from PIL import Image

from morphogen.media.pictures import read_stamp, stamp
from morphogen.media.table import TABLE
from morphogen.representations.audio import MuLaw
from morphogen.representations.pixels import Dequantised, Logit, Pixels
from morphogen.representations.tabular import CategoryColumn, GridColumn, Tabular
from morphogen.representations.text import Bytes
from morphogen.samples import Samples

PEOPLE = Tabular((GridColumn("age", (0,), 9), CategoryColumn("city", ("Ulm", "Köln, Bonn"))))


def test_a_stamp_is_read_back_and_a_plain_png_has_none(tmp_path):
    facts = {"system": "ddpm", "name": "Grüße", "none": None}
    Image.new("L", (2, 2)).save(tmp_path / "a.png", pnginfo=stamp(facts))
    Image.new("L", (2, 2)).save(tmp_path / "b.png")
    assert read_stamp(tmp_path / "a.png") == facts and read_stamp(tmp_path / "b.png") is None


def test_each_picture_is_stamped_with_its_index(tmp_path):
    facts = {"seed": 4, "indices": [7, 3], "sampler": "DDIM()"}
    samples = Samples(torch.zeros(2, 1, 4, 4), {"label": torch.tensor([1, 2])}, Pixels(256, (1, 4, 4)), facts)
    paths = samples.save(tmp_path)
    assert [p.name for p in paths] == ["0007.png", "0003.png"]
    assert read_stamp(paths[1]) == {"seed": 4, "sampler": "DDIM()", "index": 3, "condition": {"label": 2}}
    listed = {"condition": {"label": [1, 2]}, "files": ["0007.png", "0003.png"]}
    assert json.loads((tmp_path / "samples.json").read_text()) == facts | listed


def test_a_wrapped_representation_saves_the_files_of_its_medium(tmp_path):
    pixels = Logit(Dequantised(Pixels(17, (1, 4, 4))))
    (path,) = Samples(torch.zeros(1, 1, 4, 4), {}, pixels).save(tmp_path)
    assert path.name == "0000.png" and Image.open(path).size == (4, 4)


def test_texts_are_saved_as_text_files(tmp_path):
    samples = Samples(torch.tensor([[104, 105]]), {}, Bytes(2))
    assert [p.read_text() for p in samples.save(tmp_path)] == ["hi"]
    assert samples.to_displayable() == ["hi"]


def test_sounds_are_saved_as_wav_files_and_shown_as_spectrograms(tmp_path):
    samples = Samples(torch.zeros(2, 1, 512), {}, MuLaw(512, 8000))
    assert [p.name for p in samples.save(tmp_path)] == ["0000.wav", "0001.wav"]
    assert samples.to_displayable()[0].height == 129


def test_a_table_is_saved_as_one_csv_file(tmp_path):
    samples = Samples(torch.tensor([[3.0, 1.0], [4.0, 1.0]]).double(), {}, PEOPLE)
    (path,) = samples.save(tmp_path)
    (picture,) = samples.to_displayable()
    assert picture.height < 100 and TABLE.lines(samples, []) == "age  city\n  3  Köln, Bonn\n  4  Köln, Bonn"
    assert path.name == "samples.csv" and list(csv.DictReader(path.open(encoding="utf8")))[1] == {
        "age": "4",
        "city": "Köln, Bonn",
    }
