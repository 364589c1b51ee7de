"""Precision, recall, density and coverage against their definitions, and on sets with known values."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.evaluation.precision_recall import prdc, precision_recall, radii


def reference(real, fake, k):
    """Kynkaanniemi et al. (2019), eq. 1-2; Naeem et al. (2020), eq. 3-4; one pair at a time."""

    def radius(x, i):
        return sorted(((x[i] - other).square().sum().sqrt().item() for j, other in enumerate(x) if j != i))[
            k - 1
        ]

    def distance(a, b):
        return (a - b).square().sum().sqrt().item()

    of_real, of_fake = (
        [radius(real, i) for i in range(len(real))],
        [radius(fake, j) for j in range(len(fake))],
    )
    inside = [[distance(r, f) <= of_real[i] for i, r in enumerate(real)] for f in fake]
    return {
        "precision": sum(any(row) for row in inside) / len(fake),
        "recall": sum(any(distance(r, f) <= of_fake[j] for j, f in enumerate(fake)) for r in real)
        / len(real),
        "density": sum(map(sum, inside)) / (k * len(fake)),
        "coverage": sum(any(row[i] for row in inside) for i in range(len(real))) / len(real),
    }


@settings(max_examples=25, deadline=None)
@given(
    n=st.integers(4, 25),
    m=st.integers(4, 25),
    k=st.integers(1, 3),
    d=st.integers(1, 4),
    seed=st.integers(0, 999),
)
def test_matches_the_definitions(n, m, k, d, seed):
    generator = torch.Generator().manual_seed(seed)
    real, fake = (
        torch.randn(n, d, generator=generator).double(),
        1.3 * torch.randn(m, d, generator=generator).double() + 0.3,
    )
    assert prdc(real, fake, k) == pytest.approx(reference(real, fake, k))


def test_blocks_do_not_change_the_result(monkeypatch):
    """Blocks of 100 rows; reversing the rows gives different blocks."""
    monkeypatch.setattr("morphogen.evaluation.precision_recall.ELEMENTS", 100 * 600)
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(600, 3, generator=generator), torch.randn(550, 3, generator=generator)
    assert prdc(real, fake) == pytest.approx(prdc(real.flip(0), fake.flip(0)))
    distance = (
        torch.cdist(real.double(), real.double(), compute_mode="donot_use_mm_for_euclid_dist").sort(1).values
    )
    assert torch.allclose(radii(real, 5), distance[:, 5])


def test_equal_distributions_match_the_theory():
    """E density = 1, E coverage = 1 - prod_{i<k} (n - 1 - i) / (2n - 1 - i) (Naeem et al., lemma 2).

    n = 1000 each, k = 5, seed 0.
    """
    generator = torch.Generator().manual_seed(0)
    result = precision_recall(
        torch.randn(1000, 8, generator=generator), torch.randn(1000, 8, generator=generator)
    )
    assert result["density"]["value"] == pytest.approx(1, abs=0.1)
    assert result["coverage"]["value"] == pytest.approx(1 - 2**-5, abs=0.025)


def test_missing_modes_reduce_recall_and_coverage_and_outliers_reduce_precision():
    generator = torch.Generator().manual_seed(0)
    modes = torch.tensor([[-6.0, 0], [6, 0]])
    real = modes[torch.arange(400) % 2] + torch.randn(400, 2, generator=generator)
    one_mode = precision_recall(real, modes[:1] + torch.randn(400, 2, generator=generator))
    assert (
        one_mode["coverage"]["value"] < 0.6
        and one_mode["recall"]["value"] < 0.6
        and one_mode["precision"]["value"] > 0.9
    )
    with_outliers = precision_recall(
        real, torch.cat([real[:200] + 0.01, 50 + torch.randn(200, 2, generator=generator)])
    )
    assert (
        with_outliers["precision"]["value"] == pytest.approx(0.5, abs=0.02)
        and with_outliers["coverage"]["value"] > 0.9
    )


def test_density_is_robust_to_a_single_outlier():
    """The motivation of Naeem et al.: the ball of a distant real example contains all samples."""
    generator = torch.Generator().manual_seed(0)
    real = torch.cat([torch.randn(200, 2, generator=generator), torch.tensor([[100.0, 0.0]])])
    result = precision_recall(real, torch.randn(200, 2, generator=generator) + torch.tensor([30.0, 0]))
    assert result["precision"]["value"] == 1 and result["density"]["value"] == pytest.approx(0.2)


def test_too_few_rows_raise():
    with pytest.raises(ValueError, match="no 5-th neighbour"):
        precision_recall(torch.randn(5, 2), torch.randn(9, 2))
    with pytest.raises(ValueError, match="too few for intervals"):
        precision_recall(torch.randn(11, 2), torch.randn(20, 2))


def test_supports_that_overlap_by_a_known_share():
    """Uniform squares, the fake one shifted by 0.3 of a side, n = 4000, k = 5, seed 0.

    Precision and recall are 0.7 and a strip of the boundary within a radius, about (k / pi n)^(1/2) = 0.02;
    density counts 1 ball per fake in the common part, coverage 1 - 2^-k of the reals there.
    """
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.rand(4000, 2, generator=generator) for _ in range(2))
    found = prdc(real, fake + torch.tensor([0.3, 0.0]))
    assert 0.70 <= found["precision"] <= 0.74 and 0.70 <= found["recall"] <= 0.74
    assert found["density"] == pytest.approx(0.7, abs=0.03)
    assert found["coverage"] == pytest.approx(0.7 * (1 - 2**-5), abs=0.03)
    assert set(prdc(real, fake + 5).values()) == {0.0}


def test_equal_rows_do_not_inflate_density():
    """40 % of both sets are the same row, in as many balls of radius 0 as the set has copies of it."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(500, 4, generator=generator) for _ in range(2))
    real[:200] = fake[:200] = torch.ones(4)
    assert prdc(real, fake)["density"] == pytest.approx(1, abs=0.1)
    fake[:] = torch.ones(4)
    assert prdc(real, fake)["density"] == pytest.approx(200 / 199, abs=0.1)


def test_a_ball_of_radius_zero_contains_only_rows_equal_to_its_centre():
    real, fake = torch.ones(10, 3), torch.ones(10, 3)
    fake[:4] += 1e-6
    found = prdc(real, fake, 3)
    assert found["precision"] == 0.6 and found["density"] == pytest.approx(0.6 * 10 / 9)


def test_neighbours_on_a_grid_are_tied():
    """On a ring of 12 points with k = 1 both neighbours are at the radius, and the ball is closed."""
    angle = torch.arange(12).double() * torch.pi / 6
    ring = torch.stack([angle.cos(), angle.sin()], 1)
    found = prdc(ring, ring, 1)
    assert found["precision"] == found["coverage"] == 1


def test_comparisons_near_a_boundary_are_exact():
    """Rows at 1e6 from the origin, where the matrix product alone loses nine digits of the distances."""
    generator = torch.Generator().manual_seed(0)
    real, fake = (torch.randn(60, 3, generator=generator).double() for _ in range(2))
    far = torch.zeros(1, 3).double() + 1e7
    expected = reference(torch.cat([real, far]), torch.cat([fake, far]), 3)
    assert prdc(torch.cat([real, far]), torch.cat([fake, far]), 3) == pytest.approx(expected)
