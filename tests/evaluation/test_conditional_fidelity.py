"""Conditional fidelity detects samples of the wrong class, and a single sample per class."""

import pytest
import torch

from morphogen.data import load_data
from morphogen.data.dataset import Dataset, Pictures, with_labels
from morphogen.evaluation.conditional_fidelity import (
    condition_accuracy,
    conditional_fidelity,
    within_class_variance,
)
from morphogen.evaluation.features import Features, features_for
from morphogen.representations.pixels import Pixels

DIGITS = load_data("digits")
FEATURES = features_for(DIGITS)


def test_real_digits_have_high_accuracy_and_a_variance_ratio_of_one():
    test = DIGITS.test.first()
    result = conditional_fidelity(test.medium, test.condition["label"], DIGITS, FEATURES)
    assert result["condition_accuracy"] == condition_accuracy(test.medium, test.condition["label"], FEATURES)
    assert result["condition_accuracy"]["value"] >= 0.98 and result["condition_accuracy"]["n"] == len(test)
    assert result["variance_ratio"]["low"] < 1.1 and result["variance_ratio"]["high"] > 0.9
    train = DIGITS.train.first()
    assert conditional_fidelity(train.medium, train.condition["label"], DIGITS, FEATURES)["variance_ratio"][
        "value"
    ] == pytest.approx(1)


def test_wrong_classes_and_lack_of_diversity_are_detected():
    test = DIGITS.test.first()
    wrong = conditional_fidelity(test.medium, (test.condition["label"] + 1) % 10, DIGITS, FEATURES)
    assert wrong["condition_accuracy"]["value"] < 0.05
    first = torch.stack([test.medium[test.condition["label"] == c][0] for c in range(10)])
    repeated = conditional_fidelity(first.repeat(20, 1, 1, 1), torch.arange(10).repeat(20), DIGITS, FEATURES)
    assert repeated["condition_accuracy"]["value"] > 0.9 and repeated["variance_ratio"]["value"] < 1e-6


def test_only_requested_classes_are_compared():
    """Zeros vary less than the average digit; compared with zeros only, their ratio is 1."""
    train = DIGITS.train.first()
    zeros = train.condition["label"] == 0
    assert conditional_fidelity(train.medium[zeros], train.condition["label"][zeros], DIGITS, FEATURES)[
        "variance_ratio"
    ]["value"] == pytest.approx(1)


def test_variance_is_within_classes():
    features = torch.tensor([[0.0, 10], [2, 10], [100, 10], [104, 10], [7, 7]])
    assert within_class_variance(features, torch.tensor([0, 0, 1, 1, 2])) == pytest.approx((2 + 8) / 2)
    with pytest.raises(ValueError, match="at least 2 of each"):
        within_class_variance(features[:2], torch.tensor([0, 1]))


class _Mean(Features):
    name, sha256 = "mean", ""

    def embed(self, medium):
        return medium.flatten(1).mean(1, keepdim=True)


def test_the_ratio_is_one_of_variances_and_accuracy_requires_a_classifier():
    generator = torch.Generator().manual_seed(0)
    values, labels = torch.randint(0, 256, (400, 1, 2, 2), generator=generator).byte(), torch.arange(400) % 2
    part = Pictures(values, 256, labels)
    data = Dataset("made", "pictures", part, part, part, with_labels("ab"), Pixels(256, (1, 2, 2)), "")
    halved = conditional_fidelity(part.first().medium / 2, {"label": labels}, data, _Mean())
    assert halved["condition_accuracy"] is None and halved["variance_ratio"]["value"] == pytest.approx(0.25)
    assert (
        halved["variance_ratio"]["low"] < 0.25 < halved["variance_ratio"]["high"]
        and halved["variance_ratio"]["n"] == 400
    )


def test_a_single_sample_and_unlabelled_data_raise():
    test = DIGITS.test.first(9).medium
    with pytest.raises(ValueError, match="class 3 has a single sample"):
        conditional_fidelity(test, torch.tensor([0, 0, 3, 1, 1, 1, 2, 2, 2]), DIGITS, FEATURES)
    part = Pictures(torch.zeros(9, 1, 8, 8).byte(), 17)
    bare = Dataset("bare", "pictures", part, part, part, {}, DIGITS.representation, "")
    with pytest.raises(ValueError, match="bare has no classes"):
        conditional_fidelity(test, torch.zeros(9).long(), bare, FEATURES)
