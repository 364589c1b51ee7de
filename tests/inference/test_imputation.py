"""Imputation keeps given cells, fills the others from their conditional distribution, and keeps the frame."""

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.data import load_data
from morphogen.training.loop import train

RNG = np.random.default_rng(0)
N = 400
KIND = np.array(["cat", "dog"], dtype=object)[RNG.integers(0, 2, N)]
SIZE = np.where(KIND == "dog", 60, 20) + RNG.integers(-5, 6, N)
DAY = pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 90, N), unit="D")
FRAME = pd.DataFrame({"kind": KIND, "size": SIZE.astype(float), "day": DAY})
FRAME.loc[RNG.random(N) < 0.2, "size"] = np.nan


@pytest.fixture(scope="module")
def model():
    data = load_data(FRAME)
    fitted = build_system("table_mixture", data.representation, data.conditions)
    train(fitted, data.train, steps=12)
    return fitted


def test_missing_cells_are_drawn_given_the_others(model):
    """The sizes of cats are 15 to 25, of dogs 55 to 65: so are most of 121 imputed rows, by chance half."""
    gaps = FRAME.copy().set_index(FRAME.index[::-1])
    gaps.loc[gaps.index[::7], "kind"] = None
    gaps["note"] = "kept"
    whole = mg.impute(model, gaps)
    assert list(whole) == list(gaps) and whole.index.equals(gaps.index)
    assert (whole.dtypes == gaps.dtypes).all() and not whole.isna().any().any()
    pd.testing.assert_frame_equal(whole.where(gaps.notna()), gaps.where(gaps.notna()))
    centre = np.where(whole["kind"] == "dog", 60, 20)
    assert (abs(whole["size"] - centre) < 10)[gaps[["kind", "size"]].isna().any(axis=1)].mean() > 0.8
    assert whole["note"].eq("kept").all()


def test_a_row_depends_on_its_own_cells_and_the_seed(model):
    rows = model.representation.source.read(FRAME)
    filled = mg.impute(model, rows)
    other = rows.clone()
    other[1:] = rows[1:].flip(0)
    assert torch.equal(mg.impute(model, other)[0], filled[0])
    missing = rows.isnan()
    assert torch.equal(filled[~missing], rows[~missing])
    assert not torch.equal(mg.impute(model, rows, seed=1)[missing], filled[missing])


def test_given_cells_in_words(model):
    samples = model.sample(50, {"cells": {"kind": "dog", "day": "2024-02-03"}}).frame()
    assert samples["kind"].eq("dog").all() and samples["day"].eq(pd.Timestamp("2024-02-03")).all()
    several = model.sample(2, {"cells": [{"size": 20}, {"size": 60}]}).frame()
    assert several["size"].tolist() == [20, 60]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"colour": "red"}, "no column is named 'colour'.*kind, size, day"),
        ({"kind": "cow"}, "no category 'cow'; it has cat, dog"),
        ({"size": 1000}, "column 'size' has values from 1000"),
        ({"day": "soon"}, "'soon' is not a date in the format"),
    ],
)
def test_cells_that_the_model_does_not_have_are_refused(model, cells, message):
    with pytest.raises(ConfigError, match=message):
        model.sample(1, {"cells": cells})


def test_a_model_that_does_not_take_cells_is_refused():
    data = load_data(FRAME)
    flow = build_system("table_flow", data.representation, data.conditions, "tiny")
    with pytest.raises(Unsupported, match="table_transformer or table_mixture"):
        mg.impute(flow, FRAME)


def test_a_model_with_classes_takes_them_from_the_table():
    data = load_data(FRAME, condition="kind")
    fitted = build_system("table_mixture", data.representation, data.conditions)
    train(fitted, data.train, steps=8)
    whole = mg.impute(fitted, FRAME)
    assert whole["kind"].equals(FRAME["kind"])
    near = abs(whole["size"] - np.where(KIND == "dog", 60, 20)) < 10
    assert near[FRAME["size"].isna()].mean() > 0.85
    with pytest.raises(ConfigError, match="'kind'"):
        mg.impute(fitted, FRAME.drop(columns="kind"))
