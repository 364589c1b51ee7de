"""Modes of columns: the code is exact, for outliers and atoms too, and the modes are those of the data."""

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch

from morphogen.component import from_config, to_config
from morphogen.data import load_data
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular import ModeSpecific, RealColumn, modes
from morphogen.representations.tabular.modes import NumberBlock

N = 2000
RNG = np.random.default_rng(0)
SIDE = RNG.random(N) < 0.3
FRAME = pd.DataFrame(
    {
        "two": np.where(SIDE, RNG.normal(-5, 0.5, N), RNG.normal(5, 1, N)),
        "outlier": np.append(RNG.normal(size=N - 1), 300.0),
        "atom": np.where(RNG.random(N) < 0.4, 0.0, RNG.gamma(2.0, 3.0, N)),
        "count": RNG.poisson(3, N),
        "word": np.where(SIDE, "left", "right"),
        "day": pd.to_datetime("2020-01-01") + pd.to_timedelta(RNG.integers(0, 900, N), "D"),
    }
)
FRAME.loc[RNG.random(N) < 0.1, ["word", "count"]] = None


@pytest.fixture(scope="module")
def data():
    return load_data(FRAME)


@pytest.fixture(scope="module")
def rows(data):
    return ModeSpecific(data.representation)


def test_decoding_inverts_encoding(data, rows):
    """Reals to six digits of a standard deviation, which is what is written; the others exactly."""
    for part in (data.train, data.test):
        medium = part.first().medium
        x = rows.encode(medium, Rng(0, len(medium))).x
        decoded = rows.decode(x)
        assert x[:, sum(rows.sizes) :].abs().max() <= 1
        assert torch.equal(decoded.isnan(), medium.isnan())
        assert torch.equal(decoded[:, 3:].nan_to_num(-1), medium[:, 3:].nan_to_num(-1))
        assert torch.equal(decoded[:, 2] == 0, medium[:, 2] == 0)
        assert torch.allclose(decoded[:, :3], medium[:, :3], atol=1e-5, rtol=0)


def test_blocks_are_one_hot_and_as_frequent_as_their_masses(data, rows):
    """All training rows, seed 0: each entry within 5 standard errors, or 3 rows, of its mass."""
    medium = data.train.first(N).medium
    blocks = rows.encode(medium, Rng(0, len(medium))).x[:, : sum(rows.sizes)]
    for block, masses in zip(blocks.split(rows.sizes, 1), rows.masses, strict=True):
        assert torch.equal(block.sum(1), torch.ones(len(block))) and set(block.unique().tolist()) == {0, 1}
        error = (masses * (1 - masses) / len(block)).sqrt()
        assert ((block.double().mean(0) - masses).abs() < 5 * error + 3 / len(block)).all()


def test_only_columns_with_missing_cells_have_an_entry_for_them(rows):
    assert [block.masses[0].item() > 0 for block in rows.blocks] == [False, False, False, True, True, False]
    assert rows.sizes[4] == 3 and rows.words == (4,) and rows.positions == (0, 1, 2, 3, 5)


def test_modes_are_the_components_of_the_data(rows):
    """Of 0.3 N(-5, 0.5^2) + 0.7 N(5, 1): the mass of all modes below 0, and their mean; 1600 rows."""
    block = rows.blocks[0]
    left = block.centres < 0
    weights = block.weights[left] / block.weights[left].sum()
    assert block.weights[left].sum().item() == pytest.approx(SIDE.mean(), abs=0.04)
    assert (weights * block.centres[left]).sum().item() == pytest.approx(-5, abs=0.3)  # intervals are wide


def test_a_position_belongs_to_the_modes_that_have_a_width(rows):
    block, start = rows.blocks[2], sum(rows.sizes[:2])
    assert isinstance(block, NumberBlock) and block.centres[0] == 0 and block.reaches[0] < 1e-99
    assert rows.positioned[start : start + rows.sizes[2], 2].tolist() == [0.0, *[1.0] * (rows.sizes[2] - 1)]
    assert rows.positioned[sum(rows.sizes[:3]), 3] == 0  # a missing count
    assert rows.positioned.sum(1).max() == 1 and rows.positioned.shape == (sum(rows.sizes), 5)


def test_what_no_component_reaches_has_a_mode_of_its_own():
    """Values above 2 are as good as never in the training rows, and those of held-out rows are encoded."""
    block = NumberBlock(RealColumn("x", (0.0, 1.0, 2.0, 100.0), (0.0, 5000.0, 5000.0, 0.01)))
    values = torch.tensor([0.0, 1.5, 50.0, 99.0, 100.0], dtype=torch.float64)
    codes, positions = block.encode(values, Rng(0, 5).uniform(2))
    assert torch.allclose(block.decode(codes, positions), values) and codes[2:].eq(len(block.centres)).all()


def test_a_saved_representation_is_not_fitted_again(data, rows, monkeypatch):
    config = json.loads(json.dumps(to_config(rows)))
    monkeypatch.setattr(modes, "_fit_components", lambda *given: pytest.fail("fitted again"))
    again = from_config(config, Path())
    x = rows.encode(data.train[:50].medium, Rng(0, 50), measure=False).x
    assert torch.equal(again.encode(data.train[:50].medium, Rng(0, 50), measure=False).x, x)
    assert torch.equal(again.decode(x).nan_to_num(), rows.decode(x).nan_to_num())
