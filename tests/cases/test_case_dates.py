"""Dates and times as people write them."""

import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import morphogen as mg
from morphogen.component import from_config, to_config
from morphogen.data import Dataset, dates
from tests.cases import case

RNG = np.random.default_rng(0)
N = 200
DAYS = pd.to_datetime("2023-02-01") + pd.to_timedelta(RNG.integers(0, 900, N), unit="D")
X = RNG.normal(size=N).round(3)


def read(folder: Path, cells: list[str], name: str = "a", **options: str) -> Dataset:
    """A CSV file with these cells in a column, beside numbers."""
    pd.DataFrame({name: cells, "x": X[: len(cells)]}).to_csv(folder / "t.csv", index=False)
    return mg.load_data(str(folder / "t.csv"), table=options or None)


def sampled(data: Dataset, name: str = "a") -> pd.Series:
    """A column of samples, which the model reads."""
    model = mg.build_system("table_mixture", data, size="tiny")
    frame = model.sample(200, seed=0).frame()
    assert model.log_prob(frame).nats.isfinite().all()
    return frame[name]


@case(
    "compact dates: `20240319`, `202403`, `20240319103000`, in any file or as integers of a DataFrame",
    "dates, with a note; `--table dates=numbers` reads numbers",
)
@pytest.mark.parametrize("form", ["%Y%m%d", "%Y%m", "%Y%m%d%H%M%S"])
@pytest.mark.parametrize("kind", ["csv", "parquet", "xlsx", "frame", "missing"])
def test_compact_dates(form: str, kind: str, tmp_path: Path) -> None:
    frame = pd.DataFrame({"a": DAYS.strftime(form).astype("int64"), "x": X})
    frame["a"] = frame["a"].where(frame.index > 9) if kind == "missing" else frame["a"]
    file = tmp_path / f"t.{kind}"
    writers = {"csv": frame.to_csv, "parquet": frame.to_parquet, "xlsx": frame.to_excel}
    if kind in writers:
        writers[kind](file, index=False)
    given = str(file) if kind in writers else frame
    data = mg.load_data(given)
    assert any("is read as a " in note and 'table={"dates": "numbers"}' in note for note in data.notes)
    found = sampled(data)
    assert found.dtype == frame["a"].dtype
    written = found.dropna().astype("int64").astype(str)
    assert (pd.to_datetime(written, format=form).dt.strftime(form) == written).all()
    assert mg.load_data(given, table={"dates": "numbers"}).representation.columns[0].name == "a"
    assert "a (dates" not in mg.load_data(given, table={"dates": "numbers"}).notes[0]


@case("amounts, codes and identifiers of six or eight digits", "numbers")
def test_numbers_that_are_no_dates() -> None:
    columns = {
        "code": RNG.integers(10**7, 10**8, N),
        "amount": RNG.integers(190_000, 210_000, N),
        "bill": 20_240_001 + np.arange(N),
        "few": np.where(X > 0, 20240319, 20240320),
        "seat": 202401 + np.arange(N) % 12,
    }
    data = mg.load_data(pd.DataFrame({**columns, "x": X}))
    assert "dates" not in data.notes[0]
    assert "column 'seat': 202401 is read as a number; call it month if these are months" in data.notes
    renamed = mg.load_data(pd.DataFrame({"month": columns["seat"], "x": X}))
    assert "month (dates from 202401 to 202412)" in renamed.notes[0]


@case(
    "dates that begin with the year, `2010.01.01`, all of which could swap day and month", "year, month, day"
)
@pytest.mark.parametrize("form", ["%Y.%m.%d", "%Y-%m-%d", "%Y/%m/%d", "%Y %m %d", "%Y.%m.%d %H:%M"])
def test_the_month_follows_the_year(form: str, tmp_path: Path) -> None:
    cells = [f"{pd.Timestamp(2010 + i % 9, i % 12 + 1, i % 11 + 1, i % 7):{form}}" for i in range(N)]
    data = read(tmp_path, cells)
    assert not any("swaps day and month" in note for note in data.notes)
    assert data.representation.columns[0].format == form
    again = read(tmp_path, cells, dates="day-first").representation.columns[0]
    assert again.format == form


@case(
    "two-digit years, `17/05/45`: births, or dates of two centuries",
    "the hundred years in which their range is smallest, not beyond today if that is possible, with a note",
)
@pytest.mark.parametrize(
    ("first", "last"), [(1945, 1998), (1968, 2024), (1930, 1960), (2001, 2025), (2020, 2031), (1930, 1931)]
)
@pytest.mark.parametrize("form", ["%d/%m/%y", "%d.%m.%y", "%d-%b-%y"])
def test_two_digit_years(first: int, last: int, form: str, tmp_path: Path, monkeypatch: Any) -> None:
    class Today(datetime.date):
        @classmethod
        def today(cls) -> datetime.date:
            return datetime.date(2026, 11, 30)

    monkeypatch.setattr(dates, "date", Today)
    years = [first, last, *RNG.integers(first, last + 1, N - 2)]
    days = pd.Series([pd.Timestamp(year, 1 + i % 12, 13 + i % 15) for i, year in enumerate(years)])
    data = read(tmp_path, [f"{day:{form}}" for day in days])
    assert f"column 'a': two-digit years are read as {first} to {last}" in data.notes
    column = from_config(to_config(data.representation)).columns[0]
    low, high = (days - pd.Timestamp(1970, 1, 1)).dt.days.agg(["min", "max"])
    assert (column.low, column.high) == (low, high)
    assert column.numbers([f"{days[0]:{form}}"]) == [(days[0] - pd.Timestamp(1970, 1, 1)).days]
    found = sampled(data)
    read_again = column.numbers(found)
    assert low <= read_again.min() <= read_again.max() <= high


@case("times of day with AM and PM: `3/1/2024 1:05 PM`, `1:05 PM`", "times")
@pytest.mark.parametrize("form", ["%m/%d/%Y %I:%M %p", "%I:%M %p", "%I:%M:%S %p", "%d/%m/%Y %I:%M:%S %p"])
def test_times_of_half_a_day(form: str, tmp_path: Path) -> None:
    times = pd.date_range("2024-03-13", periods=N, freq="7h13min")
    data = read(tmp_path, [f"{time:{form}}".replace(" 0", " ") for time in times])
    assert data.representation.columns[0].format == form and "a (times from" in data.notes[0]
    sampled(data)
