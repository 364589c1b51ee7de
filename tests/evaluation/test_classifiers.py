"""Evaluation classifiers: training is deterministic, and the saved files record how they were made."""

import dataclasses
import json
import math

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.data import load_data
from morphogen.evaluation.classifiers import RECIPES, Tilt, evaluate, train, train_and_save
from morphogen.evaluation.features import ClassifierFeatures
from morphogen.numerics.randomness import Rng

DIGITS = load_data("digits")


def recipe(epochs):
    return dataclasses.replace(RECIPES["digits"], epochs=epochs)


def test_training_learns_and_is_deterministic():
    one, two = train(recipe(1), DIGITS, seed=1), train(recipe(1), DIGITS, seed=1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert evaluate(train(recipe(8), DIGITS, seed=1), DIGITS.test.first())["accuracy"] > 0.85


def test_the_saved_weights_are_those_evaluated(tmp_path):
    record = train_and_save("digits", tmp_path, recipe=recipe(6))
    features = ClassifierFeatures("digits", tmp_path)
    assert (
        record == json.loads((tmp_path / "digits.json").read_text()) and features.sha256 == record["sha256"]
    )
    assert evaluate(features.network, DIGITS.test.first()) == record["test"]


def test_metrics_are_those_of_the_rounded_weights_on_disk(tmp_path):
    record = train_and_save(
        "digits", tmp_path, recipe=dataclasses.replace(recipe(6), saved_dtype=torch.float16)
    )
    features = ClassifierFeatures("digits", tmp_path)
    assert evaluate(features.network, DIGITS.test.first()) == record["test"]
    assert all(torch.equal(p, p.half().float()) for p in features.network.parameters())
    assert (tmp_path / "digits.safetensors").stat().st_size < 90_000


def test_an_unknown_name_raises():
    with pytest.raises(ConfigError, match="no recipe"):
        train_and_save("cats")


def test_rotation_preserves_the_background_and_the_total_intensity():
    picture = torch.full((4, 1, 28, 28), -1.0)
    picture[:, :, 10:18, 10:18] = 1.0
    moved = Tilt(10, 0.0)(picture, Rng(0, 4))
    assert not torch.equal(moved, picture) and moved.amin() >= -1 and moved.amax() <= 1
    assert torch.allclose((moved + 1).sum((1, 2, 3)), (picture + 1).sum((1, 2, 3)), rtol=0.02)
    assert (moved[:, :, 0] == -1).all()


def test_rotation_is_about_the_centre_and_pads_with_background():
    rng = Rng(0, 200, ("tilt",))
    medium = -torch.ones(200, 1, 9, 9)
    medium[:, :, 4, 4] = 1
    moved = Tilt(30, 0.2)(medium, rng)
    assert (moved[:, 0, 4, 4] > 0.5).all(), "the centre is fixed"
    assert moved.min() >= -1 and moved.max() <= 1
    medium[:, :, 4, 7] = 1
    moved = Tilt(30, 0.0)(medium, Rng(0, 200, ("tilt",)))
    weight = moved[:, 0, :, 6:] + 1
    height = (weight.sum(2) * torch.arange(9.0)).sum(1) / weight.sum((1, 2)) - 4
    assert (
        height.abs().max() == pytest.approx(3 * math.sin(math.radians(30)), abs=0.4)
        and height.min() < -0.7 < 0.7 < height.max()
    )
    assert torch.allclose(Tilt(0, 0)(medium, rng), medium, atol=1e-5)


def test_evaluate_matches_a_network_with_known_predictions():
    class Confident(torch.nn.Module):
        def forward(self, x):
            return 50.0 * torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 3)

    metrics = evaluate(
        Confident(),
        Batch(torch.tensor([0.0, 1, 2, 2]).reshape(4, 1, 1, 1), {"label": torch.tensor([0, 1, 2, 1])}),
    )
    assert metrics == {
        "accuracy": 0.75,
        "nats": pytest.approx(12.5),
        "confident": 1.0,
        "accuracy_where_confident": 0.75,
    }
    assert math.isfinite(metrics["nats"])
