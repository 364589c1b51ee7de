"""The kernel distance equals torchmetrics' and its closed form on average, and its interval covers it."""

import math

import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from morphogen.evaluation.intervals import student
from morphogen.evaluation.kernel_distance import kernel_distance

GENERATOR = torch.Generator().manual_seed(0)


def normal(n, d, scale=1.0, shift=0.0):
    return scale * torch.randn(n, d, generator=GENERATOR, dtype=torch.float64) + shift


def moments(scale, shift):
    """E x, E x^2, E x^3 of a Gaussian."""
    return shift, scale**2 + shift**2, shift**3 + 3 * shift * scale**2


@pytest.mark.parametrize(("n", "d"), [(10, 3), (80, 40), (40, 200)])
def test_equals_torchmetrics_on_all_rows(n, d):
    """torchmetrics averages over random subsets; of the whole set there is one."""
    real, fake = normal(n, d), normal(n, d, 1.3, 0.2)
    expected = poly_mmd(real, fake, degree=3, gamma=1 / d, coef=1.0).item()
    assert kernel_distance(real, fake)["value"] == pytest.approx(expected, rel=1e-9, abs=1e-12)


@pytest.mark.parametrize(("scale", "shift"), [(1.0, 0.0), (1.0, 0.5), (0.8, 0.2)])
def test_is_unbiased(scale, shift):
    """In one dimension MMD^2 = 3 (dm_1)^2 + 3 (dm_2)^2 + (dm_3)^2 for differences dm of the raw moments.

    1000 pairs of sets of 20 and 30 rows, seed 0: their mean is within 3.3 standard errors (p = 0.001). With
    the pairs i = j the estimate would be 1 too large for equal distributions.
    """
    differences = [a - b for a, b in zip(moments(1, 0), moments(scale, shift), strict=True)]
    expected = 3 * differences[0] ** 2 + 3 * differences[1] ** 2 + differences[2] ** 2
    values = torch.tensor(
        [kernel_distance(normal(20, 1), normal(30, 1, scale, shift))["value"] for _ in range(1000)]
    )
    assert abs(values.mean() - expected) < 3.3 * values.std() / math.sqrt(1000)


def test_the_interval_covers_the_distance():
    """200 pairs of 200 rows in 10 dimensions against the mean over 500 others, seed 0: 92 to 98 %."""
    draw = [kernel_distance(normal(200, 10), normal(200, 10, 1.0, 0.3)) for _ in range(700)]
    truth = sum(figure["value"] for figure in draw[200:]) / 500
    covered = sum(figure["low"] <= truth <= figure["high"] for figure in draw[:200]) / 200
    assert 0.92 <= covered <= 0.98


@pytest.mark.parametrize(("n", "m", "shift"), [(20, 30, 0.0), (40, 40, 0.1), (40, 40, 0.4)])
def test_the_interval_covers_distances_of_nothing_and_of_little(n, m, shift):
    """600 pairs, d = 8, seed 0, standard error 0.009; for a shift the mean over them.

    The jackknife with a symmetric interval holds 0 in 0.985, twice less its second term in 0.88.
    """
    found = [kernel_distance(normal(n, 8), normal(m, 8, 1.0, shift)) for _ in range(600)]
    truth = sum(figure["value"] for figure in found) / 600 if shift else 0.0
    assert 0.93 <= sum(figure["low"] <= truth <= figure["high"] for figure in found) / 600 <= 0.98


def test_the_second_order_term_is_the_variance_for_equal_distributions():
    """800 pairs of 20 and 30 rows, d = 5, seed 0: within 20 %, where the jackknife has twice as much."""
    low, values = [], []
    for _ in range(800):
        figure = kernel_distance(normal(20, 5), normal(30, 5))
        values.append(figure["value"])
        low.append(min(0.0, figure["low"] - figure["value"]))
    half = torch.tensor(low).double().square().mean()
    variance = torch.tensor(values).double().var()
    assert half == pytest.approx(student(19) ** 2 * variance.item(), rel=0.2)


def test_equal_rows_have_no_width():
    found = kernel_distance(torch.ones(6, 3), torch.ones(5, 3))
    assert found["low"] == pytest.approx(0, abs=1e-12) and found["high"] == pytest.approx(0, abs=1e-12)


@pytest.mark.parametrize(("rows", "message"), [(3, "requires 4 rows"), (5, "not finite")])
def test_invalid_features_raise(rows, message):
    bad = torch.full((rows, 2), math.nan if rows > 3 else 0.0)
    with pytest.raises(ValueError, match=message):
        kernel_distance(bad, torch.zeros(5, 2))
    with pytest.raises(ValueError, match=message):
        kernel_distance(torch.zeros(5, 2), bad)
