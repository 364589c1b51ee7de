"""Every dtype of pandas: samples have it, with values of the data, and the model reads its own samples."""

import re
import uuid
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

import morphogen as mg
from morphogen.component import from_config, to_config
from morphogen.representations.tabular import CategoryColumn, RealColumn

N = 120
PLACES = np.random.default_rng(0).integers(0, 6, N)
NORMAL = np.random.default_rng(1).normal(size=N)
DAYS = pd.Series(pd.to_datetime("2020-01-29") + pd.to_timedelta(PLACES, unit="D"))
HOURS = pd.Series(pd.to_timedelta(PLACES * 3, unit="h"))
UNITS = ("s", "ms", "us", "ns")
INTERVALS = pd.arrays.IntervalArray.from_breaks(range(7))


def of(cells: list[Any], dtype: Any = object, missing: bool = True) -> pd.Series:
    """A column with these cells in turn, one in six of them missing."""
    chosen = [None if missing and place == 5 else cells[place % len(cells)] for place in PLACES]
    return pd.Series(chosen, dtype=dtype)


def full(cells: list[Any], dtype: Any = object) -> pd.Series:
    return of(cells, dtype, missing=False)


def categories(cells: list[Any], ordered: bool = False) -> pd.Series:
    return of(cells[:2], pd.CategoricalDtype(cells, ordered))


NUMBERS = {
    name: full([1, 5, 8], name)
    for name in ("int8", "uint8", "int64", "UInt16", "Int64", "int32[pyarrow]", "Sparse[int64, 0]")
}
NUMBERS |= {
    name: full([0.1, 0.25, 3.7], name)
    for name in ("float16", "float32", "float64", "Float32", "Float64", "double[pyarrow]", "Sparse[float64]")
}
NUMBERS |= {
    f"{name} with missing cells": of([1, 5, 8], name) for name in ("Int64", "int64[pyarrow]", "float64")
}
NUMBERS |= {f"real {name}": pd.Series(NORMAL.astype(name)) for name in ("float16", "float32", "float64")}
NUMBERS |= {
    "decimal128": full([Decimal("18.05"), Decimal("18.30")]).astype(pd.ArrowDtype(pa.decimal128(7, 2))),
    "beyond float64": full([2**63 + 1, 2**63 + 2, 3], "uint64"),
}
OBJECTS = {
    "bools": full([True, False, None]),
    "integers": of([1, 5, 8]),
    "floats": of([1.5, 2.5, 4]),
    "several types": of([1, "a", 2.5, True, date(2020, 1, 1)]),
    "Decimals": of([Decimal("18.05"), Decimal("18.30"), Decimal(19)]),
    "hours": of([time(2), time(3, 15), time(23, 45)]),
    "seconds": of([time(2, 0, 1), time(3, 15), time(23, 45)]),
    "dates": of([date(2020, 1, 1), date(2020, 2, 9)]),
    "datetimes": of([datetime(2020, 1, 1, 5), datetime(2020, 2, 9)]),
    "datetimes in UTC": of([datetime(2020, 1, day, 5, tzinfo=UTC) for day in (1, 2, 9)]),
    "durations": of([timedelta(hours=1), timedelta(hours=4)]),
    "periods": of([pd.Period("2020-01"), pd.Period("2020-05")]),
    "intervals": of([pd.Interval(0, 1), pd.Interval(1, 2.5)]),
    "words": of(["a", "b"]),
}
TIMES = {f"datetime64[{unit}]": DAYS.astype(f"datetime64[{unit}]") for unit in UNITS}
TIMES |= {zone: DAYS.dt.tz_localize(zone) for zone in ("UTC", "Europe/Oslo", "Asia/Kolkata", "UTC+05:00")}
TIMES |= {f"timedelta64[{unit}]": HOURS.astype(f"timedelta64[{unit}]") for unit in UNITS}
TIMES |= {f"period[{frequency}]": DAYS.dt.to_period(frequency) for frequency in ("D", "W-SUN", "M", "h")}
TIMES |= {
    "datetime64 with missing cells": DAYS.where(PLACES > 0),
    "a zone with missing cells": DAYS.dt.tz_localize("America/New_York").where(PLACES > 0),
    "durations with missing cells": HOURS.where(PLACES > 0),
    "periods with missing cells": of([pd.Period("2020-01"), pd.Period("2021-05")], "period[M]"),
    "duration[us][pyarrow]": HOURS.astype("duration[us][pyarrow]"),
    "timestamp[pyarrow]": DAYS.dt.tz_localize("Europe/Oslo").astype("timestamp[us, tz=Europe/Oslo][pyarrow]"),
    "time64[us][pyarrow]": of([time(2), time(3, 15)], "time64[us][pyarrow]"),
    "date32[day][pyarrow]": of([date(2020, 1, 1), date(2020, 2, 9)], "date32[day][pyarrow]"),
}
WORDS = {name: of(["a", "ü b"], name) for name in ("str", "string", "string[python]")}
WORDS |= {"pyarrow's string": of(["a", "ü b"], pd.ArrowDtype(pa.string()))}
TIMES |= {"dates as text": of(["2020-01-05", "2020-02-09"], pd.ArrowDtype(pa.string()))}
WORDS |= {
    "bool": full([True, False], "bool"),
    "boolean": of([True, False], "boolean"),
    "bool[pyarrow]": of([True, False], "bool[pyarrow]"),
    "interval": pd.Series(INTERVALS.take(PLACES)),
    "pd.cut": pd.cut(pd.Series(NORMAL), 4),
    "pd.cut of dates": pd.cut(DAYS, 3),
    "ordered categories": categories(["lo", "hi", "highest"], ordered=True),
    "category of float32": full([0.1, 2.5], pd.CategoricalDtype(pd.Index([0.1, 2.5], dtype="float32"))),
    "category of zoned times": DAYS.dt.tz_localize("Europe/Oslo").astype("category"),
}
WORDS |= {
    f"category of {type(cells[0]).__name__} such as {cells[0]!r}": categories(cells)
    for cells in (
        ["c", "a", "b"],
        [" a", "b ", "a"],
        [3, 1, 2],
        [0.1, 2.5],
        [True, False],
        [pd.Timestamp("2020-01-01 05:00"), pd.Timestamp("2020-01-02")],
        [pd.Timedelta("1h"), pd.Timedelta("1ns")],
        [pd.Period("2020-01", "M"), pd.Period("2020-02", "M"), pd.Period("2020-05", "M")],
        [time(2), time(3)],
        [Decimal("1.50"), Decimal(2)],
        [b"a", b"b"],
    )
}
COLUMNS = NUMBERS | {f"object of {name}": column for name, column in OBJECTS.items()} | TIMES | WORDS


def frame_of(column: pd.Series) -> pd.DataFrame:
    return pd.DataFrame({"x": NORMAL, "c": column})


@pytest.mark.parametrize("name", COLUMNS)
def test_samples_have_the_dtype_and_the_model_reads_them(name: str) -> None:
    df = frame_of(COLUMNS[name])
    data = mg.load_data(df)
    table = from_config(to_config(data.representation))
    assert [column.name for column in table.columns] == ["x", "c"], data.notes
    model = mg.build_system("table_mixture", data, size="tiny")
    frame, rows = model.sample(40, seed=0).frame(), table.frame(data.train.first().medium)
    assert frame.dtypes.equals(df.dtypes) and rows.dtypes.equals(df.dtypes)
    known = df["c"].dropna().tolist()
    assert isinstance(table.columns[1], RealColumn) == name.startswith("real ")
    if not isinstance(table.columns[1], RealColumn):
        assert all(cell in known for cell in rows["c"].dropna())
    if isinstance(table.columns[1], CategoryColumn):
        assert all(cell in known for cell in frame["c"].dropna())
    kinds = tuple({*map(type, known)})
    assert all(isinstance(cell, kinds) for cell in frame["c"].dropna().tolist())
    for given in (df, frame):
        assert model.log_prob(given).nats.isfinite().all()
    filled = mg.impute(model, frame.assign(x=np.nan))
    assert filled["x"].notna().all() and filled.dtypes.equals(df.dtypes)
    kept = frame["c"].notna()
    assert filled["c"].notna().all() and filled["c"][kept].equals(frame["c"][kept])
    cell = frame["c"].dropna().iloc[0]
    given = model.sample(3, condition={"cells": {"c": cell}}, seed=0).frame()
    assert [*given["c"]] == [cell] * 3


@pytest.mark.parametrize(
    "name", ["int64", "interval", "Europe/Oslo", "timedelta64[us]", "period[M]", "object of bools", "pd.cut"]
)
def test_classes_have_the_dtype(name: str) -> None:
    df = frame_of(COLUMNS[name]).dropna()
    data = mg.load_data(df, condition="c")
    batch = data.train.first()
    frame = from_config(to_config(data.representation)).frame(batch.medium, batch.condition["label"])
    assert frame.dtypes.equals(df[frame.columns].dtypes)
    assert {*frame["c"]} == {*df["c"]}


@pytest.mark.parametrize(
    ("column", "note"),
    [
        (
            of([uuid.UUID(int=1), uuid.UUID(int=2)]),
            "cells of type UUID, such as 00000000-.*, are text in samples",
        ),
        (of([[1, 2], [3]]), r"cells of type list, such as \[.*\], are text in samples"),
        (of([1, "1", "b"]), "1 and '1' are one category"),
        (
            DAYS.astype("datetime64[ns]") + pd.to_timedelta(PLACES, unit="ns"),
            "times are read to the microsecond",
        ),
    ],
)
def test_what_is_not_given_back_is_in_a_note(column: pd.Series, note: str) -> None:
    data = mg.load_data(frame_of(column))
    assert any(re.search(f"^column 'c': {note}$", line) for line in data.notes), data.notes
