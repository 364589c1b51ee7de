"""Features: fixed for good, told apart by a hash, and worth measuring in."""

import hashlib
import json
import math

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.data import NAMED, load
from morphogen.data.dataset import Dataset, Pictures
from morphogen.evaluation.classifiers import RECIPES, write
from morphogen.evaluation.features import (
    CLASSIFIERS,
    WEIGHTS,
    ByteFeatures,
    ClassifierFeatures,
    ColumnFeatures,
    RandomFeatures,
    features_for,
)
from morphogen.evaluation.frechet import frechet
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes

DIGITS = load("digits")
PINNED = {"digits": "c8f8a678093d52a6", "mnist": "e17506299345b54a", "fashion-mnist": "52cc2c668755d84f"}
LEAST = {"digits": 0.97, "mnist": 0.98, "fashion-mnist": 0.89}  # accuracy on the valid and the test part, rounded down


@pytest.mark.parametrize("name", RECIPES)
def test_the_committed_weights_are_small_pinned_and_made_as_their_record_says(name):
    """A distance of last year compares with today's only in the same features: other weights need another name."""
    content, record = (WEIGHTS / f"{name}.safetensors").read_bytes(), json.loads((WEIGHTS / f"{name}.json").read_text())
    found = ClassifierFeatures(name)
    assert len(content) <= 200_000 and found.name == name
    assert found.sha256 == record["sha256"] == hashlib.sha256(content).hexdigest() and found.sha256[:16] == PINNED[name]
    assert all(parameter.dtype == torch.float32 for parameter in found.network.parameters())
    assert record["data"] == RECIPES[name].data and record["made_by"].startswith(f"python -m {write.__module__} {name} ")
    assert tuple(record["config"]["widths"]) == RECIPES[name].widths
    assert record["test"]["accuracy"] >= LEAST[name] and record["valid"]["accuracy"] >= LEAST[name]


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if NAMED[recipe.data].here])
def test_a_classifier_reads_its_real_test_part(name):
    """Never seen in training nor in choosing; the record's figure is measured again on the first thousand."""
    data, features = load(RECIPES[name].data), ClassifierFeatures(name)
    test, record = data.test.first(1000), json.loads((WEIGHTS / f"{name}.json").read_text())
    p = features.classify(test.medium)
    right, sure = p.argmax(1) == test.condition, p.amax(1) >= 0.9
    assert torch.allclose(p.sum(1), torch.ones(len(test))) and record["split"] == data.split
    assert right.double().mean().item() == pytest.approx(record["test"]["accuracy"], abs=0.004 if len(test) == len(data.test) else 0.03)
    assert right[sure].double().mean() >= 0.97 and features(test.medium[:3]).shape == (3, 64)


def test_the_classifier_is_not_sure_of_noise():
    noise = 2 * torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 1
    assert (ClassifierFeatures("digits").classify(noise).amax(1) >= 0.9).double().mean() < 0.5


def test_features_are_the_same_for_a_row_alone_and_again():
    medium = DIGITS.test.first(300).medium
    for features in (ClassifierFeatures("digits"), RandomFeatures(1)):
        assert torch.allclose(features(medium)[7], features(medium[7:8])[0], atol=1e-5)
        assert torch.equal(features(medium), type(features)(1 if features.name == "random" else "digits")(medium))


def test_random_weights_are_these_bits_on_every_machine():
    assert RandomFeatures(1).sha256 == RandomFeatures(1).sha256 != RandomFeatures(1, seed=1).sha256
    assert RandomFeatures(3).sha256[:16] == "e234cfa959c81da7"
    assert ByteFeatures(Bytes(8)).sha256[:16] == "2379f80a8508847d"


@pytest.mark.parametrize("features", [ClassifierFeatures("digits"), RandomFeatures(1)], ids=lambda f: f.name)
def test_features_tell_noise_and_a_lost_class_from_fresh_digits(features):
    real, test = features(DIGITS.train.first().medium), DIGITS.test.first()
    fresh = frechet(real, features(test.medium))
    noisy = (test.medium + 0.5 * torch.randn(test.medium.shape, generator=torch.Generator().manual_seed(0))).clamp(-1, 1)
    few = test.medium[test.condition < 5]
    assert frechet(real, features(noisy)) > 2 * fresh and frechet(real, features(few)) > 1.5 * fresh
    assert precision_recall(real, features(few))["coverage"]["value"] < precision_recall(real, features(test.medium))["coverage"]["value"]


def test_byte_features_tell_texts_apart():
    generator = torch.Generator().manual_seed(0)
    english = torch.tensor([list(b"the river and the moon over green stone"[i % 8 : 30 + i % 8]) for i in range(64)])
    wild = torch.randint(32, 127, (64, 30), generator=generator)
    features = ByteFeatures(Bytes(8))
    assert frechet(features(english[:32]), features(wild)) > 3 * frechet(features(english[:32]), features(english[32:]))


def test_a_data_set_gets_its_features(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(str(i * i) for i in range(900)))
    assert features_for(DIGITS).name == "digits"
    assert features_for(load(str(tmp_path / "t.txt"))).name == "random-bytes"
    assert set(CLASSIFIERS.values()) == set(RECIPES) and set(CLASSIFIERS) <= set(NAMED)
    for name, classifier in CLASSIFIERS.items():
        side = 8 if name == "digits" else 28
        assert features_for(pictures(name, (1, side, side))).name == classifier
    for name, shape in (("mnist", (3, 28, 28)), ("digits", (1, 28, 28)), ("cats", (3, 28, 28))):  # a folder may be called mnist
        assert features_for(pictures(name, shape)).name == "random"


def pictures(name, shape):
    part = Pictures(torch.zeros(3, *shape).byte())
    return Dataset(name, "pictures", part, part, part, (), Pixels(256, shape), "")


def test_columns_are_measured_in_their_own_deviations():
    generator = torch.Generator().manual_seed(0)
    table = torch.randn(500, 4, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 1000, 1e-3, 0]) + 5.1
    features = ColumnFeatures(table)
    found = features(table)
    assert found.dtype == torch.float32 and torch.allclose(found.mean(0), torch.zeros(4), atol=1e-3)
    assert torch.allclose(found.std(0), torch.tensor([1.0, 1, 1, 0]), atol=1e-2)
    assert features.sha256 == ColumnFeatures(table.flip(0)).sha256 != ColumnFeatures(table[:400]).sha256
    assert torch.equal(found[:, 3], torch.zeros(500)) or found[:, 3].abs().max() < 1e-6
    assert features(table.float()).shape == (500, 4)


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize("bad", [torch.zeros(5), torch.tensor([[1.0, math.nan]]), torch.tensor([[math.inf, 1.0]])])
def test_a_table_without_moments_is_refused(bad):
    with pytest.raises(ValueError, match="has no moments"):
        ColumnFeatures(bad)


def copies(folder):
    for path in WEIGHTS.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("at", [0, -1])
def test_other_weights_than_the_recorded_are_refused(tmp_path, name, at):
    copies(tmp_path)
    content = bytearray((tmp_path / f"{name}.safetensors").read_bytes())
    content[at] ^= 1
    (tmp_path / f"{name}.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match="not the recorded file"):
        ClassifierFeatures(name, tmp_path)


def test_the_weights_of_another_classifier_and_missing_ones_are_refused(tmp_path):
    copies(tmp_path)
    (tmp_path / "mnist.safetensors").write_bytes((tmp_path / "digits.safetensors").read_bytes())
    with pytest.raises(ConfigError, match=r"mnist.safetensors is not the recorded file"):
        ClassifierFeatures("mnist", tmp_path)
    with pytest.raises(ConfigError, match="no classifier 'cifar' lies there; name one of digits, mnist"):
        ClassifierFeatures("cifar", tmp_path)
    with pytest.raises(ConfigError, match="no recipe of that name; give one of digits, mnist"):
        write("cifar", tmp_path)
