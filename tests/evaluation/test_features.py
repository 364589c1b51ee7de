"""Features are fixed, identified by a hash, and sensitive to differences between distributions."""

import hashlib
import json
import math
import re
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import morphogen
from morphogen.component import ConfigError
from morphogen.conditioning.specs import Classes
from morphogen.data import NAMED, load_data
from morphogen.data.dataset import Dataset, Pictures
from morphogen.evaluation.classifiers import RECIPES, train_and_save
from morphogen.evaluation.features import (
    CLASSIFIERS,
    WEIGHTS,
    ByteFeatures,
    ClassifierFeatures,
    ColumnFeatures,
    RandomFeatures,
    features_for,
    trained,
)
from morphogen.evaluation.features.trained import trained_features
from morphogen.evaluation.frechet import frechet
from morphogen.evaluation.ngrams import KEYS
from morphogen.evaluation.precision_recall import precision_recall
from morphogen.evaluation.quality import MEASURES, quality
from morphogen.representations.pixels import Pixels
from morphogen.representations.text import Bytes

DIGITS = load_data("digits")
PINNED = {"digits": "c8f8a678093d52a6", "mnist": "e17506299345b54a", "fashion-mnist": "52cc2c668755d84f"}
MIN_ACCURACY = {"digits": 0.97, "mnist": 0.98, "fashion-mnist": 0.89}  # on the valid and on the test part


@pytest.mark.parametrize("name", RECIPES)
def test_committed_weights_are_small_and_match_their_record(name):
    """Distances are comparable over time only in the same features, so new weights need a new name."""
    content, record = (
        (WEIGHTS / f"{name}.safetensors").read_bytes(),
        json.loads((WEIGHTS / f"{name}.json").read_text()),
    )
    features = ClassifierFeatures(name)
    assert len(content) <= 200_000 and features.name == name
    assert features.sha256 == record["sha256"] == hashlib.sha256(content).hexdigest()
    assert features.sha256[:16] == PINNED[name]
    assert all(parameter.dtype == torch.float32 for parameter in features.network.parameters())
    assert record["data"] == RECIPES[name].data and record["made_by"].startswith(
        f"python -m {train_and_save.__module__} {name} "
    )
    assert tuple(record["config"]["widths"]) == RECIPES[name].widths
    assert min(record[part]["accuracy"] for part in ("valid", "test")) >= MIN_ACCURACY[name]


@pytest.mark.parametrize("name", [name for name, recipe in RECIPES.items() if NAMED[recipe.data].available])
def test_accuracy_on_the_test_part_matches_the_record(name):
    """Recomputed on the first thousand examples, which were used neither in training nor in selection."""
    data, features = load_data(RECIPES[name].data), ClassifierFeatures(name)
    test, record = data.test.first(1000), json.loads((WEIGHTS / f"{name}.json").read_text())
    p = features.classify(test.medium)
    correct, confident = p.argmax(1) == test.condition["label"], p.amax(1) >= 0.9
    assert torch.allclose(p.sum(1), torch.ones(len(test))) and record["split"] == data.split
    assert correct.double().mean().item() == pytest.approx(
        record["test"]["accuracy"], abs=0.004 if len(test) == len(data.test) else 0.03
    )
    assert correct[confident].double().mean() >= 0.97 and features(test.medium[:3]).shape == (3, 64)


def test_the_classifier_is_not_confident_on_noise():
    noise = 2 * torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 1
    assert (ClassifierFeatures("digits").classify(noise).amax(1) >= 0.9).double().mean() < 0.5


def test_features_are_independent_of_the_batch_and_deterministic():
    medium = DIGITS.test.first(300).medium
    for features in (ClassifierFeatures("digits"), RandomFeatures(1)):
        assert torch.allclose(features(medium)[7], features(medium[7:8])[0], atol=1e-5)
        assert torch.equal(
            features(medium), type(features)(1 if features.name == "random" else "digits")(medium)
        )


def test_random_weights_are_bit_identical_on_every_machine():
    assert RandomFeatures(1).sha256 == RandomFeatures(1).sha256 != RandomFeatures(1, seed=1).sha256
    assert RandomFeatures(3).sha256[:16] == "e234cfa959c81da7"
    assert ByteFeatures(Bytes(8)).sha256[:16] == "2379f80a8508847d"


@pytest.mark.parametrize("features", [ClassifierFeatures("digits"), RandomFeatures(1)], ids=lambda f: f.name)
def test_features_distinguish_noise_and_missing_classes_from_held_out_digits(features):
    real, test = features(DIGITS.train.first().medium), DIGITS.test.first()
    fresh = frechet(real, features(test.medium))
    noisy = (
        test.medium + 0.5 * torch.randn(test.medium.shape, generator=torch.Generator().manual_seed(0))
    ).clamp(-1, 1)
    few = test.medium[test.condition["label"] < 5]
    assert frechet(real, features(noisy)) > 2 * fresh and frechet(real, features(few)) > 1.5 * fresh
    assert (
        precision_recall(real, features(few))["coverage"]["value"]
        < precision_recall(real, features(test.medium))["coverage"]["value"]
    )


def test_byte_features_distinguish_texts():
    generator = torch.Generator().manual_seed(0)
    english = torch.tensor(
        [list(b"the river and the moon over green stone"[i % 8 : 30 + i % 8]) for i in range(64)]
    )
    random = torch.randint(32, 127, (64, 30), generator=generator)
    features = ByteFeatures(Bytes(8))
    assert frechet(features(english[:32]), features(random)) > 3 * frechet(
        features(english[:32]), features(english[32:])
    )


@pytest.fixture
def no_pretrained(tmp_path, monkeypatch):
    """An empty cache, whatever this machine has fetched."""
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path / "cache"))


def test_each_data_set_has_its_features(tmp_path, no_pretrained):
    (tmp_path / "t.txt").write_text("\n".join(str(i * i) for i in range(900)))
    assert features_for(DIGITS).name == "digits"
    assert features_for(load_data(str(tmp_path / "t.txt"))).name == "random-bytes"
    assert set(CLASSIFIERS.values()) == set(RECIPES) and set(CLASSIFIERS) <= set(NAMED)
    for name, classifier in CLASSIFIERS.items():
        side = 8 if name == "digits" else 28
        assert features_for(pictures(name, (1, side, side))).name == classifier
    for name, shape in (
        ("mnist", (3, 28, 28)),
        ("digits", (1, 28, 28)),
        ("cats", (3, 28, 28)),
    ):  # a user's folder may be called mnist
        assert features_for(pictures(name, shape)).name == "random"


def pictures(name, shape):
    part = Pictures(torch.zeros(3, *shape).byte())
    return Dataset(name, "pictures", part, part, part, {}, Pixels(256, shape), "")


@pytest.fixture
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("MORPHOGEN_DATA", str(tmp_path / "cache"))
    monkeypatch.setattr(trained, "STEPS", 4)
    return tmp_path / "cache" / "features"


def many(labels):
    generator = torch.Generator().manual_seed(0)
    values = torch.randint(256, (400, 1, 12, 16), generator=generator, dtype=torch.uint8)
    values[:200, :, :6] //= 4
    part = Pictures(values, labels=(torch.arange(400) >= 200).long() if labels else None)
    conditions = {"label": Classes(("dark", "bright"))} if labels else {}
    return Dataset("art", "pictures", part, part, part, conditions, Pixels(256, (1, 12, 16)), "")


@pytest.mark.parametrize(("labels", "name"), [(True, "trained-on-classes"), (False, "trained-on-rotations")])
def test_pictures_without_a_packaged_network_get_one_trained_on_them(own_cache, labels, name):
    """Deterministic by the seed, cached by the hash of the data, trained again if the cache is damaged."""
    data = many(labels)
    features = features_for(data)
    assert features.name == name and features.fidelity and "32 x 32" in features.resize
    assert features(data.test.first(3).medium).shape == (3, 64)
    (file,) = own_cache.iterdir()
    assert trained_features(data, seed=1).sha256 != features.sha256
    before = file.stat().st_mtime_ns
    assert features_for(data).sha256 == features.sha256 and file.stat().st_mtime_ns == before
    file.write_bytes(b"damaged")
    assert features_for(data).sha256 == features.sha256 and file.stat().st_size > 10_000


def test_a_trained_network_learns_its_task(own_cache, monkeypatch):
    """Dark and bright pictures are further apart than pictures of a class."""
    monkeypatch.setattr(trained, "STEPS", 40)
    data = many(True)
    network, batch = features_for(data).network, data.test.first()
    with torch.no_grad():
        predicted = network(trained.resized(batch.medium)).argmax(1)
    assert (predicted == batch.condition["label"]).double().mean() > 0.9


def test_random_features_give_no_precision(no_pretrained):
    """Only the distances and the two-sample test mean something in them."""
    art = pictures("art", (3, 8, 8))
    part = Pictures(torch.randint(256, (100, 3, 8, 8), generator=torch.Generator().manual_seed(0)).byte())
    art = replace(art, train=part, valid=part, test=part)
    metrics = quality(part.first().medium, art, features_for(art))
    assert [key for key, entry in metrics.items() if entry is None] == [
        "precision", "recall", "density", "coverage", "recognised", "class_score", *KEYS,
    ]  # fmt: skip
    assert set(metrics) == {*MEASURES, "withheld", "caution"}
    assert list(metrics["withheld"]) == ["precision", "recall", "density", "coverage"]


def test_features_of_the_training_part_are_computed_once():
    class Counting(RandomFeatures):
        calls = 0

        def embed(self, medium):
            self.calls += 1
            return super().embed(medium)

    features = Counting(1)
    first = features.reference(DIGITS.train)
    calls = features.calls
    assert torch.equal(features.reference(DIGITS.train), first) and features.calls == calls
    assert len(features.reference(DIGITS.test)) == len(DIGITS.test) and features.calls > calls


def test_only_published_figures_are_called_fid():
    """FID is the Frechet distance in the features of Inception-v3 with its published weights."""
    source = Path(morphogen.__file__).parent
    files = [file for kind in ("*.py", "*.html", "*.json") for file in source.rglob(kind)]
    named = {file.name for file in files if re.search(r"\bFID\b", file.read_text(encoding="utf8"))}
    assert named == {"published.py"}


def test_columns_are_standardized():
    generator = torch.Generator().manual_seed(0)
    table = (
        torch.randn(500, 4, generator=generator, dtype=torch.float64) * torch.tensor([1.0, 1000, 1e-3, 0])
        + 5.1
    )
    features = ColumnFeatures(table)
    standardized = features(table)
    assert standardized.dtype == torch.float32
    assert torch.allclose(standardized.mean(0), torch.zeros(4), atol=1e-3)
    assert torch.allclose(standardized.std(0), torch.tensor([1.0, 1, 1, 0]), atol=1e-2)
    assert features.sha256 == ColumnFeatures(table.flip(0)).sha256 != ColumnFeatures(table[:400]).sha256
    assert standardized[:, 3].abs().max() < 1e-6
    assert features(table.float()).shape == (500, 4)
    table[:100, 1] = math.nan
    gaps = ColumnFeatures(table, (0, 0, 0, 7))
    assert gaps(table).shape == (500, 3 + 1 + 8) and gaps(table).isfinite().all()
    assert gaps(table)[:, 2].tolist() == [1.0] * 100 + [0.0] * 400 and gaps.sha256 != features.sha256


@pytest.mark.usefixtures("untyped")
@pytest.mark.parametrize(
    "bad", [torch.zeros(5), torch.tensor([[1.0, -math.inf]]), torch.tensor([[math.inf, 1.0]])]
)
def test_an_invalid_table_raises(bad):
    with pytest.raises(ValueError, match="cannot standardize a table of shape"):
        ColumnFeatures(bad)


def copy_weights(folder):
    for path in WEIGHTS.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize("at", [0, -1])
def test_corrupted_weights_raise(tmp_path, name, at):
    copy_weights(tmp_path)
    content = bytearray((tmp_path / f"{name}.safetensors").read_bytes())
    content[at] ^= 1
    (tmp_path / f"{name}.safetensors").write_bytes(content)
    with pytest.raises(ConfigError, match="not the recorded file"):
        ClassifierFeatures(name, tmp_path)


def test_swapped_and_missing_weights_raise(tmp_path):
    copy_weights(tmp_path)
    (tmp_path / "mnist.safetensors").write_bytes((tmp_path / "digits.safetensors").read_bytes())
    with pytest.raises(ConfigError, match=r"mnist.safetensors is not the recorded file"):
        ClassifierFeatures("mnist", tmp_path)
    with pytest.raises(ConfigError, match="no classifier 'cifar'; choose from digits, mnist"):
        ClassifierFeatures("cifar", tmp_path)
    with pytest.raises(
        ConfigError, match="no recipe for a classifier named 'cifar'; choose from digits, mnist"
    ):
        train_and_save("cifar", tmp_path)
