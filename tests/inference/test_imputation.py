"""Imputation keeps given cells, fills the others from their conditional distribution, and keeps the frame."""

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.catalogue import build_system, pages
from morphogen.component import ConfigError
from morphogen.conditioning.named import names_of
from morphogen.contract import Unsupported
from morphogen.data import load_data
from morphogen.inference.imputation import IMPUTERS
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


def test_a_frame_with_some_of_the_columns_gives_the_others(model):
    """The remaining columns are drawn: of SDV, `sample_remaining_columns`."""
    known = FRAME[["kind", "size"]].dropna().head(9)
    filled = mg.impute(model, known)
    assert filled[["kind", "size"]].equals(known) and list(filled) == ["kind", "size", "day"]
    assert filled["day"].dtype == FRAME["day"].dtype and filled["day"].notna().all()
    drawn = model.sample(condition=known).frame()
    assert drawn["size"].tolist() == known["size"].tolist() and len(drawn) == 9
    with pytest.raises(ConfigError, match="no column is named 'sizee'; did you mean 'size'"):
        mg.impute(model, known.rename(columns={"size": "sizee"}))


def test_words_for_a_missing_cell_are_missing(model):
    """As they are when the data are read: '' and 'n/a' are no categories."""
    rows = FRAME.dropna().head(4)
    written = rows.assign(kind=["", "n/a", " ", rows["kind"].iloc[3]])
    filled = mg.impute(model, written)
    assert filled["kind"].isin(["cat", "dog"]).all() and filled["kind"].iloc[3] == rows["kind"].iloc[3]


@pytest.mark.parametrize(
    ("cells", "message"),
    [
        ({"colour": "red"}, "no column is named 'colour'.*kind, size, day"),
        ({"kind": "cow"}, "no category 'cow'; it has cat, dog"),
        ({"size": 1000}, "row 0, column 'size': 1000 is outside of .*, 15 to 65: give one of these"),
        ({"size": [20, 60]}, r"'size': \[20, 60\] is not one value: give a row each"),
        ({"size": np.nan}, "'size': a missing cell cannot be given: leave it out to draw it"),
        ({"size": None}, "'size': a missing cell cannot be given"),
        ({"size": 20.5}, "'size': 20.5 is outside of what the model knows, 15 to 65"),
        ({"day": "soon"}, "'soon' is not a date in the format"),
    ],
)
def test_cells_that_the_model_does_not_have_are_refused(model, cells, message):
    with pytest.raises(ConfigError, match=message):
        model.sample(1, {"cells": cells})


def test_numbers_beyond_those_of_the_data_are_impossible_and_imputed_from_the_nearest(model):
    """P(row) = 0 is the truth of a bounded model; what is missing is drawn as if given 65."""
    beyond = FRAME.head(20).assign(kind=None, day=FRAME["day"].iloc[0]).fillna({"size": 20.0})
    beyond.loc[7, "size"] = 1000.0
    with pytest.warns(UserWarning, match="row 7, column 'size': 1000 is outside of .*: missing"):
        filled = mg.impute(model, beyond)
    assert filled["size"].equals(beyond["size"]) and filled["kind"].notna().all()
    nearest = mg.impute(model, beyond.replace({"size": {1000.0: 65.0}}))
    assert filled["kind"].equals(nearest["kind"])
    whole = filled.assign(day=DAY[0])
    nats = model.log_prob(whole).nats
    assert nats.isneginf().nonzero().tolist() == [[7]] and model.log_prob(whole.drop(7)).nats.isfinite().all()
    between = whole.drop(7).assign(size=20.5)
    assert model.log_prob(between).nats.isneginf().all(), "between two grid points"
    other = FRAME.assign(size=FRAME["size"].where(FRAME.index != 7, 1000.0))
    with pytest.raises(ConfigError, match=r"row \d+, column 'size': 1000 is outside .*: remove such rows"):
        train(model, load_data(other).train, steps=1)


@pytest.mark.parametrize("system", ["table_transformer", "table_flow", "table_mixture", "table_vae"])
def test_every_system_gives_a_row_beyond_the_data_probability_0(system):
    data = load_data(FRAME)
    tiny = build_system(system, data, size="tiny")
    rows = FRAME.dropna().head(3).assign(size=[20.0, 1000.0, 20.0])
    assert tiny.log_prob(rows).nats.isneginf().tolist() == [False, True, False]


def test_records_and_other_givens(model):
    filled = mg.impute(model, [{"kind": "cat"}, {"size": 60}])
    assert filled["kind"].iloc[0] == "cat" and filled["size"].iloc[1] == 60 and not filled.isna().any().any()
    with pytest.raises(ConfigError, match="no column is named 'colour'; the columns are kind, size, day"):
        mg.impute(model, [{"colour": "red"}])
    with pytest.raises(ConfigError, match="an array of words has no columns: give a DataFrame with"):
        mg.impute(model, FRAME.to_numpy())
    with pytest.raises(ConfigError, match=r"model is of type DataFrame: write mg.impute\(model, table\)"):
        mg.impute(FRAME, model)


def test_a_vae_of_rows_fills_every_missing_cell_and_keeps_the_others():
    torch.manual_seed(0)
    vae = build_system("table_vae", load_data(FRAME), size="tiny")
    filled = mg.impute(vae, FRAME)
    assert not filled.isna().any().any() and FRAME.isna().any().any()
    for name in FRAME:
        known = FRAME[name].notna()
        assert (filled[name][known] == FRAME[name][known]).all()


def test_a_model_that_does_not_take_cells_is_refused():
    data = load_data(FRAME)
    flow = build_system("table_flow", data.representation, data.conditions, "tiny")
    with pytest.raises(Unsupported, match="table_transformer, table_mixture"):
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


def test_a_missing_class_names_the_model_that_imputes_it():
    frame = pd.DataFrame({"a": RNG.normal(size=60), "kind": ["x", "y"] * 30})
    model = build_system("table_mixture", load_data(frame, condition="kind"), size="tiny")
    with pytest.raises(
        ConfigError, match=r"'kind' has missing cells.* mg.load_data\(df\), without condition="
    ):
        mg.impute(model, frame.assign(kind=["x", None] * 30))


def test_the_error_of_another_model_names_all_systems_that_take_given_cells():
    data = load_data(FRAME)
    tables = [name for name, page in pages().items() if page.medium == "table"]
    models = {name: build_system(name, data.representation, data.conditions, "tiny") for name in tables}
    assert {name for name, model in models.items() if "cells" in names_of(model.conditioner)} == {*IMPUTERS}
    assert {name for name, model in models.items() if model.objective.stored} == {"kernel_density"}
    with pytest.raises(Unsupported, match=f"use one of {', '.join(IMPUTERS)}$"):
        mg.impute(models["table_gan"], FRAME)
