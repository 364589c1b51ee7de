"""A column of 300 words with missing cells: masses sum to 1, samples have its words, given ones are kept."""

import numpy as np
import pandas as pd
import pytest
import torch

from morphogen.catalogue import build_system
from morphogen.component import ConfigError
from morphogen.data import load_data
from morphogen.training.loop import train

COUNT, N = 300, 3600
RNG = np.random.default_rng(0)
WORD = RNG.integers(0, COUNT, N)
FRAME = pd.DataFrame(
    {
        "city": [f"city{i}" for i in WORD],
        "side": np.where(RNG.random(N) < 0.9, WORD % 2, 1 - WORD % 2).astype(str),
        "x": RNG.normal(size=N) + 4 * (WORD % 2),
    }
)
FRAME["side"] = FRAME["side"].replace({"0": "east", "1": "west"})
FRAME.loc[RNG.random(N) < 0.1, "city"] = None


@pytest.fixture(scope="module")
def models():
    """Each system, of the words alone where masses are summed, and with the numbers."""
    built = {}
    for name, columns, steps in (
        ("table_transformer", ["city", "side"], 120),
        ("table_mixture", ["city", "side"], 12),
        ("table_flow", ["city", "side", "x"], 20),
        ("table_vae", ["city", "side", "x"], 20),
        ("table_gan", ["city", "side", "x"], 20),
    ):
        data = load_data(FRAME[columns])
        torch.manual_seed(0)
        built[name] = build_system(name, data.representation, data.conditions, "tiny")
        train(built[name], data.train, steps=steps)
    return built


@pytest.mark.parametrize("name", ["table_transformer", "table_mixture"])
def test_masses_of_many_words_sum_to_one(models, name):
    values = [*map(float, range(COUNT)), torch.nan]
    rows = torch.tensor([[city, side] for city in values for side in (0.0, 1.0)], dtype=torch.float64)
    likelihood = models[name].log_prob(rows)
    assert likelihood.measure == "mass"
    assert likelihood.nats.double().exp().sum().item() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize(
    "name", ["table_transformer", "table_mixture", "table_flow", "table_vae", "table_gan"]
)
def test_samples_have_the_words_and_their_missing_cells(models, name):
    """5000 rows, seed 0: 10 % of the cells are missing (95 % within 9 to 11), and nearly all words occur."""
    drawn = models[name].sample(5000, seed=0).frame()
    assert list(drawn)[:2] == ["city", "side"]
    assert 0.08 < drawn["city"].isna().mean() < 0.12
    assert set(drawn["city"].dropna()) <= set(FRAME["city"].dropna())
    assert drawn["city"].nunique() > 0.95 * COUNT


def test_the_transformer_learns_what_goes_with_each_word(models):
    """1000 rows of an eastern and of a western city, seed 0: more than 70 % have its side (data: 90 %)."""
    for city, side in (("city8", "east"), ("city9", "west")):
        drawn = models["table_transformer"].sample(1000, {"cells": {"city": city}}, seed=0).frame()
        assert drawn["city"].eq(city).all()
        assert drawn["side"].eq(side).mean() > 0.7


def test_an_unknown_word_is_refused_in_one_line(models):
    with pytest.raises(ConfigError, match="has no category 'city300'; did you mean") as error:
        models["table_transformer"].sample(1, {"cells": {"city": "city300"}})
    assert "\n" not in str(error.value) and str(error.value).endswith("and 250 more")
