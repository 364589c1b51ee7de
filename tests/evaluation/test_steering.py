"""Steering: a model that obeys and varies is told from one that does not obey, and from one that draws one picture of each class."""

import pytest
import torch

from morphogen.data import load
from morphogen.data.dataset import Dataset, Pictures
from morphogen.evaluation.features import Features, features_for
from morphogen.evaluation.steering import read_as_asked, steering, within_class_variance
from morphogen.representations.pixels import Pixels

DIGITS = load("digits")
FEATURES = features_for(DIGITS)


def test_real_digits_read_as_themselves_and_vary_as_the_real():
    test = DIGITS.test.first()
    found = steering(test.medium, test.condition, DIGITS, FEATURES)
    assert found["read_as_asked"] == read_as_asked(test.medium, test.condition, FEATURES)
    assert found["read_as_asked"]["value"] >= 0.98 and found["read_as_asked"]["n"] == len(test)
    assert found["variance_over_real"]["low"] < 1.1 and found["variance_over_real"]["high"] > 0.9
    train = DIGITS.train.first()
    assert steering(train.medium, train.condition, DIGITS, FEATURES)["variance_over_real"]["value"] == pytest.approx(1)


def test_disobedience_and_monotony_show():
    test = DIGITS.test.first()
    turned = steering(test.medium, (test.condition + 1) % 10, DIGITS, FEATURES)
    assert turned["read_as_asked"]["value"] < 0.05
    first = torch.stack([test.medium[test.condition == c][0] for c in range(10)])
    same = steering(first.repeat(20, 1, 1, 1), torch.arange(10).repeat(20), DIGITS, FEATURES)
    assert same["read_as_asked"]["value"] > 0.9 and same["variance_over_real"]["value"] < 1e-6


def test_only_classes_that_were_asked_for_are_compared():
    """Zeros vary less than the average digit: held against zeros, zeros have 1."""
    train = DIGITS.train.first()
    zeros = train.condition == 0
    assert steering(train.medium[zeros], train.condition[zeros], DIGITS, FEATURES)["variance_over_real"]["value"] == pytest.approx(1)


def test_variance_is_within_classes():
    features = torch.tensor([[0.0, 10], [2, 10], [100, 10], [104, 10], [7, 7]])
    assert within_class_variance(features, torch.tensor([0, 0, 1, 1, 2])) == pytest.approx((2 + 8) / 2)
    with pytest.raises(ValueError, match="at least 2 of each"):
        within_class_variance(features[:2], torch.tensor([0, 1]))


class _Mean(Features):
    name, sha256 = "mean", ""

    def embed(self, medium):
        return medium.flatten(1).mean(1, keepdim=True)


def test_the_ratio_is_of_variances_and_features_without_classes_read_nothing():
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randint(0, 256, (400, 1, 2, 2), generator=generator).byte(), torch.arange(400) % 2
    part = Pictures(values, 256, labels)
    data = Dataset("made", "pictures", part, part, part, ("a", "b"), Pixels(256, (1, 2, 2)), "")
    halved = steering(part.first().medium / 2, labels, data, _Mean())
    assert halved["read_as_asked"] is None and halved["variance_over_real"]["value"] == pytest.approx(0.25)
    assert halved["variance_over_real"]["low"] < 0.25 < halved["variance_over_real"]["high"] and halved["variance_over_real"]["n"] == 400


def test_what_cannot_be_measured_is_refused():
    test = DIGITS.test.first(9).medium
    with pytest.raises(ValueError, match="class 3 was drawn once"):
        steering(test, torch.tensor([0, 0, 3, 1, 1, 1, 2, 2, 2]), DIGITS, FEATURES)
    part = Pictures(torch.zeros(9, 1, 8, 8).byte(), 17)
    bare = Dataset("bare", "pictures", part, part, part, (), DIGITS.representation, "")
    with pytest.raises(ValueError, match="bare has no classes"):
        steering(test, torch.zeros(9).long(), bare, FEATURES)
