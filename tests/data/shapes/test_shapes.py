"""The named data set `shapes`: parts, captions as conditions, any number of further scenes."""

import torch

import morphogen as mg
from morphogen.conditioning.caption import Captions, caption_texts
from morphogen.data.shapes import SceneStream
from morphogen.data.shapes.scene_captions import read_captions
from morphogen.data.shapes.scene_pictures import draw_pictures
from morphogen.data.shapes.scenes import is_novel


def test_the_parts_and_their_captions() -> None:
    data = mg.load_data("shapes")
    assert [len(part) for part in (data.train, data.valid, data.test)] == [50_000, 2_000, 2_000]
    novel = [is_novel(read_captions(part.captions_of(torch.arange(500)))) for part in (data.train, data.test)]
    assert not novel[0].any() and torch.equal(novel[1], torch.arange(500) % 2 == 1)
    spec = data.conditions["caption"]
    assert isinstance(spec, Captions) and data.test.conditions == data.conditions
    words = {word for caption in data.train.captions_of(torch.arange(2000)) for word in caption.split()}
    assert all(len(spec.text.ids(" " + word)) == 1 for word in words)
    captions = data.test.captions_of(torch.arange(2000))
    assert max(len(spec.text.ids(caption)) for caption in captions) <= spec.text.length
    assert "red triangle" in data.split and not data.notes


def test_rows_are_a_function_of_their_index() -> None:
    stream = SceneStream("more", 2**40, seed=5, novel_every=3)
    rows = torch.tensor([2**40 - 1, 3, 7])
    batch, alone = stream[rows], stream[rows[1:2]]
    texts = caption_texts(batch.condition["caption"])
    assert torch.equal(batch.medium[1:2], alone.medium)
    assert texts == stream.captions_of(rows) and texts[1:2] == caption_texts(alone.condition["caption"])
    assert torch.equal(is_novel(stream.scenes(rows)), rows % 3 == 2)
    assert torch.equal(draw_pictures(stream.scenes(rows)) * (2 / 255) - 1, batch.medium)
    other = SceneStream("more", 2**40, seed=6)[rows]
    assert not torch.equal(other.medium, batch.medium)


def test_the_vocabulary_is_a_choice() -> None:
    data = mg.load_data("shapes", tokenizer="bytes", length=150)
    spec = data.conditions["caption"]
    assert isinstance(spec, Captions) and (spec.text.vocabulary, spec.text.length) == (256, 150)
    short = mg.load_data("shapes", tokenizer="bytes", length=10)
    assert "captions are longer than 10 tokens: their ends are not read" in short.notes[0]
