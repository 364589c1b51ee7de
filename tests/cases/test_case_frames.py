"""DataFrames and records in a notebook."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from PIL import Image

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.data.containers import unpack
from morphogen.training.given import training_rows
from tests.cases import case
from tests.cases.test_case_memory import BYTES, LEVELS, PIL, X, Y, every, pictures, refused

N = 300
PLACES = np.random.default_rng(0).integers(0, 50, N)
NORMAL = np.random.default_rng(1).normal(size=N)


GRIDS = [
    (
        pd.Series(
            (pd.Timestamp("2020-03-01") + pd.to_timedelta(PLACES, unit="D")).tz_localize("Europe/Oslo")
        ),
        lambda cells: (cells == cells.dt.normalize()).all(),
        "dates from 2020-03-01 to 2020-04-19, time zone Europe/Oslo",
    ),
    (
        pd.Series(pd.Timestamp("2020-10-01 08:05") + pd.to_timedelta(15 * PLACES, unit="min")),
        lambda cells: (cells.dt.minute % 15 == 5).all(),
        "times from 2020-10-01 08:05 to 2020-10-01 20:20 every 15 minutes",
    ),
    (
        pd.Series(pd.Timestamp("2020-10-05") + pd.to_timedelta(7 * PLACES, unit="D")),
        lambda cells: (cells.dt.weekday == 0).all(),
        "every 7 days",
    ),
    (
        pd.Series(pd.to_timedelta(PLACES, unit="h")),
        lambda cells: (cells % pd.Timedelta("1h") == pd.Timedelta(0)).all(),
        "durations every hour",
    ),
    (pd.Series(PLACES * 25), lambda cells: (cells % 25 == 0).all(), "multiples of 25"),
    (pd.Series(PLACES * 5 + 3), lambda cells: (cells % 5 == 3).all(), "in steps of 5 from 3"),
    (pd.Series(PLACES * 0.25), lambda cells: (cells % 0.25 == 0).all(), "multiples of 0.25"),
    (pd.Series(PLACES * 300.0), lambda cells: (cells % 300 == 0).all(), "multiples of 300"),
]


@case(
    "days at midnight of a time zone; every 15 minutes; 25 g, 50 g, 75 g; 5, 10, 15; whole hours",
    "samples on this grid, which the note names, with the zone",
)
@pytest.mark.parametrize(("column", "is_on_grid", "note"), GRIDS)
def test_grids(column: pd.Series, is_on_grid: Callable[[pd.Series], bool], note: str) -> None:
    df = pd.DataFrame({"c": column, "x": NORMAL})
    data = mg.load_data(df)
    assert f"{note})" in data.notes[0] or f"{note}," in data.notes[0]
    assert is_on_grid(column)
    model = mg.build_system("table_mixture", data, size="tiny")
    frame = model.sample(200, seed=0).frame()
    assert is_on_grid(frame["c"]) and frame["c"].between(column.min(), column.max()).all()
    for given in (df, frame):
        assert model.log_prob(given).nats.isfinite().all()


@case("hours of a time zone over the night when its clocks are set back", "read in UTC, with a note")
def test_an_hour_that_clocks_show_twice() -> None:
    hours = pd.date_range("2020-10-24", periods=60, freq="h", tz="Europe/Oslo")
    df = pd.DataFrame({"h": hours[PLACES], "x": NORMAL})
    data = mg.load_data(df)
    assert any("Europe/Oslo sets its clocks back within the data, so" in note for note in data.notes)
    rows = data.representation.frame(every(data))
    assert {*rows["h"]} == {*df["h"]} and rows["h"].dtype == df["h"].dtype


@case("a list of records, or a DataFrame, with a column of pictures", "pictures, with labels and captions")
@pytest.mark.parametrize("images", [list(X), PIL, [torch.tensor(x) for x in X]])
@pytest.mark.parametrize("container", [list, pd.DataFrame])
def test_records_of_pictures(images: list[Any], container: Any) -> None:
    rows = [
        {"image": image, "label": int(label), "text": f"the digit {label}"}
        for image, label in zip(images, Y, strict=True)
    ]
    data = mg.load_data(container(rows))
    assert data.medium == "pictures" and data.classes == ("0", "1", "2")
    assert unpack(container(rows)).captions == [row["text"] for row in rows]
    want = BYTES if images is not PIL else pictures(mg.load_data(PIL))
    assert pictures(data) == want
    refused(
        lambda: mg.load_data(container([*rows, {"image": None, "label": 1, "text": ""}])),
        "column 'image' holds pictures, and row 60 has (None|nan): remove such rows",
    )
    refused(
        lambda: mg.load_data(container([row | {"mask": row["image"]} for row in rows])),
        "columns 'image' and 'mask' hold pictures: give one of them",
    )


@case("a DataFrame whose columns are numbers, or have two levels", "read, by their written names")
@pytest.mark.parametrize("names", [[0, 1], [("a", "b"), ("a", "c")], ["x", 1.5]])
def test_names_of_columns_that_are_no_text(names: list[Any]) -> None:
    columns = pd.MultiIndex.from_tuples(names) if isinstance(names[0], tuple) else names
    data = mg.load_data(pd.DataFrame(np.random.default_rng(0).normal(size=(60, 2)), columns=columns))
    want = [" ".join(map(str, name if isinstance(name, tuple) else [name])) for name in names]
    assert [column.name for column in data.representation.columns] == want
    mg.load_data({names[0]: NORMAL, names[1]: NORMAL + 1})


@case("one picture, `load_data(X[0])`", "refused: pictures are `[N, H, W]`, a table is a DataFrame")
def test_a_single_picture() -> None:
    refused(
        lambda: mg.load_data(LEVELS[0].astype(float)),
        r"data of shape \[8, 8\] are one picture, or a table of 8 rows: give pictures \[N, height, width\]",
    )
    square = pd.DataFrame(np.random.default_rng(0).normal(size=(8, 8)))
    assert mg.load_data(square).medium == "table"


@case("`mg.check_model(model, data.train.first(1))`", "refused: at least 8 rows")
def test_laws_of_one_row() -> None:
    data = mg.load_data(pd.DataFrame({"a": NORMAL, "b": PLACES}))
    model = mg.build_system("table_mixture", data, size="tiny")
    refused(lambda: mg.check_model(model, data.train.first(1)), r"batch has 1 rows: give at least 8, such as")


def test_pictures_are_not_tables() -> None:
    """A column of pictures of several sizes is one of pictures too."""
    images = [Image.fromarray(np.resize(x, (8 + i % 2, 8))) for i, x in enumerate(X)]
    data = mg.load_data([{"image": np.asarray(image), "label": i % 2} for i, image in enumerate(images)])
    assert data.medium == "pictures" and data.classes == ("0", "1")


@case(
    "`log_prob` and `impute` of times with a time zone by a model of times without one, or the reverse",
    "one line with the conversion; UTC is as it was",
)
@pytest.mark.usefixtures("untyped")
def test_times_of_another_zone() -> None:
    dates = pd.date_range("2024-01-01", periods=40)
    numbers = np.random.default_rng(0).integers(0, 9, 40)
    naive, utc, berlin = (
        pd.DataFrame({"d": days, "v": numbers})
        for days in (dates, dates.tz_localize("UTC"), dates.tz_localize("Europe/Berlin"))
    )
    model, zoned = (mg.build_system("table_mixture", mg.load_data(df), size="tiny") for df in (naive, berlin))
    expected = model.log_prob(naive).nats
    assert expected.isfinite().all() and model.log_prob(utc).nats.equal(expected)
    for one, df, right in ((model, berlin, naive), (zoned, naive, berlin)):
        for call in (one.log_prob, lambda given, one=one: mg.impute(one, given)):
            for given in (df, df.astype({"d": object})):
                with pytest.raises(
                    ConfigError, match=r"^column 'd' has times of .*: write pd.to_datetime"
                ) as error:
                    call(given)
                cells = eval(str(error.value).partition("write ")[2], {"pd": pd, "df": given})  # noqa: S307
                assert one.log_prob(given.assign(d=cells)).nats.equal(one.log_prob(right).nats)


def test_text_with_offsets_is_of_utc() -> None:
    dates = pd.date_range("2024-01-01", periods=40, tz="Europe/Berlin")
    texts = pd.DataFrame({"d": dates.strftime("%Y-%m-%dT%H:%M:%S%z"), "v": np.arange(40) % 7})
    model = mg.build_system("table_mixture", mg.load_data(texts), size="tiny")
    assert model.log_prob(texts.assign(d=dates)).nats.equal(model.log_prob(texts).nats)


@case("a table of pyarrow, or the DataFrame of another library with `to_pandas`", "the same table")
@pytest.mark.usefixtures("untyped")
def test_a_table_of_pyarrow() -> None:
    frame = pd.DataFrame({"a": np.random.default_rng(0).normal(size=60), "k": list("xyz") * 20})
    table = pytest.importorskip("pyarrow").Table.from_pandas(frame)
    data, expected = mg.load_data(table, condition="k"), mg.load_data(frame, condition="k")
    assert data.train.values.equal(expected.train.values) and data.classes == expected.classes
    model = mg.build_system("table_mixture", expected, size="tiny")
    assert model.log_prob(table).nats.equal(model.log_prob(frame).nats)
    assert len(training_rows(model, table)) == 60 and mg.impute(model, table).equals(frame)
