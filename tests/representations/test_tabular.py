"""Tables: the likelihood is exact for real columns and a bound for grids, and decode inverts encode."""

import math

import pytest
import torch

from morphogen.component import ConfigError, from_config, to_config
from morphogen.numerics.distributions import gaussian_cdf, gaussian_log_prob
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_except_batch
from morphogen.representations.tabular import (
    CategoryColumn,
    DateColumn,
    GridColumn,
    Jitter,
    RealColumn,
    Tabular,
)

REAL = RealColumn("weight", mean=70.0, std=12.0)
GRID = GridColumn("length", mean=5.0, std=0.8, low=4.3, high=7.9, decimals=1)
COUNT = GridColumn("count", mean=3.0, std=2.0, low=0, high=9)
WORD = CategoryColumn("kind", mean=1.0, std=0.9, levels=("a", "b", "c"))


def test_real_columns_have_an_exact_density_in_their_units():
    medium = torch.tensor([[50.0], [81.5]], dtype=torch.float64)
    encoded = Tabular((REAL,)).encode(medium, Rng(0, 2))
    nats = sum_except_batch(gaussian_log_prob(encoded.x)) + encoded.log_weight
    assert encoded.exact and not Tabular((REAL,)).medium_discrete
    torch.testing.assert_close(nats, gaussian_log_prob(medium, 70.0, math.log(12.0)).sum(1).float())


def test_grid_columns_have_a_lower_bound_of_the_mass_of_their_cells():
    table, n = Tabular((GRID, COUNT)), 4000
    row = torch.tensor([[5.4, 2.0]], dtype=torch.float64)
    encoded = table.encode(row.expand(n, -1), Rng(0, n))
    bound = (sum_except_batch(gaussian_log_prob(encoded.x)) + encoded.log_weight).mean()
    mass = 0.0
    for value, column in zip(row[0], (GRID, COUNT), strict=True):
        ends = torch.stack([value + side * column.step / 2 for side in (-1, 1)])
        low, high = gaussian_cdf((ends - column.mean) / column.std)
        mass += (high - low).log().item()
    assert table.medium_discrete and not encoded.exact
    assert bound <= mass + 0.01  # the Monte Carlo error of the mean is 0.003
    assert bound == pytest.approx(mass, abs=0.02)


def test_decode_inverts_encode_for_any_noise():
    table = Tabular((GRID, COUNT, WORD))
    for seed in range(5):
        medium = torch.tensor([[4.3 + i / 10, i % 10, i % 3] for i in range(37)], dtype=torch.float64)
        back = table.decode(table.encode(medium, Rng(seed, 37)).x)
        torch.testing.assert_close(back, medium)


def test_samples_outside_a_grid_are_clamped():
    decoded = Tabular((COUNT, WORD)).decode(torch.tensor([[-50.0, -50.0], [50.0, 50.0]]))
    assert decoded.tolist() == [[0, 0], [9, 2]]


def test_real_and_grid_columns_together_have_a_bound_of_a_density():
    table = Tabular((REAL, WORD))
    assert not table.medium_discrete and not table.discrete
    assert not table.encode(torch.tensor([[60.0, 1.0]]), Rng(0, 1)).exact


def test_rows_are_presented_as_in_the_original_table():
    shown = Tabular((REAL, GRID, COUNT, WORD)).present(
        torch.tensor([[71.23456789, 4.7000001, 3.0, 2.0]], dtype=torch.float64)
    )
    assert shown == [{"weight": 71.2346, "length": 4.7, "count": 3, "kind": "c"}]
    assert isinstance(shown[0]["count"], int)


def test_a_table_is_rebuilt_from_its_config():
    table = Tabular((REAL, GRID, COUNT, WORD))
    again = from_config(to_config(table))
    medium = torch.tensor([[60.0, 5.1, 4.0, 1.0]], dtype=torch.float64)
    assert torch.equal(again.encode(medium, Rng(1, 1)).x, table.encode(medium, Rng(1, 1)).x)


def test_jitter_is_in_standard_deviations_and_keyed_by_the_row():
    table, medium = Tabular((REAL, COUNT)), torch.zeros(2000, 2, dtype=torch.float64)
    noise = Jitter(table, scale=0.5)(medium, Rng(0, 2000))
    assert noise.std(0).tolist() == pytest.approx([6.0, 1.0], rel=0.1)
    assert torch.equal(Jitter(table, scale=0.5)(medium[7:8], Rng(0, torch.tensor([7]))), noise[7:8])


@pytest.mark.parametrize(
    "columns", [(), (RealColumn("flat", 1.0, 0.0),), (REAL, RealColumn("odd", 0.0, math.nan))]
)
def test_columns_without_a_positive_std_are_rejected(columns):
    with pytest.raises(ConfigError, match="above 0"):
        Tabular(columns)


@pytest.mark.parametrize(
    ("format", "unit", "value", "text"),
    [
        ("%d.%m.%Y", "days", 19_723, "01.01.2024"),
        ("%Y-%m-%dT%H:%M:%SZ", "hours", 473_352.0, "2024-01-01T00:00:00Z"),
        ("%H:%M", "minutes", -36_816_480, "00:00"),
        ("%Y-%m-%d %H:%M:%S.%f", "milliseconds", 1_704_067_200_125, "2024-01-01 00:00:00.125"),
    ],
)
def test_dates_are_presented_in_their_format(format, unit, value, text):
    column = DateColumn("day", value + 1.0, 2.0, value, value + 9, format, unit)
    table = Tabular((column, COUNT))
    medium = torch.tensor([[value, 3.0]], dtype=torch.float64)
    decoded = table.decode(table.encode(medium, Rng(0, 1)).x)
    assert table.present(decoded) == [{"day": text, "count": 3}]
    assert table.decode(torch.tensor([[-1e4, 0.0]]))[0, 0] == value
    assert from_config(to_config(table)).present(medium)[0]["day"] == text


def test_real_numbers_keep_six_digits_of_a_standard_deviation():
    column = RealColumn("time", mean=1.7e9, std=0.5)
    assert column.format_value(1700000000.1234567) == 1700000000.123457


def test_a_grid_of_thousands_has_whole_numbers():
    column = GridColumn("price", mean=5e3, std=2e3, low=1e3, high=9e3, decimals=-3)
    assert Tabular((column,)).decode(torch.tensor([[0.1], [9.0]])).tolist() == [[5e3], [9e3]]
    assert column.format_value(4999.9) == 5000 and isinstance(column.format_value(5e3), int)
