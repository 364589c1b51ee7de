"""Amounts and errors of spreadsheets."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import morphogen as mg
from tests.cases import case

X = np.random.default_rng(0).normal(size=60)


def read(folder: Path, cells: list[str]) -> mg.data.Dataset:
    pd.DataFrame({"a": cells, "x": X}).to_csv(folder / "t.csv", index=False)
    return mg.load_data(str(folder / "t.csv"))


@case("negative amounts of accounting: `(1.50)`, `($1,234.50)`, `1.50-`", "negative numbers, with a note")
@pytest.mark.parametrize(
    ("negative", "positive"),
    [("({}.50)", "{}.50"), ("{}.50-", "{}.50"), ("(${}.50)", "${}.50"), ("({} %)", "{} %")],
)
def test_negative_amounts(negative: str, positive: str, tmp_path: Path) -> None:
    cells = [(negative if i % 3 == 1 else positive).format(10 + i) for i in range(60)]
    data = read(tmp_path, cells)
    assert any(note.startswith(f"column 'a': {cells[1]} is read as -") for note in data.notes)
    column, part = data.representation.columns[0], 0.0 if "%" in negative else 0.5
    assert (column.low, column.high) == (-68 - part, 69 + part)
    assert column.numbers([cells[1]]) == [-11 - part]
    model = mg.build_system("table_mixture", data, size="tiny")
    model.sample(60, seed=0).save(tmp_path / "drawn")
    (file,) = (tmp_path / "drawn").glob("**/samples.csv")
    assert model.log_prob(pd.read_csv(file)).nats.isfinite().all()
    every = read(tmp_path, [f"({i})" for i in range(60)])
    assert not any("is read as -" in note for note in every.notes)


@case("errors of Excel in a few cells: `#DIV/0!`, `#REF!`, `#VALUE!`, `#NUM!`, `#NAME?`", "missing")
def test_errors_of_spreadsheets(tmp_path: Path) -> None:
    errors = ["#DIV/0!", "#REF!", "#VALUE!", "#NUM!", "#NAME?", "#NULL!"]
    data = read(tmp_path, [*errors, *[str(i % 9 / 2) for i in range(54)]])
    assert "a (multiples of 0.5, 10% missing)" in data.notes[0]
