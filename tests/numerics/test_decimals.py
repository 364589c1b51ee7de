"""Narrow floats are read by their shortest decimals, so that a table is the same in any container."""

import numpy as np
import pandas as pd
import pytest
import torch

from morphogen.data import load_data
from morphogen.numerics.decimals import double_of, shortest_decimals


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64"])
def test_a_float_is_its_shortest_decimal(dtype: str) -> None:
    values = np.array([[0.1, -2.3], [np.nan, np.inf]], dtype)
    want = np.array([[0.1, -2.3], [np.nan, np.inf]])
    np.testing.assert_array_equal(shortest_decimals(values), want)
    np.testing.assert_array_equal(double_of(torch.from_numpy(values)).numpy(), want)


def test_rows_of_float32_are_those_of_the_data_in_any_container() -> None:
    x = np.random.default_rng(0).normal(size=(300, 2)).astype("float32")
    x[::3, 0] = 0.1  # an atom: a value with an interval of its own
    data = load_data(x)
    table, frame = data.representation, pd.DataFrame(x, columns=["column1", "column2"])
    want = table.check(frame)
    assert table.support.contains(want).all()
    for given in (x, torch.from_numpy(x), [list(row) for row in x]):
        assert table.check(given).equal(want)
