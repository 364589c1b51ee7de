"""All figures of a table: JSON, seeded, with intervals; and those of the samples of a data set."""

import json
import time

import numpy as np
import pandas as pd
import pytest

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.data.table import table_of
from morphogen.evaluation.tables.table_quality import sample_quality, table_quality
from real_tables import flights, independent, penguins

FRACTIONS = ("overall", "column_shapes", "pair_trends", "all_pairs", "missing_difference", "rules_kept")


def parts(table: pd.DataFrame) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    order = np.random.default_rng(0).permutation(len(table))
    return tuple(table.iloc[order[i::3]] for i in range(3))  # type: ignore[return-value]


@pytest.fixture(scope="module")
def tables() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    return parts(penguins())


def test_every_figure_has_an_interval_and_n(tables: tuple) -> None:
    found = json.loads(json.dumps(table_quality(*tables), allow_nan=False))
    for name in FRACTIONS:
        assert (
            0 <= found[name]["low"] <= found[name]["value"] <= found[name]["high"] <= 1 and found[name]["n"]
        )
    assert list(found["columns"]) == list(tables[0]) and len(found["pairs"]) == 8 * 7 / 2
    assert found["n"] == {"train": 115, "held_out": 115, "synthetic": 114}
    assert found["rules"][0]["text"] == "(species, island) is a pair that occurs"
    assert {each["column"] for each in found["usefulness"]} <= set(tables[0]) and found["usefulness"]
    assert found["closest_record"]["duplicates"]["value"] == 0


def test_figures_depend_on_the_seed_alone(tables: tuple) -> None:
    one, same, other = (table_quality(*tables, seed=seed) for seed in (0, 0, 1))
    assert one == same
    assert one["overall"]["value"] == other["overall"]["value"]
    assert one["overall"]["low"] != other["overall"]["low"]


def test_broken_tables_are_worse_where_they_are_broken(tables: tuple) -> None:
    train, held_out, fresh = tables
    good = table_quality(train, held_out, fresh)
    no_pairs = table_quality(train, held_out, independent(fresh, list(fresh)))
    assert no_pairs["pair_trends"]["high"] < good["pair_trends"]["low"]
    assert no_pairs["column_shapes"]["value"] == good["column_shapes"]["value"]
    assert (
        no_pairs["breaks_no_rule"]["high"] < good["breaks_no_rule"]["low"] == pytest.approx(0.967, abs=0.01)
    )
    complete = table_quality(train, held_out, fresh.assign(sex=fresh["sex"].fillna("male")))
    assert complete["columns"]["sex"]["missing"]["value"] == 0 < good["columns"]["sex"]["missing"]["value"]
    copied = table_quality(train, held_out, train)
    assert copied["column_shapes"]["value"] == 1
    assert copied["closest_record"]["closer"]["value"] == 1 == copied["closest_record"]["duplicates"]["value"]


def test_the_condition_is_what_is_predicted(tables: tuple) -> None:
    found = table_quality(*tables, condition="species")["usefulness"]
    assert [each["column"] for each in found] == ["species"]
    assert found[0]["real"]["low"] > found[0]["baseline"]["high"]
    with pytest.raises(ConfigError, match="no column is named 'race'; choose one of species"):
        table_quality(*tables, condition="race")


def test_held_out_rows_are_not_compared_with_themselves(tables: tuple) -> None:
    """A predictor was trained and tested on them (0.34 better than real rows), and none was near training."""
    train, held_out, fresh = tables
    for rows in (held_out, held_out[:60]):
        found = table_quality(train, held_out, rows)
        assert found["usefulness"] == [] and found["rules_kept"]["value"] > 0.9
        assert found["closest_record"]["closer"] is None is found["closest_record"]["ratio"]
        assert found["closest_record"]["duplicates"]["n"] == len(rows)
    other = table_quality(train, held_out, held_out.iloc[::-1])
    assert other["usefulness"], "rows in another order are taken for those of a model"
    assert table_quality(train, held_out, fresh)["closest_record"]["closer"]["n"] == len(fresh)


@pytest.mark.parametrize("condition", [None, "species"])
def test_samples_of_a_medium(condition: str | None) -> None:
    """Training rows, measured as samples: of 34 validation rows no predictor learns the species."""
    data = table_of("penguins", penguins().dropna(), condition=condition)
    batch = data.train.first(150)
    found = sample_quality(batch.medium, batch.condition, data)
    section = data.representation.medium.measure(batch.medium, batch.condition, data)
    assert section["table"]["details"] == found
    assert len(found["columns"]) == 8
    assert found["columns"]["sex"]["kind"] == "category" and found["columns"]["year"]["kind"] == "number"
    assert found["column_shapes"]["value"] > 0.8
    assert [each["column"] for each in found["usefulness"]] == ["species"] or condition is None
    unlabelled = sample_quality(batch.medium, {}, data)  # of a model that takes no condition
    assert len(unlabelled["columns"]) == (8 if condition is None else 7)


def test_other_media_have_no_figures_of_their_own() -> None:
    data = mg.load_data("digits")
    batch = data.test.first(8)
    assert data.representation.medium.measure(batch.medium, batch.condition, data) == {}


@pytest.mark.slow
def test_twenty_thousand_rows_of_nineteen_columns_take_seconds() -> None:
    """At most 20 s of processor time."""
    train, held_out, synthetic = (flights().sample(n, random_state=n) for n in (20_000, 3_000, 20_001))
    start = time.process_time()
    assert table_quality(train, held_out, synthetic)["n"]["synthetic"] == 20_001
    assert time.process_time() - start <= 20
