"""The recipes of captioned emoji: their data and baselines on pictures made here, and a small whole one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.caption import caption_texts
from morphogen.data import DataError, Dataset
from morphogen.evaluation.features.space import Features
from morphogen.evaluation.picture_text import recall_at
from morphogen.evaluation.prompt_sheet import prompt_sheet
from morphogen.recipes import emoji_by_name, emoji_retrieval, records
from morphogen.recipes.shared_stages import ALONE, Training

RNG = np.random.default_rng(0)


class Spelling(Features):
    """Texts by their bytes: those of equal first letters are near."""

    name = "spelling"

    def embed(self, medium: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.one_hot(medium[:, 0], 256).float()


def emoji() -> Dataset:
    """Sixty plain pictures, red ones that are called r..., and blue ones, b..., each with its number."""
    pictures = np.full((60, 32, 32, 3), 255, np.uint8)
    for i in range(60):
        pictures[i, 8:24, 8:24] = (200 + i % 50, i, 0) if i % 2 else (0, i, 200 + i % 50)
    captions = [[f"{'red' if i % 2 else 'blue'} {i}", f"square {i}"] for i in range(60)]
    return mg.load_data(pictures, captions=captions, name="squares")


def clothes() -> Dataset:
    values = RNG.integers(0, 256, (90, 28, 28), dtype=np.uint8)
    values[:, 0, 0] = np.arange(90) % 3
    return mg.load_data(values, [("Coat", "bag", "boot")[i % 3] for i in range(90)], name="worn")


def test_clothes_are_captioned_and_look_like_emoji() -> None:
    both = emoji_retrieval.with_clothes(emoji(), clothes(), rows=20)
    assert both.representation.shape == (3, 32, 32) and set(both.conditions) == {"caption"}
    train: Any = both.train
    assert len(train.pictures) == len(emoji().train.pictures) + 20 and train.variants == 4  # type: ignore[attr-defined]
    added = train.values[-20:]
    assert (added[:, :, :2] == 255).all() and (added == added[:, :1]).all()
    numbers = 255 - added[:, 0, 2, 2]
    said = [texts[0] for texts in train.texts[-20:]]
    names = clothes().classes
    assert said == [["coat", "bag", "boot"][int(number)] for number in numbers] and "Coat" in names
    assert train.texts[-1][1:] == [f"a {said[-1]}", f"clothes: {said[-1]}", f"a {said[-1]} to wear"]
    seen = set(caption_texts(train.first().condition["caption"]))
    assert {f"clothes: {name.lower()}" for name in names} <= seen


def test_the_nearest_name_is_right_about_what_it_can_know(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first letter and the colour, that is one of two halves; R@1 of the number is luck."""
    monkeypatch.setattr(emoji_retrieval, "SentenceFeatures", lambda text: Spelling())
    data = emoji()
    found = emoji_retrieval.NearestName(data).retrieval(data.test, 100)["retrieval"]
    n = len(data.test)
    assert set(found) == {"texts", "pictures"}
    assert all(figures["R@1"]["n"] == n for figures in found.values())
    assert found["pictures"]["R@5"]["value"] >= found["pictures"]["R@1"]["value"] > 0


def test_recall_of_any_similarity() -> None:
    """Of an identity everything is right, of its opposite nothing; equal texts are all right."""
    eye, names = torch.eye(6), list("abcdef")
    assert recall_at(eye, names)["texts"]["R@1"]["value"] == 1
    assert recall_at(-eye, names)["pictures"]["R@5"]["value"] == 0
    assert recall_at(-eye, ["a"] * 6)["pictures"]["R@1"]["value"] == 1
    with pytest.raises(ConfigError, match="5 texts for 6 pictures: give one for each"):
        recall_at(eye, names[:5])


@pytest.mark.slow
def test_emoji_retrieval(tmp_path: Path) -> None:
    try:
        record = emoji_retrieval.emoji_retrieval(tmp_path, n=20, steps={"clip": 2, "align": 2}, size="tiny")
    except DataError:
        pytest.skip("make data")
    trained = {"clip", "align", "clip with clothes"}
    assert set(record["figures"]) == {"nearest name", *trained} and set(record["models"]) == trained
    assert records.outdated(record) == []
    for name in trained:
        figures = record["figures"][name]
        assert figures["retrieval"]["texts"]["R@1"]["n"] == 20
        assert 0 <= figures["clothes"]["low"] <= figures["clothes"]["high"] <= 1
    assert record["chance"] == {"R@1": 0.05, "R@5": 0.25, "clothes": 0.1}


def test_the_judge_has_another_split() -> None:
    """It learns from all held-out pictures and a half of the others; nothing that it learns is held out."""
    data = emoji()
    one, other = (emoji_by_name.split_of_the_judge(data, seed) for seed in (1, 2))
    kept = set(map(tuple, one.train.texts))  # type: ignore[attr-defined]
    assert {tuple(texts) for part in (data.valid, data.test) for texts in part.texts} <= kept  # type: ignore[attr-defined]
    assert kept != set(map(tuple, other.train.texts))  # type: ignore[attr-defined]
    rest = {tuple(texts) for part in (one.valid, one.test) for texts in part.texts}  # type: ignore[attr-defined]
    assert rest and not rest & kept
    for part in (one.train, one.valid):
        red = part.values[:, 0, 16, 16] > 100  # type: ignore[attr-defined]
        assert [texts[0].startswith("red") for texts in part.texts] == red.tolist()  # type: ignore[attr-defined]


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::UserWarning")
def test_emoji_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(emoji_by_name, "load_data", lambda name: emoji())
    monkeypatch.setattr(emoji_by_name, "SCALES", (1.0, 3.0))
    trainings = {
        "latent_diffusion": Training("latent_diffusion", {"autoencoder": 2, "prior": 2}),
        "clip": Training("clip", {ALONE: 2}),
    }
    record = emoji_by_name.emoji_by_name(tmp_path, n=6, trainings=trainings, size="tiny")
    assert set(record["figures"]) == {"real data", "latent_diffusion"} and record["guidance"] in (1.0, 3.0)
    for figures in record["figures"].values():
        assert set(figures) == {"seen", "held_out"}
        for scores in figures.values():
            assert set(scores) == {"asked", "shuffled", "difference"} and scores["asked"]["n"] == 6
    assert len(emoji_by_name.PROMPTS) == 24 and (tmp_path / "prompts.png").exists()
    assert records.outdated(record) == []


def test_prompts_are_below_their_pictures() -> None:
    """Wrapped, cut, and of pictures of any size; as many prompts as pictures."""
    pictures = [Image.new("RGB", size, "red") for size in ((32, 32), (300, 200), (1, 5))]
    drawn = prompt_sheet(pictures, ["a red circle", "word " * 40, ""], columns=2)
    assert drawn.getpixel((20, 20)) == (255, 0, 0) and np.asarray(drawn)[126:150, 12:120].min() < 100
    with pytest.raises(ConfigError, match="2 prompts for 3 pictures: give one for each"):
        prompt_sheet(pictures, ["a", "b"])
