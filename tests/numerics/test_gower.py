"""Distances between rows of numbers and categories, against a loop over the cells."""

import math

import pytest
import torch

from morphogen.numerics.gower import Gower

NAN = math.nan
TABLE = torch.tensor([[0.0, 0, 1], [2, 1, NAN], [4, 2, 3], [6, NAN, 5], [NAN, 0, 7]], dtype=torch.float64)
LEVELS = (0, 3, 0)


def distance(one: list[float], other: list[float], deviations: list[float]) -> float:
    """A cell at a time; a missing number is at the mean, and 1 away in another direction."""
    means = [3.0, NAN, 4.0]
    total = 0.0
    for j, (a, b) in enumerate(zip(one, other, strict=True)):
        if LEVELS[j]:
            total += a != b and not (a != a and b != b)
            continue
        gaps = (a != a) != (b != b)
        a, b = (means[j] if value != value else value for value in (a, b))
        total += ((a - b) / deviations[j]) ** 2 + gaps
    return math.sqrt(total)


def test_distances_are_those_of_the_cells() -> None:
    vectors = Gower(TABLE, LEVELS)
    assert vectors.mean[[0, 2]].tolist() == [3.0, 4.0] and vectors.can_be_missing.all()
    found = torch.cdist(vectors(TABLE), vectors(TABLE), compute_mode="donot_use_mm_for_euclid_dist")
    rows, deviations = TABLE.tolist(), vectors.std.tolist()
    assert deviations[0] == pytest.approx(math.sqrt(5))
    want = [[distance(one, other, deviations) for other in rows] for one in rows]
    torch.testing.assert_close(found, torch.tensor(want, dtype=torch.float64))


def test_neither_units_nor_the_numbers_of_categories_matter() -> None:
    vectors = Gower(TABLE, LEVELS)(TABLE)
    scaled = TABLE * torch.tensor([1e6, 1, -0.01])
    scaled[:, 1] = 2 - scaled[:, 1]
    torch.testing.assert_close(
        torch.cdist(*[Gower(scaled, LEVELS)(scaled)] * 2), torch.cdist(vectors, vectors), atol=1e-6, rtol=1e-6
    )


def test_constant_and_missing_columns_are_only_centred() -> None:
    table = torch.tensor([[5.0, NAN], [5.0, NAN]])
    assert Gower(table)(torch.tensor([[7.0, 1.0]])).tolist() == [[2.0, 1.0, 0.0]]


def test_vectors_of_many_categories_are_short_and_at_a_distance_of_one_on_average() -> None:
    """All pairs of 1000 categories and a missing cell: mean 1 within 0.01, deviation 1/8; equal ones at 0."""
    codes = torch.tensor([[NAN], *[[float(i)] for i in range(1000)]], dtype=torch.float64)
    vectors = Gower(codes, (1000,))(codes)
    assert vectors.shape == (1001, 64) and Gower(codes, (256,))(codes).shape == (1001, 257)
    squared = torch.pdist(vectors).square()
    assert squared.mean().item() == pytest.approx(1, abs=0.01)
    assert squared.std().item() == pytest.approx(1 / 8, abs=0.005) and squared.min() > 0.25
    assert torch.equal(Gower(codes, (1000,))(codes.flip(0)), vectors.flip(0))
