"""Precision, recall, density and coverage equal the package of Naeem et al. (2020) on data without ties."""

import pytest
import torch

from morphogen.evaluation.precision_recall import prdc

theirs = pytest.importorskip("prdc")


@pytest.mark.parametrize(("n", "m", "d", "k"), [(300, 200, 8, 5), (150, 400, 64, 3), (200, 200, 2, 10)])
def test_prdc_equals_the_package(n, m, d, k):
    generator = torch.Generator().manual_seed(n)
    real = torch.randn(n, d, generator=generator).double()
    fake = 1.2 * torch.randn(m, d, generator=generator).double() + 0.2
    expected = theirs.compute_prdc(real.numpy(), fake.numpy(), k)
    assert prdc(real, fake, k) == pytest.approx(expected, abs=1e-6)
