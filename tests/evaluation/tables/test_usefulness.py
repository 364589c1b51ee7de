"""Predictors trained on synthetic rows: as good as on real ones, useless, or wrong."""

import numpy as np
import pandas as pd
import pytest

from morphogen.evaluation.tables.cells import cells_of
from morphogen.evaluation.tables.usefulness import targets, usefulness


def rows(n: int, seed: int) -> pd.DataFrame:
    """y follows from x with noise, the class from z, and nothing from the noise."""
    rng = np.random.default_rng(seed)
    x, z = rng.normal(size=n), rng.normal(size=n)
    label = np.where(z + 0.3 * rng.normal(size=n) > 0.5, "high", "low")
    table = pd.DataFrame({"x": x, "z": z, "noise": rng.normal(size=n), "label": label})
    return table.assign(y=2 * x + 0.5 * rng.normal(size=n)).mask(rng.random((n, 5)) < 0.02)


def figures(synthetic: pd.DataFrame, *columns: str) -> dict:
    cells = cells_of({"train": rows(2000, 0), "held_out": rows(1500, 1), "synthetic": synthetic})
    return {each["column"]: each for each in usefulness(*cells.values(), columns=columns)}


def test_rows_of_the_same_distribution_are_as_useful_as_real_ones():
    found = figures(rows(2000, 2), "label", "y")
    assert [found[name]["measure"] for name in ("label", "y")] == ["accuracy", "r2"]
    for each in found.values():
        assert each["difference"]["low"] <= 0 <= each["difference"]["high"]
        assert each["synthetic"]["low"] > each["baseline"]["high"]
        assert each["difference"]["value"] == pytest.approx(
            each["synthetic"]["value"] - each["real"]["value"]
        )
    assert 0.85 < found["y"]["real"]["value"] < 16 / 17  # the noise is 1/17 of the variance
    assert found["label"]["synthetic"]["n"] > 1400  # rows whose label is missing are left out


def test_permuted_columns_are_useless():
    synthetic = rows(2000, 2)
    rng = np.random.default_rng(0)
    for name in ("label", "y"):
        synthetic[name] = synthetic[name].to_numpy()[rng.permutation(2000)]
    for each in figures(synthetic, "label", "y").values():
        assert each["difference"]["high"] < 0
        assert each["synthetic"]["low"] <= each["baseline"]["high"]


def test_wrong_rows_are_worse_than_nothing():
    synthetic = rows(2000, 2)
    swapped = synthetic.assign(
        label=synthetic["label"].map({"low": "high", "high": "low"}), y=-synthetic["y"]
    )
    found = figures(swapped, "label", "y")
    assert found["label"]["synthetic"]["high"] < 0.3
    assert found["y"]["synthetic"]["high"] < -1


def test_synthetic_rows_of_one_class():
    found = figures(rows(500, 2).assign(label="high"), "label")["label"]
    assert found["synthetic"]["value"] == pytest.approx(1 - found["baseline"]["value"])
    assert found["trained_on"] == 500


def test_a_column_that_is_missing_in_all_synthetic_rows():
    found = figures(rows(500, 2).assign(z=np.nan, noise=np.nan), "label")["label"]
    assert found["synthetic"]["high"] < found["real"]["low"]  # the label follows from z


def test_columns_that_cannot_be_predicted_are_left_out():
    cells = cells_of({name: rows(200, 0).assign(same=1.0) for name in ("train", "held_out", "synthetic")})
    assert usefulness(*cells.values(), columns=["same"]) == []


def test_a_column_that_real_rows_do_not_predict_says_nothing_about_samples():
    """Of twelve such columns, each at 95 %, more than two are predicted by chance with probability 1e-4."""
    found = []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        draw = [
            pd.DataFrame(rng.integers(3, size=(200, 4)).astype(str), columns=list("abcd")) for _ in range(3)
        ]
        cells = cells_of(dict(zip(("train", "held_out", "synthetic"), draw, strict=True)))
        found += usefulness(*cells.values(), columns=list("abcd"))
    assert len(found) <= 2
    assert figures(rows(2000, 2), "noise") == {} and "label" in figures(rows(2000, 2), "label")


def test_which_columns_are_predicted():
    """Those that others explain, not noise first, and neither keys nor copies."""
    table = rows(1500, 0)
    table["copy"], table["key"] = table["noise"], [str(i) for i in range(1500)]
    found = targets(cells_of({"train": table})["train"])
    assert set(found[:2]) <= {"x", "y", "label", "z"} and len(found) == 3
    assert not {"noise", "copy", "key"} & set(found)
