"""Shapes of columns and trends of pairs on tables whose figures are known, and their intervals."""

import math

import numpy as np
import pandas as pd
import pytest
from scipy.stats.contingency import association

from morphogen.data import DataError
from morphogen.evaluation.tables.cells import cells_of
from morphogen.evaluation.tables.column_shapes import column_shapes, least_total_variation
from morphogen.evaluation.tables.halved import Halved
from morphogen.evaluation.tables.pair_trends import pair_trends
from morphogen.evaluation.tables.resampling import absolute, average_of, interval, weights


def figures(real: pd.DataFrame, synthetic: pd.DataFrame, seed: int = 0) -> tuple:
    cells = cells_of({"real": real, "synthetic": synthetic})
    halved = Halved.of(cells["real"], seed, "real"), Halved.of(cells["synthetic"], seed, "synthetic")
    return column_shapes(halved)[0], pair_trends(halved)[0]


def test_shapes_of_known_tables():
    real = pd.DataFrame({"number": [1.0, 2.0, 3.0, 4.0], "word": ["a", "a", "b", None], "date": None})
    real["date"] = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03", None])
    synthetic = pd.DataFrame({"number": [3.0, 4.0, 5.0, np.nan], "word": ["a", "c", "c", "c"]})
    synthetic["date"] = pd.to_datetime(["2020-01-01", "2020-01-02", "2020-01-03", "2020-01-03"])
    shapes = figures(real, synthetic)[0].columns
    assert shapes["number"]["shape"]["value"] == pytest.approx(1 - 2 / 4)  # the gap at 2 is 1/2 - 0
    assert shapes["word"]["shape"]["value"] == pytest.approx(1 / 4)  # of 2/3 a, 1/3 b and 1/4 a, 3/4 c
    assert shapes["word"]["total_variation"]["value"] == pytest.approx(3 / 4)  # 1/2 a, 1/4 b, 1/4 missing
    assert shapes["date"]["shape"]["value"] == pytest.approx(1 - 1 / 6)  # 2/3 and 1/2 at the second day
    assert shapes["date"]["kind"] == "number"
    assert [shapes[name]["missing"]["value"] for name in real] == [1 / 4, 0, 0]
    assert [shapes[name]["missing_real"]["value"] for name in real] == [0, 1 / 4, 1 / 4]


def test_the_least_total_variation_is_that_of_independent_draws_from_the_data():
    """50 draws of 200 rows of 40 unequal categories, seed 0: their mean within 4 standard errors."""
    rng = np.random.default_rng(0)
    tally = np.append(rng.integers(1, 30, size=40), 0).astype(float)
    p = tally / tally.sum()
    drawn = np.abs(rng.multinomial(200, p, size=50) / 200 - p).sum(1) / 2
    error = drawn.std() / 50**0.5
    assert least_total_variation(tally, 200) == pytest.approx(drawn.mean(), abs=4 * error)
    assert least_total_variation(np.ones(2), 1) == 0.5 and least_total_variation(np.ones(1), 9) == 0
    frame = pd.DataFrame({"k": [str(i % 30) for i in range(60)], "x": rng.normal(size=60)})
    columns = figures(frame, frame.sample(300, replace=True, random_state=0))[0].columns
    assert columns["k"]["least_total_variation"] == pytest.approx((30 / (2 * np.pi * 300)) ** 0.5, rel=0.03)
    assert columns["k"]["total_variation"]["value"] == pytest.approx(
        columns["k"]["least_total_variation"], rel=0.3
    )
    assert columns["x"]["least_total_variation"] is None


def test_the_same_table_has_perfect_scores():
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"x": rng.normal(size=300), "k": rng.integers(3, size=300).astype(str)})
    table["y"] = table["x"] + rng.normal(size=300)
    shapes, trends = figures(table, table.sample(frac=1, random_state=1))
    assert shapes.score["value"] == trends.score["value"] == 1
    assert shapes.missing_difference["value"] == 0
    assert trends.correlation_difference["value"] == pytest.approx(0, abs=1e-12)


def test_correlations_of_incomplete_columns_are_those_of_pandas():
    rng = np.random.default_rng(0)
    real, synthetic = (
        pd.DataFrame(rng.normal(size=(n, 3)) @ rng.normal(size=(3, 3)) + 1e6, columns=list("abc")).mask(
            rng.random((n, 3)) < 0.2
        )
        for n in (200, 150)
    )
    rho = [table.corr() for table in (real, synthetic)]
    trends = figures(real, synthetic)[1]
    for pair in trends.pairs:
        expected = [each.loc[tuple(pair["columns"])] for each in rho]
        assert [pair["real"], pair["synthetic"]] == pytest.approx(expected, abs=1e-9)
    differences = [abs(pair["real"] - pair["synthetic"]) for pair in trends.pairs]
    assert trends.correlation_difference["value"] == pytest.approx(np.mean(differences))


def test_which_pairs_are_dependent():
    """Those with |rho| above 0.5 or Cramer's V above 0.3, as SciPy has it."""
    rng = np.random.default_rng(0)
    one = rng.integers(4, size=500)
    columns = {f"k{p}": np.where(rng.random(500) < p, one, rng.integers(4, size=500)) for p in (20, 0.5, 0.2)}
    table = pd.DataFrame(columns).astype(str)
    table["x"] = rng.normal(size=500)
    table["y"], table["z"] = table["x"] + rng.normal(size=500), table["x"] + 3 * rng.normal(size=500)
    pairs = {tuple(pair["columns"]): pair["dependent"] for pair in figures(table, table)[1].pairs}
    for (first, second), dependent in pairs.items():
        if first[0] == second[0] == "k":
            v = association(pd.crosstab(table[first], table[second]).to_numpy(), method="cramer")
            assert dependent == (v > 0.3)
    assert pairs["k20", "k0.5"] and not pairs["k20", "k0.2"]
    assert pairs["x", "y"] and not pairs["x", "z"]


def test_a_constant_column_has_no_correlation():
    table = pd.DataFrame({"a": [1.0, 2.0, 3.0, 4.0], "b": [7.0] * 4, "c": [np.nan] * 4})
    shapes, trends = figures(table, table)
    assert all(pair["score"] is None for pair in trends.pairs)
    assert trends.score is None and trends.correlation_difference is None
    assert shapes.columns["c"]["shape"] is None and shapes.columns["c"]["missing"]["value"] == 1
    assert shapes.score["value"] == 1


def test_an_outlier_moves_only_the_bins_of_sdmetrics():
    """A number beside a category is cut in the range of the real numbers, so that an outlier is one row."""
    rng = np.random.default_rng(0)
    real = pd.DataFrame({"x": rng.random(2000), "k": (np.arange(2000) % 2).astype(str)})
    real["x"] += real["k"].astype(int)
    synthetic = real.assign(x=real["x"].where(np.arange(2000) > 0, 1000.0))
    trends = figures(real, synthetic)[1]
    assert trends.score["value"] == pytest.approx(1, abs=0.002)
    assert trends.score_dependent["value"] < 0.3


def test_the_interval_of_a_number_is_that_of_its_noise():
    """Far from 0 Student's, as wide as the noise; at 0 that of |noise|, whose spread is 0.6 of it."""
    noise = np.linspace(-1.7, 1.7, 100)  # of variance 1
    far = interval(absolute(np.array([50.0, *50 + noise])), 10)
    assert far["bias"] == pytest.approx(0, abs=1e-9) and far["resamples"] == 100
    half = 2.0086 * noise.std()  # Student's quantile for 50 pairs
    assert [far["low"], far["high"]] == pytest.approx([50 - half, 50 + half], abs=1e-3)
    near = interval(absolute(np.array([0.5, *0.5 + noise])), 10)
    assert near["low"] == pytest.approx(0.5 - 2.0086 * np.abs(noise).std(), abs=1e-3)
    assert near["high"] == pytest.approx(0.5 + half, rel=0.1)
    clipped = interval(1 - absolute(np.array([0.5, *0.5 + noise])), 10, 0.45, 0.55)
    assert (clipped["low"], clipped["high"]) == (0.45, 0.55)


def test_undefined_distances_have_no_interval():
    assert interval(absolute(np.array([math.nan, 1.0, 1.0])), 3) is None
    unknown = interval(absolute(np.array([0.5, math.nan, 0.5])), 1, 0, 1)
    assert (unknown["low"], unknown["high"]) == (0, 1)


def test_the_average_is_that_of_the_defined_scores():
    one, other = absolute(np.array([1.0, 2.0, 3.0])), absolute(np.array([3.0, math.nan, 3.0]))
    average = average_of([one, other], 3)
    assert average[0] == 2 and np.isfinite(average).all()
    assert np.isnan(average_of([], 3)).all() and average_of([], 3).shape == one.shape


def test_halves_are_complementary_and_keyed():
    drawn = weights(50, 0, "a")
    assert (drawn == weights(50, 0, "a")).all() and (drawn != weights(50, 0, "b")).any()
    assert (drawn[:, 0] == 1).all() and (drawn[:, 1:].sum(0) == 25).all()
    assert (drawn[:, 1::2] + drawn[:, 2::2] == 1).all()


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (pd.DataFrame({"x": [1.0]}), r"synthetic: no column k; .* out of it: train\[synthetic.columns\]"),
        (pd.DataFrame({"x": [], "k": []}), "synthetic: the table has no rows"),
        (pd.DataFrame({"x": ["many"], "k": ["a"]}), "synthetic: column 'x' holds other values; give numbers"),
    ],
)
def test_tables_that_cannot_be_compared(wrong: pd.DataFrame, message: str):
    with pytest.raises(DataError, match=message):
        cells_of({"train": pd.DataFrame({"x": [1.0], "k": ["a"]}), "synthetic": wrong})
