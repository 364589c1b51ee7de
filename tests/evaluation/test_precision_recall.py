"""Precision, recall, density and coverage against their definitions written out, and on sets where they are known."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.evaluation.precision_recall import precision_recall, radii


def written_out(real, fake, k):
    """Kynkaanniemi et al. (2019), eq. 1-2; Naeem et al. (2020), eq. 3-4: one pair at a time."""

    def reach(x, i):
        return sorted(((x[i] - other).square().sum().sqrt().item() for j, other in enumerate(x) if j != i))[k - 1]

    def apart(a, b):
        return (a - b).square().sum().sqrt().item()

    of_real, of_fake = [reach(real, i) for i in range(len(real))], [reach(fake, j) for j in range(len(fake))]
    inside = [[apart(r, f) <= of_real[i] for i, r in enumerate(real)] for f in fake]
    return {
        "precision": sum(any(row) for row in inside) / len(fake),
        "recall": sum(any(apart(r, f) <= of_fake[j] for j, f in enumerate(fake)) for r in real) / len(real),
        "density": sum(map(sum, inside)) / (k * len(fake)),
        "coverage": sum(any(row[i] for row in inside) for i in range(len(real))) / len(real),
    }


@settings(max_examples=25, deadline=None)
@given(n=st.integers(4, 25), m=st.integers(4, 25), k=st.integers(1, 3), d=st.integers(1, 4), seed=st.integers(0, 999))
def test_equals_the_definitions(n, m, k, d, seed):
    generator = torch.Generator().manual_seed(seed)
    real, fake = torch.randn(n, d, generator=generator).double(), 1.3 * torch.randn(m, d, generator=generator).double() + 0.3
    found = {name: figure["value"] for name, figure in precision_recall(real, fake, k).items()}
    assert found == pytest.approx(written_out(real, fake, k))


def test_blocks_do_not_matter():
    """600 rows are three blocks; the same 600 with the rows turned around are three others."""
    generator = torch.Generator().manual_seed(0)
    real, fake = torch.randn(600, 3, generator=generator), torch.randn(550, 3, generator=generator)
    one, two = precision_recall(real, fake), precision_recall(real.flip(0), fake.flip(0))
    assert {n: f["value"] for n, f in one.items()} == pytest.approx({n: f["value"] for n, f in two.items()})
    distance = torch.cdist(real.double(), real.double(), compute_mode="donot_use_mm_for_euclid_dist").sort(1).values
    assert torch.allclose(radii(real, 5), distance[:, 5])


def test_equal_laws_score_as_theory_says():
    """n = 1000 each, k = 5, seed 0: E density = 1, E coverage = 1 - prod_{i<k} (n - 1 - i) / (2n - 1 - i) (Naeem et al., lemma 2)."""
    generator = torch.Generator().manual_seed(0)
    found = precision_recall(torch.randn(1000, 8, generator=generator), torch.randn(1000, 8, generator=generator))
    assert found["density"]["value"] == pytest.approx(1, abs=0.1)
    assert found["coverage"]["value"] == pytest.approx(1 - 2**-5, abs=0.025)


def test_a_lost_mode_costs_coverage_and_recall_garbage_costs_density_and_precision():
    generator = torch.Generator().manual_seed(0)
    modes = torch.tensor([[-6.0, 0], [6, 0]])
    real = modes[torch.arange(400) % 2] + torch.randn(400, 2, generator=generator)
    half = precision_recall(real, modes[:1] + torch.randn(400, 2, generator=generator))
    assert half["coverage"]["value"] < 0.6 and half["recall"]["value"] < 0.6 and half["precision"]["value"] > 0.9
    wild = precision_recall(real, torch.cat([real[:200] + 0.01, 50 + torch.randn(200, 2, generator=generator)]))
    assert wild["precision"]["value"] == pytest.approx(0.5, abs=0.02) and wild["coverage"]["value"] > 0.9


def test_one_outlier_does_not_move_density():
    """The case that Naeem et al. made it for: a far real example has a ball that holds everything."""
    generator = torch.Generator().manual_seed(0)
    real = torch.cat([torch.randn(200, 2, generator=generator), torch.tensor([[100.0, 0.0]])])
    found = precision_recall(real, torch.randn(200, 2, generator=generator) + torch.tensor([30.0, 0]))
    assert found["precision"]["value"] == 1 and found["density"]["value"] == pytest.approx(0.2)


def test_too_few_rows_are_refused():
    with pytest.raises(ValueError, match="no 5-th neighbour"):
        precision_recall(torch.randn(5, 2), torch.randn(9, 2))
