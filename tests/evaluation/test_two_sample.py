"""The two-sample test has the level of a coin for equal distributions, and finds shifts and spreads."""

import math

import pytest
import torch

from morphogen.evaluation.two_sample import two_sample

GENERATOR = torch.Generator().manual_seed(0)


def normal(n, d=5, scale=1.0, shift=0.0):
    return scale * torch.randn(n, d, generator=GENERATOR) + shift


def test_equal_distributions_are_not_told_apart():
    """200 tests of 100 and 100 rows, seed 0: the interval contains 1/2 in 92 to 98 %.

    The classifier is evaluated on other rows than it was trained on: on those, it would be right in 80 %.
    """
    figures = [two_sample(normal(100), normal(100), seed) for seed in range(200)]
    assert 0.92 <= sum(f["low"] <= 0.5 <= f["high"] for f in figures) / 200 <= 0.98
    assert sum(f["value"] for f in figures) / 200 == pytest.approx(0.5, abs=0.015)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 2.0), (0.2, 0.0)], ids=["shift", "spread"])
def test_different_distributions_are_told_apart(scale, shift):
    figure = two_sample(normal(200), normal(200, scale=scale, shift=shift))
    assert figure["low"] > 0.9 and figure["n"] == 200


def test_units_do_not_matter():
    """A column in thousands hides the others unless features are standardized."""
    units = torch.tensor([1.0, 1, 1, 1, 1000])
    shift = torch.tensor([2.0, 2, 0, 0, 0])
    figure = two_sample(normal(200) * units, (normal(200) + shift) * units)
    assert figure["low"] > 0.8


def test_equally_many_rows_are_used():
    """Of 1000 real and 20 fake rows, the answer "real" would be right in 98 %."""
    figure = two_sample(normal(1000), normal(20))
    assert figure["n"] == 20 and figure["low"] < 0.5 < figure["high"]


def test_invalid_features_raise():
    with pytest.raises(ValueError, match="requires 4 rows of each set or more, got 3"):
        two_sample(normal(9), normal(3))
    with pytest.raises(ValueError, match="not finite"):
        two_sample(normal(9), torch.full((9, 5), math.nan))
