"""Columns of numbers that determine each other are noted, with the option that leaves them out."""

from typing import Any

import numpy as np
import pandas as pd
import pytest

import morphogen as mg
from morphogen.caller import on_the_command_line

N = 40


def people(**columns: Any) -> pd.DataFrame:
    rng = np.random.default_rng(0)
    height = np.where(np.arange(N) == 3, np.nan, rng.normal(175, 8, N).round(3))
    return pd.DataFrame({"height": height, "age": rng.integers(18, 80, N)}).assign(**columns)


def notes(frame: pd.DataFrame) -> list[str]:
    return [note for note in mg.load_data(frame).notes if "determine each other" in note]


@pytest.mark.parametrize("change", [lambda x: x, lambda x: x / 2.54, lambda x: -(x**3)])
def test_columns_of_the_same_order_are_noted_with_a_remedy_that_works(change: Any) -> None:
    frame = people()
    frame["inches"] = change(frame["height"])
    (note,) = notes(frame)
    assert note.startswith("columns 'height', 'inches' determine each other: a density of them has no bound")
    assert note.endswith('keep \'height\' only: table={"drop": "inches"}')
    data = mg.load_data(frame, table={"drop": "inches"})
    assert not [note for note in data.notes if "determine" in note]
    assert [column.name for column in data.representation.columns] == ["height", "age"]
    with on_the_command_line():
        assert notes(frame)[0].endswith("--table drop=inches")


def test_columns_that_differ_in_one_cell_or_in_few_rows_are_not() -> None:
    frame = people()
    assert not notes(frame)
    frame["inches"] = frame["height"]
    frame.loc[5, "inches"] += 20
    assert not notes(frame)
    frame["inches"] = frame["height"].fillna(1.0)  # whether it is missing differs
    assert not notes(frame)
    rare = (np.arange(N) < 4).astype(int)  # both are 1 in four rows, perhaps by chance
    assert not notes(people(flag=rare, mark=1 - rare))
    often = (np.arange(N) < 20).astype(int)
    assert len(notes(people(flag=often, mark=1 - often))) == 1


def test_many_groups_are_counted() -> None:
    values = np.random.default_rng(1).normal(size=(N, 7))
    frame = pd.DataFrame({f"{name}{i}": values[:, i] for i in range(7) for name in "abc"})
    found = notes(frame)
    assert len(found) == 5 and found[-1].endswith("(and 2 more groups of columns)")
    assert "columns 'a0', 'b0', 'c0' determine" in found[0] and '"drop": "b0,c0"' in found[0]
