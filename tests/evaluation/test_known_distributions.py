"""Every 95 % interval that the product gives, on distributions whose estimand is known.

200 trials have a standard error of 0.015 at 0.95, so that coverage is accepted where it is compatible with
0.92 to 0.98 at two standard errors of either: 0.89 to 0.995. The fast tests fail for the intervals that these
replaced, on both sides.
"""

import numpy as np
import pytest
import torch

from benchmarks.interval_coverage import CASES, coverage
from benchmarks.known_tables import closest
from morphogen.evaluation.intervals import fraction
from morphogen.evaluation.tables.resampling import absolute, distances, interval


@pytest.mark.slow
@pytest.mark.parametrize("title", CASES)
def test_intervals_cover(title):
    """200 trials or more, seed 0; n is in the case."""
    found = coverage(CASES[title])
    assert found and all(0.89 <= share <= 0.995 for share in found.values()), found


@pytest.mark.parametrize("true", [0.0, 1.0, 3.0])
def test_the_interval_of_an_absolute_difference_covers(true):
    """1000 trials, seed 0, standard error 0.007: |true + Z| with 100 halves of the same noise.

    The spread of the halves around the table covers 0.995 at 0, accepted scales alone 0.48.
    """
    rng = np.random.default_rng(0)
    z = true + rng.normal(size=1000)
    expected = np.abs(true + rng.normal(size=10**6)).mean()
    found = [interval(absolute(np.append(value, value + rng.normal(size=100))), 10) for value in z]
    assert 0.92 <= np.mean([each["low"] <= expected <= each["high"] for each in found]) <= 0.98


@pytest.mark.parametrize("true", [0.0, 0.3])
def test_the_interval_of_a_total_variation_covers(true):
    """400 trials, seed 0, standard error 0.011: six masses; the halves around the table cover 0.995 at 0."""
    rng = np.random.default_rng(0)
    shift = true * np.array([1.0, -1, 1, -1, 1, -1])

    def norm(each):
        return np.abs(each).sum(0)

    expected = norm(shift[:, None] + rng.normal(size=(6, 10**5))).mean()
    held = []
    for _ in range(400):
        gap = shift[:, None] + rng.normal(size=(6, 1))
        found = interval(distances(np.hstack([gap, gap + rng.normal(size=(6, 100))]), norm), 10)
        held.append(found["low"] <= expected <= found["high"])
    assert 0.92 <= np.mean(held) <= 0.985


def test_the_interval_of_a_fraction_covers_near_one():
    """n = 20 rows of 20 words, each known with 0.995; 2000 trials, seed 0. Student's covers 0.86."""
    g = torch.Generator().manual_seed(0)
    rows = torch.binomial(torch.full((2000, 20), 20.0), torch.full((2000, 20), 0.995), generator=g) / 20
    found = [fraction(row) for row in rows]
    assert 0.92 <= np.mean([each["low"] <= 0.995 <= each["high"] for each in found]) <= 0.98
    certain = fraction(torch.ones(20))
    assert certain["low"] < certain["high"] == 1


def test_the_interval_of_closer_records_counts_rows_of_one_record_together():
    """150 trials: Wilson's of independent rows is 0.92 as wide as the true spread, clusters alone 1.41."""
    found = [closest(trial)["closer"] for trial in range(150)]
    width = np.mean([each["high"] - each["low"] for each in found])
    spread = np.std([each["value"] for each in found])
    assert width / (2 * 1.96 * spread) == pytest.approx(1.1, abs=0.12)
