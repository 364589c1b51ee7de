"""Rules: each kind is found, chance and keys make none, held-out rows refute, and broken rows are counted."""

import numpy as np
import pandas as pd
import pytest

from morphogen.evaluation.tables.cells import Cells, cells_of
from morphogen.evaluation.tables.discovery import find_rules
from morphogen.evaluation.tables.rules import Evidence, breaks_none, kept
from real_tables import flights

N = 1000


def rules_of(table: pd.DataFrame, held_out: pd.DataFrame | None = None) -> dict[str, object]:
    held_out = table.iloc[3 * len(table) // 4 :] if held_out is None else held_out
    cells = cells_of({"train": table.iloc[: 3 * len(table) // 4], "held_out": held_out})
    return {rule.text: rule for rule in find_rules(cells["train"], cells["held_out"])}


def one(table: pd.DataFrame, train: pd.DataFrame) -> Cells:
    return cells_of({"train": train, "table": table})["table"]


def random_columns(seed: int = 0) -> pd.DataFrame:
    """Independent columns: numbers, counts, words, a key, a constant."""
    rng = np.random.default_rng(seed)
    return pd.DataFrame(
        {
            "real": rng.normal(size=N),
            "count": rng.integers(0, 60, size=N),
            "other": rng.integers(0, 60, size=N),
            "word": rng.choice(list("abcd"), size=N),
            "rare": np.where(np.arange(N) % 100 == 0, "yes", "no"),
            "key": [f"row {i}" for i in range(N)],
            "constant": 7,
        }
    )


@pytest.mark.parametrize("seed", range(5))
def test_independent_columns_have_no_rules(seed: int):
    """Not even keys, which determine everything, and constants, which everything determines."""
    assert rules_of(random_columns(seed)) == {}


def test_rules_of_every_kind_are_found():
    table = random_columns()
    rng = np.random.default_rng(1)
    table["time"] = rng.integers(24, size=N) * 100 + rng.integers(60, size=N)
    table["hour"], table["minute"] = table["time"] // 100, table["time"] % 100
    table["total"] = table["count"] + table["other"]
    table["copy"] = table["real"]
    table["more"] = table["real"] + rng.exponential(size=N)
    table["place"] = rng.choice([f"p{i}" for i in range(12)], size=N)
    table["region"] = table["place"].map({f"p{i}": f"r{i // 3}" for i in range(12)})
    kind, level = rng.integers(9, size=N), rng.integers(3, size=N)
    table["kind"], table["level"] = kind.astype(str), level.astype(str)
    table["price"] = rng.permutation(27)[kind * 3 + level] * 0.5
    table["colour"] = [f"c{(k + rng.integers(3)) % 9}" for k in kind]
    table["a"], table["b"] = (rng.random(N) for _ in "ab")
    table.loc[rng.random(N) < 0.3, ["a", "b"]] = np.nan
    found = rules_of(table)
    assert set(found) >= {
        "hour = time // 100",
        "minute = time % 100",
        "total = count + other",
        "real = copy",
        "place → region",
        "kind, level → price",
        "(kind, colour) is a pair that occurs",
        "a is missing if and only if b is",
    }
    assert {"real ≤ more", "copy ≤ more"} & set(found)
    assert not {"time → hour", "time → minute", "hour ≤ time", "real → copy"} & set(found)  # these follow
    assert not {"place, word → region", "place, level → region"} & set(found)


def test_held_out_rows_refute_rules():
    table = random_columns()
    table["copy"] = table["count"]
    table["region"] = table["word"].str.upper()
    held_out = table.tail(250).copy()
    assert {"count = copy", "word → region"} <= set(rules_of(table, held_out))
    held_out.loc[held_out.index[:2], "copy"] += 1  # 2 of 250: the interval is below 99.9 %
    held_out.loc[held_out.index[:2], "region"] = "E"
    assert not {"count = copy", "word → region"} & set(rules_of(table, held_out))


def test_the_fraction_that_keeps_a_rule():
    table = random_columns()[["count", "word"]]
    table["copy"], table["region"] = table["count"], table["word"].str.upper()
    table["a"] = np.where(np.arange(N) % 4 == 0, np.nan, 1.0)
    table["b"] = table["a"] * 2
    rules = rules_of(table)
    synthetic = table.head(100).copy()
    synthetic.loc[:9, "copy"] += 1  # 10 of 100
    synthetic.loc[10:19, "copy"] = np.nan  # 10 of the others: the rule does not apply
    synthetic.loc[0, "word"] = "new"  # no training row has it
    synthetic.loc[1:2, "region"] = ["X", "Y"]
    synthetic.loc[[4, 8, 13], "b"] = [1.0, 1.0, np.nan]  # 25 + 1 rows lack a or b, three of them only one
    cells = one(synthetic, table)
    figures = {text: kept(rule, cells) for text, rule in rules.items()}
    assert (figures["count = copy"]["value"], figures["count = copy"]["n"]) == (80 / 90, 90)
    assert (figures["word → region"]["value"], figures["word → region"]["n"]) == (97 / 99, 99)
    missing = figures["a is missing if and only if b is"]
    assert (missing["value"], missing["n"]) == (pytest.approx(23 / 26), 26)
    broken = {*range(10), 1, 2, 4, 8, 13}
    assert breaks_none(list(rules.values()), cells)["value"] == 1 - len(broken) / 100
    assert breaks_none([], cells) is None


def test_a_table_without_missing_cells_does_not_keep_missing_patterns():
    table = random_columns()[["count"]].assign(a=np.where(np.arange(N) % 4 == 0, np.nan, 1.0))
    table["b"] = table["a"]
    rule = rules_of(table)["a is missing if and only if b is"]
    assert kept(rule, one(table.fillna(1.0), table)) is None
    assert kept(rule, one(table.assign(b=1.0), table))["value"] == 0


def test_what_is_evidence():
    assert Evidence(rows=1000, broken=1, expected=50)
    assert not Evidence(rows=1000, broken=2, expected=50)  # more than 0.1 % break it
    assert not Evidence(rows=1000, broken=0, expected=49)  # below 5 % would break it by chance
    assert Evidence(rows=100, broken=0, expected=10) and not Evidence(rows=100, broken=0, expected=9)
    assert not Evidence(rows=0, broken=0, expected=100)


def test_rules_of_flights():
    """Those that people know; in a few of 20,000 rows (origin, dest) does not determine the distance."""
    table = flights().sample(20_000, random_state=0)
    found = rules_of(table)
    assert set(found) >= {
        "hour = sched_dep_time // 100",
        "minute = sched_dep_time % 100",
        "origin, dest → distance",
        "(origin, dest) is a pair that occurs",
        "dep_time is missing if and only if dep_delay is",
        "arr_delay is missing if and only if air_time is",
    }
    rng = np.random.default_rng(0)
    wrong = table.assign(dest=table["dest"].to_numpy()[rng.permutation(len(table))])
    cells = one(wrong, table.head(15_000))
    assert kept(found["origin, dest → distance"], cells)["value"] < 0.1
    assert kept(found["hour = sched_dep_time // 100"], cells)["value"] == 1
