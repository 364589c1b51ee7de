"""Tables as a person has them: the class in its own column, and rows with the types of the data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.representations.tabular.number_text import read_numbers

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
N = 120
FRAME = pd.DataFrame(
    {
        "a": RNG.normal(size=N),
        "b": RNG.integers(0, 2, N) > 0,
        "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(RNG.integers(0, 40, N), unit="D"),
        "lasts": pd.to_timedelta(RNG.integers(0, 300, N), unit="s"),
        "city": RNG.choice(["Rome", "Oslo"], N, p=[0.8, 0.2]),
    }
)
ROWS = FRAME.drop(columns="city")


@pytest.fixture(scope="module")
def model() -> Any:
    data = mg.load_data(FRAME, condition="city")
    model = mg.build_system("table_mixture", data, size="tiny")
    mg.train(model, data, steps=20, device="cpu")
    return model


def test_log_prob_takes_the_class_of_the_frame(model: Any) -> None:
    by_hand = model.log_prob(ROWS, condition=list(FRAME["city"])).nats
    assert torch.equal(model.log_prob(FRAME).nats, by_hand)
    assert torch.equal(model.log_prob(FRAME.head(3).to_dict("records")).nats, by_hand[:3])
    for name in ("city", "label"):
        assert torch.equal(model.log_prob(ROWS, condition={name: list(FRAME["city"])}).nats, by_hand)
    assert not torch.equal(model.log_prob(FRAME, condition="Oslo").nats, by_hand)  # an argument comes first
    with pytest.raises(ConfigError, match="requires the condition 'label', which is missing"):
        model.log_prob(ROWS)


@pytest.mark.parametrize(
    ("frame", "line"),
    [
        (FRAME.assign(city="Bonn"), "no category 'Bonn'"),
        (FRAME.assign(city=FRAME["city"].where(FRAME.index != 2)), "column 'city' has no class in row 2"),
        (FRAME.assign(more=1), r"no column 'more': leave it out, df.drop\(columns=\['more'\]\)"),
    ],
)
def test_another_class_and_another_column_are_refused(frame: Any, line: str, model: Any) -> None:
    with pytest.raises(ValueError, match=line):
        model.log_prob(frame)


def test_a_condition_has_the_name_of_its_column(model: Any) -> None:
    assert set(model.sample(5, condition={"city": "Oslo"}).frame()["city"]) == {"Oslo"}
    with pytest.raises(ValueError, match="condition town: the model takes label"):
        model.sample(2, condition={"town": "Oslo"})


def test_a_row_is_what_the_frame_has(model: Any, tmp_path: Path) -> None:
    samples = model.sample(3)
    rows = samples.frame().to_dict("records")
    assert samples[1] == rows[1] and [*samples] == rows and samples.decode() == rows
    kinds = {name: type(value) for name, value in rows[0].items()}
    assert kinds == {"a": float, "b": bool, "when": pd.Timestamp, "lasts": pd.Timedelta, "city": str}
    samples.save(tmp_path)
    assert (pd.to_timedelta(pd.read_csv(tmp_path / "samples.csv")["lasts"]) == samples.frame()["lasts"]).all()
    assert pd.read_csv(tmp_path / "samples.csv")["lasts"].dtype.kind != "i"


def test_labels_have_the_name_and_the_order_of_their_series() -> None:
    towns = FRAME["city"].astype(pd.CategoricalDtype(["Rome", "Oslo"]))
    data, by_name = mg.load_data(ROWS, towns), mg.load_data(FRAME.assign(city=towns), condition="city")
    assert data.classes == by_name.classes == ("Rome", "Oslo")
    frame = mg.build_system("table_mixture", data, size="tiny").sample(4, condition={"city": "Rome"}).frame()
    assert [*frame] == [*FRAME] and [*frame["city"].cat.categories] == ["Rome", "Oslo"]
    assert (
        mg.load_data(ROWS, towns.rename("a")).representation.label.name == "label"
    )  # a column has that name
    assert mg.load_data(ROWS, list(towns)).representation.label.name == "label"
    parts = mg.load_data(ROWS, towns, test=(ROWS[:9], towns[:9]))
    assert parts.representation.label.name == "city"


WRITTEN = {
    "price": [f"{x:.2f}".replace(".", ",") for x in RNG.uniform(5, 30, N)],
    "rent": [f"{x:,.0f} €".replace(",", ".") for x in RNG.uniform(1000, 9000, N)],
    "share": [f"{x:.1f} %" for x in RNG.uniform(0, 99, N)],
    "day": [f"{d:02d}.03.2024" for d in RNG.integers(1, 29, N)],
}


def test_the_model_reads_what_load_data_read() -> None:
    """The text of numbers, of missing cells and of dates, and columns that samples do not have."""
    frame = pd.DataFrame({"id": [f"W{i:04d}" for i in range(N)], "n": RNG.integers(0, 9, N), **WRITTEN})
    frame.loc[2, "price"], frame.loc[3, "share"], frame.loc[4, "day"] = "n/a", "?", " NA "
    data = mg.load_data(frame)
    model = mg.build_system("table_mixture", data, size="tiny")
    medium = model.representation.check(frame)
    split = torch.cat([part.first().medium for part in (data.train, data.valid, data.test)])
    assert torch.equal(*(x.nan_to_num(-1).sort(0).values for x in (medium, split)))
    assert medium.isnan().nonzero().tolist() == [[2, 1], [3, 3], [4, 4]]
    assert (
        model.log_prob(frame).nats.isfinite().all() and model.log_prob(frame.to_dict("records")).nats[9] < 0
    )
    filled = mg.impute(model, frame)
    assert filled["id"].equals(frame["id"]) and filled["rent"].equals(frame["rent"])
    assert filled["share"].dtype == float and filled["share"][0] == float(frame["share"][0].split()[0])
    read = model.representation.source.read(filled)
    assert not read.isnan().any() and torch.equal(read[5:], medium[5:])
    with pytest.raises(ConfigError, match=r"column 'price' is not of numbers \('dear'\): write them as the"):
        model.log_prob(frame.assign(price="dear"))


@pytest.mark.parametrize(
    ("cells", "low", "high", "values"),
    [
        (["1,234", "2,5"], 0, 9, [1.234, 2.5]),
        (["1,234", None], 0, 9, [1.234, np.nan]),
        (["1,234", "2,345"], 1000, 9000, [1234, 2345]),
        (["1.234", "2.345"], 1000, 9000, [1234, 2345]),
        (["1.234"], 1e6, 2e6, [1.234]),  # neither is in the range: a point
        (["1.234,50 €", "$7,25"], 0, 1, [1234.5, 7.25]),
    ],
)
def test_the_decimal_mark_is_the_one_that_fits_the_range(cells, low, high, values) -> None:
    np.testing.assert_array_equal(read_numbers(cells, low, high), values)
    with pytest.raises(ValueError, match=r"'1,5\.2'"):
        read_numbers([*cells, "1,5.2"], low, high)
