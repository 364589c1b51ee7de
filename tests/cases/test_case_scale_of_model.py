"""Pictures for a model that is built: on the scale of its levels, or one line."""

import re
from typing import Any

import numpy as np
import pytest
import torch

import morphogen as mg
from morphogen.component import ConfigError
from morphogen.data import DataError
from morphogen.training.given import training_rows
from tests.cases import case

RNG = np.random.default_rng(0)
X = RNG.integers(0, 17, (60, 8, 8))
U = RNG.integers(0, 256, (60, 8, 8), dtype=np.uint8)
TENTH, HALF = U // 10, np.minimum(X, 8)


def built(data: Any) -> Any:
    return mg.build_system("vae", mg.load_data(data), size="tiny")


def sums(pictures: Any) -> list[float]:
    """One number per picture from 0 to 1, sorted, for rows in any order."""
    return sorted(np.asarray(pictures, dtype=float).reshape(len(pictures), -1).mean(1).round(5).tolist())


@case("`mg.train(model, x)` where `x` is dark, or lacks levels of the model", "read on the model's scale")
@pytest.mark.parametrize(
    ("data", "given", "unit"),
    [
        (X, np.minimum(X, 15), np.minimum(X, 15) / 16),
        (X, HALF, HALF / 16),
        (X, HALF.astype(np.float32), HALF / 16),
        (X, torch.tensor(HALF), HALF / 16),
        (X, list(HALF), HALF / 16),
        (X, HALF / 16, HALF / 16),
        (X, np.maximum(X, 8) / 8 - 1, np.maximum(X, 8) / 16),
        (X, X % 2 == 1, X % 2),
        (U, TENTH, TENTH / 255),
        (U, torch.tensor(TENTH), TENTH / 255),
        (U, TENTH / 255, TENTH / 255),
        (U, np.maximum(U, 128) / 127.5 - 1, np.maximum(U, 128) / 255),
        (U, U * np.uint16(257), U / 255),
        (U, U.astype(float), U / 255),
    ],
)
def test_pictures_are_read_on_the_scale_of_the_model(data: Any, given: Any, unit: Any) -> None:
    rows = training_rows(built(data), given)
    assert sums((rows.first().medium + 1) / 2) == pytest.approx(sums(unit), abs=1e-4)


@case("`mg.train(model, x)` where `x` has other levels than the model", "refused; what it says can be typed")
@pytest.mark.parametrize(
    ("data", "given", "message"),
    [
        (X, U, "uint8 from 0 to 255, where 17 levels are 0 to 16: give "),
        (X, U / 255, "from 0 to 1, between their 17 levels: give "),
        (X, U / 127.5 - 1, "from -1 to 1, between their 17 levels: give "),
        (X, X % 2, "int64 from 0 to 1, which can be 0 to 1 or 0 to 16: give (?=x )"),
        (U, X % 2, "int64 from 0 to 1, which can be 0 to 1 or 0 to 255: give (?=x )"),
    ],
)
def test_pictures_of_other_levels_are_refused(data: Any, given: Any, message: str) -> None:
    model = built(data)
    with pytest.raises(DataError, match=message) as error:
        training_rows(model, given)
    remedy = re.split(message, str(error.value))[1].split(" for black")[0]
    assert len(training_rows(model, eval(remedy, {"x": given}))) == len(given)  # noqa: S307
    with pytest.raises(ConfigError, match="256 levels, the model is for 17"):
        training_rows(built(X), mg.load_data(U))


@case("few levels of another size for `mg.train`", "refused: both scales are possible")
def test_few_levels_that_are_resized_have_no_known_scale() -> None:
    large = RNG.integers(0, 17, (20, 72, 72))
    model = built(large)
    with pytest.raises(DataError, match="from 0 to 16, and are resized: give x / 16 or x / 255"):
        training_rows(model, large)
    assert sums(training_rows(model, large / 16).first().medium)[-1] > -0.1
    assert sums(training_rows(model, large / 255).first().medium)[-1] < -0.8


@case("dark bytes for `load_data` or `mg.data.resized`", "`levels=256` reads them as bytes")
def test_levels_can_be_given() -> None:
    assert mg.load_data(TENTH, levels=256).representation.levels == 256
    assert sums(mg.data.resized(TENTH, 8, levels=256)) == pytest.approx(sums(TENTH / 127.5 - 1), abs=1e-4)
    with pytest.raises(ConfigError, match=r"resized\(x, 8\), with levels=256 if they are 0 to 255"):
        built(U).log_prob(TENTH.repeat(2, 1).repeat(2, 2))
    with pytest.raises(DataError, match="levels=1: give the number of values of a pixel, 2 to 256"):
        mg.load_data(TENTH, levels=1)
    with pytest.raises(DataError, match="has 17 levels, not 256; leave levels out"):
        mg.load_data("digits", levels=256)
