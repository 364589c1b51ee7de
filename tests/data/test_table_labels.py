"""Labels beside the rows of a table: samples have them as they were given."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch

from morphogen.data import load_data
from morphogen.data.dataset import DataError

X = np.random.default_rng(0).normal(size=(90, 2))
Y = np.arange(90) % 3 * 5


@pytest.mark.parametrize(
    ("labels", "dtype", "values"),
    [
        (Y, "int64", [0, 5, 10]),
        (Y.astype("uint8"), "uint8", [0, 5, 10]),
        (Y.tolist(), "int64", [0, 5, 10]),
        (Y[:, None], "int64", [0, 5, 10]),
        (torch.from_numpy(Y), "int64", [0, 5, 10]),
        ([torch.tensor(y) for y in Y], "int64", [0, 5, 10]),
        (Y.astype(object), "object", [0, 5, 10]),
        (Y / 4 + 0.25, "float64", [0.25, 1.5, 2.75]),
        (Y > 5, "bool", [False, True]),
        (["b" if y else "a" for y in Y], "str", ["a", "b"]),
        (pd.Categorical(Y, [10, 5, 0], ordered=True), "category", [10, 5, 0]),
    ],
)
def test_samples_have_the_labels_that_were_given(labels: Any, dtype: str, values: list[Any]) -> None:
    data = load_data(X, labels)
    classes = torch.arange(len(data.classes))
    frame = data.representation.frame(data.train.first(len(classes)).medium, classes)
    assert str(frame["label"].dtype) == dtype
    assert frame["label"].tolist() == values and list(data.classes) == [str(value) for value in values]


def test_one_hot_labels_are_refused() -> None:
    with pytest.raises(DataError, match=r"labels have shape \[90, 3\]; .*labels.argmax\(1\)"):
        load_data(X, np.eye(3)[Y // 5])
