"""Columns: every cell is a code and an offset, and back; the masses and sizes of the codes."""

import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morphogen.component import ConfigError, from_config, to_config
from morphogen.data.columns import Dates, Numbers, Reading
from morphogen.data.words import Words
from morphogen.representations.tabular import CategoryColumn, Column, DateColumn, GridColumn, RealColumn
from morphogen.representations.tabular.columns import smoothed
from morphogen.representations.tabular.intervals import grid_intervals, real_intervals

SEEDS = st.integers(0, 2**32 - 1)


@st.composite
def wild_cells(draw: st.DrawFn) -> np.ndarray:
    """Reals, grids, negative steps, atoms, one level, tiny and huge scales, and mostly missing cells."""
    rng = np.random.default_rng(draw(SEEDS))
    n = draw(st.integers(1, 400))
    scale = 10.0 ** draw(st.integers(-60, 60))
    kinds = {
        "real": lambda: rng.standard_t(1.5, n) * scale,
        "grid": lambda: rng.integers(-50, 50, n) / 10.0 ** draw(st.integers(0, 4)),
        "thousands": lambda: rng.integers(-99, 99, n) * 1000.0,
        "wide": lambda: rng.integers(-(2**45), 2**45, n).astype(float),
        "skewed": lambda: np.floor(rng.lognormal(4, 3, n)),
        "one": lambda: np.full(n, scale),
        "atom": lambda: np.where(rng.random(n) < 0.6, 0.0, rng.normal(size=n) * scale),
        "adjacent": lambda: np.nextafter(scale, np.inf) * np.ones(n) * (rng.integers(1, 3, n)),
    }
    values = kinds[draw(st.sampled_from(sorted(kinds)))]()
    values[rng.random(n) < draw(st.sampled_from([0.0, 0.3, 0.97]))] = np.nan
    values[rng.integers(n)] = 0.5 * scale if np.isnan(values).all() else values[~np.isnan(values)][0]
    return values


def column_of(reading: Reading, seed: int = 0) -> tuple[Column, Tensor]:
    """The column of a reading trained on about half of its rows, and its values."""
    train = np.random.default_rng(seed).random(len(reading.cells)) < 0.5
    return reading.column(train.nonzero()[0]), torch.from_numpy(reading.values)


def assert_round_trip(column: Column, values: Tensor, seed: int) -> None:
    u = torch.from_numpy(np.random.default_rng(seed).random(len(values)))
    codes, offsets = column.encode(values, u)
    back, known = column.decode(codes, offsets), ~values.isnan()
    assert ((codes == 0) == ~known).all() and (offsets >= 0).all() and (offsets < 1).all()
    assert codes.max() < len(column.masses) and column.masses.sum().item() == pytest.approx(1, abs=1e-12)
    if column.step:
        # grids are found in 15 digits: a number of more is next to a grid point, in the middle to either one
        longer = torch.tensor([float(f"{value:.15g}") != value for value in values.tolist()])
        exact = (back == values) | (longer & ((back - values).abs() <= 0.7 * column.step))
        assert exact[known].all() and back.isnan().equal(~known)
    else:
        width = column.high - column.low
        torch.testing.assert_close(back, values, rtol=4e-16, atol=4e-16 * width, equal_nan=True)


@settings(max_examples=200, deadline=None)
@given(wild_cells(), SEEDS)
def test_decode_inverts_encode(values: np.ndarray, seed: int) -> None:
    column, cells = column_of(Numbers("x", values), seed)
    assert_round_trip(column, cells, seed)
    assert (column.masses[1:] > 0).all() and column.can_be_missing == bool(np.isnan(values).any())


@settings(max_examples=200, deadline=None)
@given(wild_cells(), SEEDS)
def test_intervals_cover_the_range_once(values: np.ndarray, seed: int) -> None:
    column, cells = column_of(Numbers("x", values), seed)
    total = column.log_sizes[1:].exp().sum().item()
    known = cells[~cells.isnan()]
    width = (known.max() - known.min()).item()
    if isinstance(column, GridColumn):
        assert total == pytest.approx(width / column.step + 1, rel=1e-9)
    else:
        assert isinstance(column, RealColumn)
        assert total == pytest.approx(width + len(column.atoms), rel=1e-9)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["a", "b", "ü", None]), min_size=2, max_size=50), SEEDS)
def test_categories_are_codes(words: list[str | None], seed: int) -> None:
    cells = np.array([*words, "c"], dtype=object)
    column, values = column_of(Words("w", cells), seed)
    assert_round_trip(column, values, seed)
    assert not column.log_sizes.any()
    assert [column.format_value(value) for value in values.tolist()] == cells.tolist()


@pytest.mark.parametrize("unit", ["days", "seconds", "microseconds"])
def test_dates_are_codes(unit: str) -> None:
    values = np.array([15_000.0, 15_001, 15_007, np.nan, 14_000] * 9)
    column, cells = column_of(Dates("d", values, unit=unit))
    assert_round_trip(column, cells, 1)
    assert isinstance(column, DateColumn) and (column.low, column.high) == (14_000, 15_007)
    assert column.log_sizes.max() == math.log(999), "the days between two that occur are one interval"


def test_the_masses_are_those_of_the_training_rows() -> None:
    column = Words("w", np.array(["a"] * 6 + ["b"] * 3 + [None] + ["c"], dtype=object)).column(np.arange(10))
    torch.testing.assert_close(column.masses * 10.5, torch.tensor([1, 6, 3, 0.5]).double())
    assert smoothed([4, 1, 0, 0, 0, 0], 0, False) == (0, 4, 1, 0.25, 0.25, 0.25, 0.25)
    assert smoothed([4, 1, 0], 0, True)[0] == 0.5


def test_few_values_have_an_interval_each_and_many_are_equally_heavy() -> None:
    starts, counts = grid_intervals(np.repeat([3, 5, 6, 9], 20), 0, 12)
    assert starts == (0, 3, 4, 5, 6, 7, 9, 10) and counts == [0, 20, 0, 20, 20, 0, 20, 0]
    rng = np.random.default_rng(0)
    values = np.where(rng.random(10_000) < 0.3, 7, rng.integers(0, 100_000, 10_000))
    starts, counts = grid_intervals(values, 0, 100_000)
    own = starts.index(7)
    assert starts[own + 1] == 8 and counts[own] > 2900
    others = counts[:own] + counts[own + 1 :]
    assert 120 < len(others) < 160 and max(others) < 1.5 * 7000 / 140
    edges, counts = real_intervals(np.where(values == 7, 0.0, rng.normal(size=10_000)), -9.0, 9.0)
    atom = edges.index(0.0)
    assert edges[atom + 1] == 0 and counts[atom] > 2900 and max(counts[:atom]) < 80


def test_sampled_values_stay_in_the_range_on_the_grid_and_at_the_atoms() -> None:
    column, _ = column_of(Numbers("x", np.round(np.random.default_rng(0).lognormal(0, 1, 900), 1)))
    codes, offsets = torch.randint(1, len(column.masses), (5000,)), torch.rand(5000)
    values = column.decode(codes, offsets)
    assert values.min() >= column.low and values.max() <= column.high
    assert torch.equal(values, (values * 10).round() / 10) and {*column.written(values.numpy())} <= {
        i / 10 for i in range(1000)
    }


@pytest.mark.parametrize(
    ("column", "message"),
    [
        (lambda: CategoryColumn("c", ("a", "b"), (1.0, 1.0)).masses, "weights have 2 values; give one for"),
        (lambda: CategoryColumn("c", ("a",), (1.0, math.nan)).masses, "one above 0 for each of the 1"),
        (lambda: GridColumn("g", (0, 1), 1, 0, (0.0, 1.0, 0.0)).masses, "0 or more, and one above 0"),
        (lambda: GridColumn("g", (3, 1), 4), "starts of intervals ascend"),
        (lambda: GridColumn("g", (0, 5), 4), "ascend up to last=4"),
        (lambda: RealColumn("r", (1.0,)), "two or more edges"),
        (lambda: RealColumn("r", (1.0, 0.0)), "in ascending order"),
    ],
)
def test_what_is_no_column_is_refused(column, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        column()


@pytest.mark.parametrize(
    ("format", "unit", "value", "text"),
    [
        ("%d.%m.%Y", "days", 19_723, "01.01.2024"),
        ("%Y-%m-%dT%H:%M:%SZ", "hours", 473_352, "2024-01-01T00:00:00Z"),
        ("%H:%M", "minutes", -36_816_480, "00:00"),
        ("%Y-%m-%d %H:%M:%S.%f", "milliseconds", 1_704_067_200_125, "2024-01-01 00:00:00.125"),
    ],
)
def test_dates_are_written_in_their_format(format: str, unit: str, value: int, text: str) -> None:
    column = DateColumn("day", (value, value + 1), value + 9, format, unit)
    assert column.format_value(value) == text and column.format_value(math.nan) is None
    assert from_config(to_config(column)).written(np.array([value, value], float)).tolist() == [text, text]


def test_real_numbers_keep_six_digits_of_a_standard_deviation_and_atoms_all() -> None:
    column = RealColumn("time", (1.7e9 - 1, 1.7e9, 1.7e9, 1.7e9 + 1))
    assert column.format_value(1700000000.1234567) == 1700000000.123457
    atom = 0.123456789123
    column = RealColumn("x", (-1.0, atom, atom, 1.0), (0.0, 1.0, 5.0, 1.0))
    assert column.format_value(atom) == atom and column.format_value(0.1234567) == 0.123457


def test_grids_are_the_nearest_floats() -> None:
    assert GridColumn("g", (0,), 9, 1).decode(torch.tensor([1]), torch.tensor([0.35])).item() == 0.3
    column = GridColumn("price", (1, 4), 9, -3)
    assert column.decode(torch.tensor([2]), torch.tensor([0.2])).item() == 5000
    assert column.format_value(4999.9) == 5000 and isinstance(column.format_value(5e3), int)
    tiny = GridColumn("tiny", (1,), 9, 40)
    assert tiny.decode(torch.tensor([1]), torch.tensor([0.3])).item() == 3e-40
