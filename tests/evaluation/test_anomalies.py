"""Anomalies: planted ones are ranked first, and p-values of ordinary rows are uniform."""

import numpy as np
import pandas as pd
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.data.dataset import Dataset
from morphogen.evaluation.anomalies import anomalies


def table(rows: int = 1200, seed: int = 0) -> pd.DataFrame:
    """Two numbers that differ by a tenth of a standard deviation, and a category."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=rows)
    b = a + 0.1 * rng.normal(size=rows)
    return pd.DataFrame(
        {"a": a.round(3), "b": b.round(3), "c": rng.choice([*"xyz"], rows, p=[0.5, 0.4, 0.1])}
    )


@pytest.fixture(scope="module")
def trained() -> tuple[mg.Model, Dataset]:
    data = mg.load_data(table())
    model = mg.build_system("table_mixture", data)
    mg.train(model, data.train, steps=12)
    return model, data


def test_planted_rows_are_first_and_cells_that_cannot_be_have_a_reason(
    trained: tuple[mg.Model, Dataset],
) -> None:
    model, data = trained
    new = table(40, seed=1).astype({"c": object})
    new.loc[3, ["a", "b"]] = [1.0, -1.0]  # each number is ordinary
    new.loc[7, "c"] = "w"
    new.loc[9, "a"] = 99
    new.loc[11, "b"] = None
    found = anomalies(model, new, data.test)
    assert {*found.order[:3].tolist()} == {7, 9, 11} and found.order[3] == 3
    assert [bool(words) for words in found.beyond] == [i in (7, 9, 11) for i in range(40)]
    assert found.beyond[7] == "c: w is new" and found.beyond[11] == "b: missing"
    assert found.beyond[9].startswith("a: 99.0 is outside of ")
    assert found.surprise.isinf().nonzero().flatten().tolist() == [7, 9, 11]
    ordinary = [i for i in range(40) if i not in (3, 7, 9, 11)]
    assert found.surprise[3] > 2 * found.surprise[ordinary].max()
    assert (found.p_value[[3, 7, 9, 11]] == 1 / (1 + len(data.test))).all()


def test_rows_with_more_impossible_cells_are_first_whatever_is_written_in_them(
    trained: tuple[mg.Model, Dataset],
) -> None:
    new = table(10, seed=1).astype({"c": object})
    new.loc[4, "c"] = "a: b: c: d"
    new.loc[6, ["a", "c"]] = [99, "w"]
    assert anomalies(trained[0], new).order[:2].tolist() == [6, 4]


def test_ordinary_rows_are_called_rare_as_often_as_the_p_value_says(
    trained: tuple[mg.Model, Dataset],
) -> None:
    """P(p <= alpha) <= alpha, and not far below it.

    4,000 fresh rows, seed 2, against 400 typical ones, seed 3: the share of p <= alpha has a standard error
    of sqrt(alpha (1 - alpha) / 400), since the typical rows are shared; 4 of them to both sides.
    """
    model, _ = trained
    found = anomalies(model, _cut(table(4000, seed=2)), _cut(table(400, seed=3)))
    for alpha in (0.05, 0.2, 0.5):
        share = (found.p_value <= alpha).double().mean().item()
        assert abs(share - alpha) <= 4 * (alpha * (1 - alpha) / 400) ** 0.5


def test_without_typical_rows_there_is_no_p_value(trained: tuple[mg.Model, Dataset]) -> None:
    model, data = trained
    found = anomalies(model, data.test.first(20).medium)
    assert found.p_value.isnan().all() and not any(found.beyond)
    nats = model.log_prob(data.test.first(20).medium).nats
    assert torch.equal(found.order, nats.argsort(stable=True))


def test_pictures_with_labels_and_a_row_of_a_column_of_classes() -> None:
    digits = mg.load_data("digits")
    model = mg.build_system("mixture", digits, size="tiny")
    mg.train(model, digits.train, steps=3)
    batch = digits.test.first(30)
    negative = -batch.medium
    both = torch.cat([batch.medium, negative])
    labels = {"label": batch.condition["label"].repeat(2)}
    found = anomalies(model, both, digits.valid, labels)
    assert (found.order[:30] >= 30).float().mean() > 0.9
    frame = table(200).rename(columns={"c": "class"})
    data = mg.load_data(frame, condition="class")
    mixture = mg.build_system("table_mixture", data, size="tiny")
    mg.train(mixture, data.train, steps=3)
    new = frame.iloc[:20].astype({"class": object})
    new.loc[5, "class"] = "other"
    assert anomalies(mixture, new, data.test).beyond[5] == "class: other is new"


def test_what_cannot_be_ranked_is_one_line(trained: tuple[mg.Model, Dataset]) -> None:
    model, data = trained
    with pytest.raises(ConfigError, match=r"give one of them, such as data\.test"):
        anomalies(model, data)
    gan = mg.build_system("table_gan", data, size="tiny")
    with pytest.raises(Unsupported, match="has no likelihood"):
        anomalies(gan, data.test)
    with pytest.raises(ConfigError, match="has no column 'b'"):
        anomalies(model, table(5).drop(columns="b"))


def _cut(frame: pd.DataFrame) -> pd.DataFrame:
    """The rows within the range of the training rows."""
    return frame[frame[["a", "b"]].abs().max(axis=1) < 2.5]
