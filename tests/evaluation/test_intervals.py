"""An interval that says 95 % holds the truth about 95 times in a hundred."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from morphogen.evaluation.intervals import bootstrap, mean, share


def covered(intervals, truth):
    return sum(i["low"] <= truth <= i["high"] for i in intervals) / len(intervals)


def test_the_mean_covers():
    """n = 60 exponentials (skewed), 1000 trials, seed 0: nominal 0.95, standard error 0.007; skewness costs about 0.02."""
    x = -torch.rand(1000, 60, generator=torch.Generator().manual_seed(0)).log()
    assert 0.90 <= covered([mean(row) for row in x], 1.0) <= 0.97


@pytest.mark.parametrize("p", [0.02, 0.3, 0.95])
def test_the_share_covers_also_near_the_ends(p):
    """n = 80, 1000 trials, seed 0: Wilson's interval covers 0.95 on average, 0.92 to 0.98 at a single p."""
    x = torch.rand(1000, 80, generator=torch.Generator().manual_seed(0)) < p
    assert 0.92 <= covered([share(row) for row in x], p) <= 0.99


def test_the_bootstrap_covers_a_mean():
    """n = 100 normals, 200 trials of 100 resamples, seed 0: nominal 0.95, standard error 0.016; few resamples cost about 0.02."""
    x = torch.randn(200, 100, generator=torch.Generator().manual_seed(0))
    assert 0.88 <= covered([bootstrap(lambda v: v.mean().item(), (row,)) for row in x], 0.0) <= 0.98


def test_the_bootstrap_agrees_with_the_normal_interval_and_repeats_itself():
    x = torch.randn(400, generator=torch.Generator().manual_seed(1)).double()
    a, b = bootstrap(lambda v: v.mean().item(), (x,), resamples=2000), mean(x)
    assert a["low"] == pytest.approx(b["low"], abs=0.015) and a["high"] == pytest.approx(b["high"], abs=0.015)
    assert bootstrap(lambda v: v.var().item(), (x,), seed=3) == bootstrap(lambda v: v.var().item(), (x,), seed=3)
    assert bootstrap(lambda v: v.var().item(), (x,), seed=3) != bootstrap(lambda v: v.var().item(), (x,), seed=4)


def test_the_bootstrap_finds_a_known_bias():
    """The plug-in variance is low by sigma^2 / n; a resample is low by about as much again."""
    x = torch.randn(50, generator=torch.Generator().manual_seed(2)).double()
    found = bootstrap(lambda v: v.var(correction=0).item(), (x,), resamples=4000)
    assert found["bias"] == pytest.approx(-x.var(correction=0).item() / 50, rel=0.35)


@given(st.lists(st.booleans(), min_size=1, max_size=50))
def test_a_share_lies_in_its_interval_and_the_interval_in_0_1(rows):
    found = share(torch.tensor(rows))
    assert 0 <= found["low"] <= found["value"] + 1e-12 and found["value"] <= found["high"] + 1e-12 <= 1 + 1e-11
    assert found["low"] < found["high"]
