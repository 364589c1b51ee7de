"""Features: fixed for good, told apart by a hash, and worth measuring in."""

import math

import pytest
import torch

from morphogen.component import ConfigError
from morphogen.contract import Batch
from morphogen.data import load
from morphogen.evaluation import features as page
from morphogen.evaluation.digits_classifier import evaluate, train
from morphogen.evaluation.features import ByteFeatures, DigitFeatures, RandomFeatures, features_for
from morphogen.evaluation.frechet import frechet
from morphogen.evaluation.precision_recall import precision_recall

DIGITS = load("digits")


def test_the_classifier_reads_the_real_test_digits():
    """n = 254, never seen in training nor in choosing."""
    test = DIGITS.test.first()
    p = DigitFeatures().classify(test.medium)
    right, sure = p.argmax(1) == test.condition, p.amax(1) >= 0.9
    assert torch.allclose(p.sum(1), torch.ones(len(test)))
    assert right.double().mean() >= 0.97
    assert sure.double().mean() >= 0.9 and right[sure].double().mean() >= 0.98


def test_the_classifier_is_not_sure_of_noise():
    noise = 2 * torch.rand(500, 1, 8, 8, generator=torch.Generator().manual_seed(0)) - 1
    assert (DigitFeatures().classify(noise).amax(1) >= 0.9).double().mean() < 0.5


def test_features_are_the_same_for_a_row_alone_and_again():
    medium = DIGITS.test.first(300).medium
    for features in (DigitFeatures(), RandomFeatures(1)):
        assert torch.allclose(features(medium)[7], features(medium[7:8])[0], atol=1e-5)
        assert torch.equal(features(medium), type(features)(*([1] if features.name == "random" else []))(medium))


def test_random_weights_are_these_bits_on_every_machine():
    assert RandomFeatures(1).sha256 == RandomFeatures(1).sha256 != RandomFeatures(1, seed=1).sha256
    assert RandomFeatures(3).sha256[:16] == "e234cfa959c81da7"
    assert ByteFeatures().sha256[:16] == "2379f80a8508847d"


@pytest.mark.parametrize("features", [DigitFeatures(), RandomFeatures(1)], ids=lambda f: f.name)
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
    features = ByteFeatures()
    assert frechet(features(english[:32]), features(wild)) > 3 * frechet(features(english[:32]), features(english[32:]))


def test_a_data_set_gets_its_features(tmp_path):
    (tmp_path / "t.txt").write_text("\n".join(str(i * i) for i in range(900)))
    assert features_for(DIGITS).name == "digits"
    assert features_for(load(str(tmp_path / "t.txt"))).name == "random-bytes"


def test_other_weights_than_the_recorded_are_refused(tmp_path, monkeypatch):
    for path in page.WEIGHTS.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    (tmp_path / "digits.safetensors").write_bytes(b"\0" + (tmp_path / "digits.safetensors").read_bytes()[1:])
    monkeypatch.setattr(page, "WEIGHTS", tmp_path)
    with pytest.raises(ConfigError, match="not the recorded file"):
        DigitFeatures()


def test_the_recipe_learns_and_repeats_itself():
    one, two = train(DIGITS, seed=1, epochs=1), train(DIGITS, seed=1, epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(one.parameters(), two.parameters(), strict=True))
    assert evaluate(train(DIGITS, seed=1, epochs=8), DIGITS.test.first())["accuracy"] > 0.85


def test_evaluate_reads_a_certain_network():
    class Certain(torch.nn.Module):
        def forward(self, x):
            return 50.0 * torch.nn.functional.one_hot(x[:, 0, 0, 0].long(), 3)

    found = evaluate(Certain(), Batch(torch.tensor([0.0, 1, 2, 2]).reshape(4, 1, 1, 1), torch.tensor([0, 1, 2, 1])))
    assert found == {"accuracy": 0.75, "nats": pytest.approx(12.5), "sure": 1.0, "accuracy_where_sure": 0.75}
    assert math.isfinite(found["nats"])
