"""The recipes of captioned emoji: their data and baselines on pictures made here, and a small whole one."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.conditioning.caption import caption_texts
from morphogen.data import DataError, Dataset
from morphogen.evaluation.features.space import Features
from morphogen.evaluation.picture_text import recall_at
from morphogen.recipes import emoji_retrieval, records

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
