"""The distance to the closest record tells copies and near copies from rows of the distribution."""

import numpy as np
import pandas as pd
import pytest

from morphogen.evaluation.tables.cells import cells_of
from morphogen.evaluation.tables.closest_record import closest_record


def rows(n: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 3))
    table = pd.DataFrame(x, columns=list("xyz")).mask(rng.random((n, 3)) < 0.1)
    return table.assign(word=rng.choice(list("abc"), size=n))


def figures(synthetic: pd.DataFrame, train: pd.DataFrame | None = None) -> dict:
    train = rows(800, 0) if train is None else train
    cells = cells_of({"train": train, "held_out": rows(600, 1), "synthetic": synthetic})
    return closest_record(cells["train"], cells["held_out"], cells["synthetic"])


def test_fresh_rows_are_as_near_to_training_rows_as_to_others():
    found = figures(rows(500, 2))
    assert found["closer"]["low"] <= 0.5 <= found["closer"]["high"]
    assert found["ratio"]["low"] <= 1 <= found["ratio"]["high"]
    assert found["duplicates"]["value"] < 0.01  # rows of which all numbers are missing
    assert found["control"] == 600


def test_copies_are_found():
    train = rows(600, 0)
    found = figures(train.sample(frac=1, random_state=0), train)
    assert found["closer"]["low"] > 0.98
    assert found["ratio"]["value"] == 0
    assert found["duplicates"]["value"] == 1


def test_near_copies_are_found_though_no_row_is_the_same():
    train = rows(600, 0)
    rng = np.random.default_rng(3)
    near = train.assign(**{name: train[name] + 0.05 * rng.normal(size=600) for name in "xyz"})
    found = figures(near, train)
    assert found["closer"]["low"] > 0.9 and found["ratio"]["high"] < 0.6
    assert found["duplicates"]["value"] == 0


def test_ties_are_decided_by_a_coin():
    """A table of one column with two values: every row is in both parts."""
    tables = {name: pd.DataFrame({"k": ["a", "b"] * 300}) for name in ("train", "held_out", "synthetic")}
    cells = cells_of(tables)
    found = closest_record(*cells.values())
    assert found["closer"]["low"] <= 0.5 <= found["closer"]["high"]
    assert found["ratio"] is None
    assert found["duplicates"]["value"] == found["duplicates_held_out"]["value"] == 1


def test_distances_are_those_of_gower():
    """Ranges of the training rows; a missing cell is equal to a missing one and 1 from any other."""
    train = pd.DataFrame({"x": [0.0, 4.0, np.nan], "k": ["a", "b", None], "y": [0.0, 10.0, 5.0]})
    held_out = pd.DataFrame({"x": [8.0, 8.0, 8.0], "k": ["b", "b", "b"], "y": [0.0, 0.0, 0.0]})
    synthetic = pd.DataFrame({"x": [1.0], "k": ["a"], "y": [1.0]})
    cells = cells_of({"train": train, "held_out": held_out, "synthetic": synthetic})
    found = closest_record(*cells.values())
    near, far = (1 / 4 + 0 + 1 / 10) / 3, (7 / 4 + 1 + 1 / 10) / 3
    assert found["ratio"]["value"] == pytest.approx(near / far)
    missing = cells_of({"train": train, "held_out": held_out, "synthetic": synthetic.assign(x=np.nan)})
    found = closest_record(*missing.values())
    near, far = (1 + 0 + 1 / 10) / 3, (1 + 1 + 1 / 10) / 3  # (0 + 1 + 4/10) / 3 is farther
    assert found["ratio"]["value"] == pytest.approx(near / far)
