"""One-hot labels, decimal commas, and pictures of another size: read, or refused with a remedy that works."""

import re

import numpy as np
import pandas as pd
import pytest

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.data import DataError

from . import case

pytestmark = pytest.mark.usefixtures("untyped")
RNG = np.random.default_rng(0)
X, Y = RNG.integers(0, 256, (60, 28, 28), dtype=np.uint8), np.array(["cat", "dog", "emu"] * 20)


@case("labels as the frame of `pd.get_dummies`", "the classes are its columns")
def test_the_frame_of_get_dummies_is_labels() -> None:
    dummies = pd.get_dummies(Y)
    expected = mg.load_data(X, Y)
    for labels in (dummies, dummies.astype(int), dummies.astype(float)):
        assert mg.load_data(X, labels).sha256 == expected.sha256
    for wrong in (dummies | dummies.shift(1, fill_value=False), dummies.astype(int) * 2):
        with pytest.raises(DataError, match=r"labels have 3 columns: give one, such as y\['cat'\]"):
            mg.load_data(X, wrong)


@case("a given cell with a decimal comma: `1,5`", "the number 1.5")
def test_a_given_cell_may_have_a_decimal_comma() -> None:
    data = mg.load_data(pd.DataFrame({"a": RNG.integers(0, 9, 60) / 2, "k": ["x", "y"] * 30}))
    model = mg.build_system("table_mixture", data, size="tiny")
    expected = model.sample(3, {"cells": {"a": 1.5}})
    for given in ("a=1,5", {"cells": {"a": "1,5"}}, "a=1.5"):
        assert model.sample(3, given).tensor.equal(expected.tensor)
    with pytest.raises(ConfigError, match="column 'a': '1,5 kg' is not one of its values, 0"):
        model.sample(3, "a=1,5 kg")
    with pytest.raises(ConfigError, match=r"1\.7 is outside") as error:
        model.sample(3, {"cells": {"a": 1.7}})
    assert "other cell" not in str(error.value)
    with pytest.raises(ConfigError, match=r"\(and 1 other cell\)"):
        model.sample(2, {"cells": [{"a": 1.7}, {"a": 1.6}]})


@case("`log_prob` of pictures of another size", "one line with `mg.data.resized(x, ...)`")
def test_pictures_of_another_size_are_refused_with_how_to_resize_them() -> None:
    model = mg.build_system("vae", mg.load_data(X, resolution=16), size="tiny")
    with pytest.raises(ConfigError, match="resize them as its data were, ") as error:
        model.log_prob(X)
    code = re.search(r"mg\.data\.resized.*", str(error.value))
    assert code is not None
    resized = eval(code[0], {"mg": mg, "x": X})  # noqa: S307
    assert len(model.log_prob(resized).nats) == len(X), "every row is kept"
    loaded = mg.load_data(X, resolution=16)
    rows = {row.numpy().tobytes() for row in loaded.train.first().medium}
    assert rows <= {row.numpy().tobytes() for row in resized}
    assert mg.data.resized(X[::-1], 16).flip(0).equal(resized), "in their order"
