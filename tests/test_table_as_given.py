"""Tables as a person has them: the class in its own column, and rows with the types of the data."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg

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
    assert not torch.equal(model.log_prob(ROWS).nats, by_hand)


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
