"""Zero-shot classes, retrieval and caption scores: on embeddings made by hand, and of CLIP on squares."""

import math

import pytest
import torch
from torch import Tensor

import morphogen as mg
from evaluation.coloured import (
    ALL,
    COLOURS,
    CORNERS,
    SIZE,
    TEMPLATES,
    coloured,
    scene,
    trained_clip,
    untrained_clip,
)
from morphogen.component import ConfigError
from morphogen.conditioning.caption import caption_bytes
from morphogen.contract import Batch, Unsupported
from morphogen.evaluation.features.matched import MatcherFeatures
from morphogen.evaluation.picture_text import caption_score, retrieval, zero_shot
from morphogen.inference import Matcher


class Lookup(Matcher):
    """Embeds pictures of one row and one column by themselves, and texts by a table."""

    scale = 10.0

    def __init__(self, table: dict[str, Tensor]):
        self.table = table

    def pictures(self, medium: Tensor, batch: int = 64) -> Tensor:
        return medium[:, :, 0, 0]

    def captions(self, texts: list[str], batch: int = 256) -> Tensor:
        return torch.stack([self.table[text] for text in texts])


def unit(*degrees: float) -> Tensor:
    """Vectors at these angles."""
    angles = torch.tensor(degrees) * math.pi / 180
    return torch.stack([angles.cos(), angles.sin()], 1)


def test_retrieval_by_hand() -> None:
    """Four pictures at 0, 10, 90 and 100 degrees; the texts of the first two are swapped."""
    pictures = unit(0, 10, 90, 100)[:, :, None, None]
    texts = ["a", "b", "c", "d"]
    matcher = Lookup(dict(zip(texts, unit(10, 0, 90, 100), strict=True)))
    found = retrieval(matcher, pictures, texts, at=(1, 2))
    for way in ("texts", "pictures"):
        assert [found[way][k]["value"] for k in ("R@1", "R@2")] == [0.5, 1.0]
    assert found["chance"] == {"R@1": 0.25, "R@2": 0.5}


def test_equal_texts_are_all_right_and_equal_matches_are_wrong() -> None:
    pictures = unit(0, 0, 90)[:, :, None, None]
    same = retrieval(Lookup({"a": unit(0)[0], "b": unit(90)[0]}), pictures, ["a", "a", "b"], at=(1,))
    assert same["texts"]["R@1"]["value"] == same["pictures"]["R@1"]["value"] == 1
    assert math.isclose(same["chance"]["R@1"], (2 / 3 + 2 / 3 + 1 / 3) / 3)
    flat = retrieval(Lookup({"a": unit(0)[0], "b": unit(0)[0]}), pictures, ["a", "a", "b"], at=(1,))
    assert flat["texts"]["R@1"]["value"] == 0  # what tells nothing apart retrieves nothing


def test_zero_shot_by_hand() -> None:
    """The prompts of a class are averaged: those of "b" at 80 and 100 degrees are 90 degrees."""
    table = dict(zip(["a x", "b x", "a y", "b y"], unit(0, 80, 0, 100), strict=True))
    p = zero_shot(Lookup(table), unit(0, 90)[:, :, None, None], ["a", "b"], ["{} x", "{} y"])
    torch.testing.assert_close(p, torch.tensor([[10.0, 0.0], [0.0, 10.0]]).softmax(1), atol=1e-4, rtol=0)


def test_caption_score_by_hand() -> None:
    """Matches of 1 with the own caption, of 0 and -1 with others: 2.5 beside 0."""
    pictures, texts = unit(0, 90, 180)[:, :, None, None], ["a", "b", "c"]
    score = caption_score(Lookup(dict(zip(texts, unit(0, 90, 180), strict=True))), pictures, texts)
    assert math.isclose(score["asked"]["value"], 2.5, rel_tol=1e-5)
    assert abs(score["shuffled"]["value"]) < 1e-5
    assert math.isclose(score["difference"]["value"], 2.5, rel_tol=1e-5)


def test_what_cannot_be_measured_is_refused() -> None:
    matcher, pictures = Lookup({"a": unit(0)[0], "b": unit(90)[0]}), unit(0, 90)[:, :, None, None]
    with pytest.raises(ConfigError, match="give the names of two or more"):
        zero_shot(matcher, pictures, ["a"])
    with pytest.raises(ConfigError, match=r"write \{\} for the name"):
        zero_shot(matcher, pictures, ["a", "b"], ["a picture"])
    with pytest.raises(ConfigError, match="1 texts for 2 pictures"):
        retrieval(matcher, pictures, ["a"])
    with pytest.raises(ConfigError, match="samples have no captions"):
        caption_score(matcher, pictures)
    with pytest.raises(ConfigError, match="1 captions for 1 samples: give 2"):
        caption_score(matcher, pictures[:1], ["a"])


@pytest.fixture(scope="module")
def clip() -> mg.Model:
    return untrained_clip()


def test_pictures_of_other_sizes_are_fitted(clip: mg.Model) -> None:
    matcher = Matcher(clip)
    pictures = torch.stack([scene(*each, torch.full((3, SIZE, SIZE), 0.5)) for each in ALL[:5]])
    large = pictures.repeat_interleave(2, 2).repeat_interleave(2, 3)
    near = (matcher.pictures(pictures) * matcher.pictures(large)).sum(1)
    assert near.min() > 0.9
    grey = matcher.pictures(pictures[:, :1])
    torch.testing.assert_close(grey, matcher.pictures(pictures[:, :1].expand(-1, 3, -1, -1)))
    torch.testing.assert_close(grey.norm(dim=1), torch.ones(5))
    with pytest.raises(ConfigError, match="pictures have 2 channels, and the model takes 3"):
        matcher.pictures(pictures[:, :2])
    with pytest.raises(ConfigError, match="4 texts for 5 pictures"):
        matcher.match(pictures, ["a"] * 4)
    features = MatcherFeatures(matcher)
    torch.testing.assert_close(features(pictures), matcher.pictures(pictures))
    assert len(features.sha256) == 64 and features.resize.startswith("to 8 x 8")


def test_matchers_are_contrastive(clip: mg.Model) -> None:
    with pytest.raises(Unsupported, match=r"^Lookup does not compare pictures with texts: give [^\n]*clip$"):
        Matcher(Lookup({}))
    with pytest.raises(Unsupported, match="Contrastive does not generate samples"):
        clip.sample(2, "a red square")


@pytest.fixture(scope="module")
def trained() -> mg.Model:
    """300 steps of 32 pictures, seed 0: about 20 s on one core."""
    return trained_clip(coloured(1000)[0], steps=300)


@pytest.mark.slow
def test_clip_names_and_finds_pictures(trained: mg.Model) -> None:
    """Fresh noise, seed 7: 200 pictures by prompts of two templates, and one of each of the 20 captions."""
    matcher, (batch, what, captions) = Matcher(trained), coloured(200, seed=7)
    colours = torch.tensor([[*COLOURS].index(colour) for colour, _ in what])
    prompts = [TEMPLATES[0].replace("{corner}", corner).replace("{colour}", "{}") for corner in CORNERS]
    p = zero_shot(matcher, batch.medium, [*COLOURS], prompts)
    assert (p.argmax(1) == colours).float().mean() > 0.85  # chance: 0.2
    pictures = torch.stack([scene(*each, torch.full((3, SIZE, SIZE), 0.5)) for each in ALL])
    texts = [TEMPLATES[0].format(colour=colour, corner=corner) for colour, corner in ALL]
    found = retrieval(matcher, pictures, texts)
    assert found["chance"]["R@1"] == pytest.approx(0.05)
    assert all(found[way]["R@1"]["value"] > 0.8 for way in ("texts", "pictures"))
    score = caption_score(matcher, batch.medium, captions)
    assert score["asked"]["value"] > 2 and score["difference"]["low"] > 1


@pytest.mark.slow
def test_shuffled_captions_teach_nothing() -> None:
    """The mutant of the data: each picture has the caption of another one; retrieval is at chance."""
    batch, _, captions = coloured(1000)
    order = torch.randperm(len(captions), generator=torch.Generator().manual_seed(0)).tolist()
    others = Batch(batch.medium, {"caption": caption_bytes([captions[i] for i in order])})
    matcher = Matcher(trained_clip(others, steps=100))
    pictures = torch.stack([scene(*each, torch.full((3, SIZE, SIZE), 0.5)) for each in ALL])
    texts = [TEMPLATES[0].format(colour=colour, corner=corner) for colour, corner in ALL]
    found = retrieval(matcher, pictures, texts)
    assert all(found[way]["R@1"]["low"] < 0.05 for way in ("texts", "pictures"))
