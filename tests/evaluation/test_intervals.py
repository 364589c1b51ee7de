"""95 % intervals contain the true value in about 95 % of trials."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from morphogen.evaluation.intervals import (
    around,
    bootstrap,
    counts,
    mean,
    modified_wilson,
    proportion,
    wilson,
)


def coverage(intervals, truth):
    return sum(i["low"] <= truth <= i["high"] for i in intervals) / len(intervals)


def test_coverage_of_the_mean_interval():
    """n = 60 exponentials, 1000 trials, seed 0: nominal 0.95, standard error 0.007.

    Skewness reduces the coverage by about 0.02.
    """
    x = -torch.rand(1000, 60, generator=torch.Generator().manual_seed(0)).log()
    assert 0.90 <= coverage([mean(row) for row in x], 1.0) <= 0.97


@pytest.mark.parametrize("p", [0.02, 0.3, 0.95])
def test_coverage_of_the_proportion_interval(p):
    """n = 80, 1000 trials, seed 0: Wilson's interval covers 0.95 on average, 0.92 to 0.98 at a single p."""
    x = torch.rand(1000, 80, generator=torch.Generator().manual_seed(0)) < p
    assert 0.92 <= coverage([proportion(row) for row in x], p) <= 0.99


def test_coverage_of_the_bootstrap_interval():
    """n = 100 normals, 200 trials of 100 resamples, seed 0: nominal 0.95, standard error 0.016.

    The small number of resamples reduces the coverage by about 0.02.
    """
    x = torch.randn(200, 100, generator=torch.Generator().manual_seed(0))
    assert 0.88 <= coverage([bootstrap(lambda v: v.mean().item(), (row,)) for row in x], 0.0) <= 0.98


def test_the_bootstrap_matches_the_normal_interval_and_is_deterministic():
    x = torch.randn(400, generator=torch.Generator().manual_seed(1)).double()
    a, b = bootstrap(lambda v: v.mean().item(), (x,), resamples=2000), mean(x)
    assert a["low"] == pytest.approx(b["low"], abs=0.015) and a["high"] == pytest.approx(b["high"], abs=0.015)
    assert bootstrap(lambda v: v.var().item(), (x,), seed=3) == bootstrap(
        lambda v: v.var().item(), (x,), seed=3
    )
    assert bootstrap(lambda v: v.var().item(), (x,), seed=3) != bootstrap(
        lambda v: v.var().item(), (x,), seed=4
    )


def test_the_bootstrap_estimates_a_known_bias():
    """The plug-in variance is biased by -sigma^2 / n, and that of a resample by about as much again."""
    x = torch.randn(50, generator=torch.Generator().manual_seed(2)).double()
    interval = bootstrap(lambda v: v.var(correction=0).item(), (x,), resamples=4000)
    assert interval["bias"] == pytest.approx(-x.var(correction=0).item() / 50, rel=0.35)


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_a_proportion_is_in_its_interval_and_the_interval_in_0_1(rows):
    interval = proportion(torch.tensor(rows))
    assert (
        0 <= interval["low"] <= interval["value"] + 1e-12
        and interval["value"] <= interval["high"] + 1e-12 <= 1 + 1e-11
    )
    assert interval["low"] < interval["high"]


@given(
    st.floats(0, 1),
    st.integers(1, 10**6),
    st.one_of(st.none(), st.floats(1e-3, 1e9)),
    st.floats(0.1, 15),
    st.floats(-1e9, 1e9),
    st.floats(0, 1e9),
)
def test_a_value_is_in_its_interval(p, n, effective, z, value, variance):
    """Exactly: at 0 and 1 Wilson's ends round to either side of the proportion."""
    for interval in (
        wilson(p, n, effective, z),
        around(value, variance, n, n),
        around(p, variance, n, 1, 0.0),
        modified_wilson(p, n, effective or n, z),
        counts(p, variance, n, n),
    ):
        assert interval["low"] <= interval["value"] <= interval["high"]


@pytest.mark.parametrize("expected", [0.1, 0.5, 2.0])
def test_few_rows_have_an_end_of_poisson(expected):
    """n = 100, exact binomial probabilities: Wilson's own covers 0.905 at an expectation of 0.1 rows."""
    held = {}
    for interval in (wilson, modified_wilson):
        found = [interval(x / 100, 100, 100.0) for x in range(101)]
        inside = [i["low"] <= expected / 100 <= i["high"] for i in found]
        held[interval.__name__] = stats.binom.pmf(range(101), 100, expected / 100) @ inside
        mirrored = [interval(1 - x / 100, 100, 100.0) for x in range(101)]
        for one, other in zip(found, mirrored, strict=True):
            assert (one["low"], one["high"]) == pytest.approx(
                (1 - other["high"], 1 - other["low"]), abs=1e-12
            )
    assert held["modified_wilson"] >= max(0.93, held["wilson"])
    if expected == 0.1:
        assert held["wilson"] < 0.91


def test_the_interval_of_counts_covers_small_means():
    """20 Poisson counts of mean 0.2, 2000 resamplings, seed 0, standard error 0.005; Student's cover 0.91."""
    draws = torch.poisson(torch.full((2000, 20), 0.2), torch.Generator().manual_seed(0)).double()
    sets = [(rows.mean().item(), rows.var().item() / 20) for rows in draws]
    held = {
        interval.__name__: sum(
            (i := interval(mean, variance, 20, 19))["low"] <= 0.2 <= i["high"] for mean, variance in sets
        )
        / len(sets)
        for interval in (counts, around)
    }
    assert held["around"] < 0.93 <= held["counts"] <= 0.98
    assert counts(0.0, 0.0, 20, 19) == {"value": 0.0, "low": 0.0, "high": 0.0, "n": 20}
