"""`quality` says what its features do not see, as the report does, and shows a table."""

import numpy as np
import pytest

import morphogen as mg
from morphogen.evaluation.quality import MEASURES, Quality
from morphogen.evaluation.sight import sight
from morphogen.report.caveats import caveats

RNG = np.random.default_rng(0)


@pytest.fixture(scope="module")
def noise() -> mg.data.Dataset:
    """Sounds of noise, which no feature can tell from noise."""
    return mg.load_data(RNG.uniform(-0.5, 0.5, (160, 1200)), rate=8000, length=512)


def test_the_caution_is_that_of_the_report(noise: mg.data.Dataset) -> None:
    features = mg.metrics.features_for(noise)
    found = mg.metrics.quality(noise.test.first(20).medium, noise, features)
    sentences = caveats([], {"sight": sight(features, noise)})
    assert sentences == [found["caution"]] and "cannot tell real data from" in found["caution"]
    assert repr(found).endswith(found["caution"])


def test_the_repr_is_a_table() -> None:
    figure = {"value": 0.25, "low": 0.125, "high": 0.5, "n": 20, "provenance": {"seed": 0}}
    few = "n = 20 is below 100: too few"
    found = Quality(
        dict.fromkeys(MEASURES)
        | {"kid": figure, "withheld": {"frechet": few, "precision": few}, "caution": ""}
    )
    lines = repr(found).splitlines()
    assert [line.split() for line in lines[:2]] == [
        ["value", "95", "%", "interval", "n"],
        ["kid", "0.25", "[0.125,", "0.5]", "20"],
    ]
    assert lines[2:] == [f"not given: frechet, precision: {few}"]
    assert isinstance(found, dict) and dict(found)["kid"]["value"] == 0.25
