"""The Frechet distance against the textbook formula, a closed form, and its invariants."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from morphogen.evaluation import frechet as module
from morphogen.evaluation.frechet import frechet, frechet_interval


def normal(n, d, seed, scale=1.0, shift=0.0):
    generator = torch.Generator().manual_seed(seed)
    return (
        shift
        + scale
        * torch.randn(n, d, generator=generator).double()
        @ torch.randn(d, d, generator=generator).double()
        / d**0.5
    )


def textbook(a, b):
    s1, s2 = np.cov(a.T), np.cov(b.T)
    root = scipy.linalg.sqrtm(s1 @ s2)
    return float(((a.mean(0) - b.mean(0)) ** 2).sum() + np.trace(s1 + s2 - 2 * root.real))


@pytest.mark.parametrize("d", [2, 16, 64])
def test_matches_the_formula_with_a_matrix_square_root(d):
    a, b = normal(500, d, 0), normal(700, d, 1, 1.5, 0.2)
    assert frechet(a, b) == pytest.approx(textbook(a.numpy(), b.numpy()), rel=1e-6)


@settings(max_examples=25, deadline=None)
@given(n=st.integers(2, 40), m=st.integers(2, 40), d=st.integers(2, 20), seed=st.integers(0, 99))
def test_matches_the_eigenvalue_formula_also_with_fewer_rows_than_features(n, m, d, seed):
    """tr (S1 S2)^{1/2} = sum of square roots of the eigenvalues of S1^{1/2} S2 S1^{1/2}, for any rank."""
    a, b = normal(n, d, seed), normal(m, d, seed + 100, 2.0)
    s1, s2 = torch.cov(a.T), torch.cov(b.T)
    values, vectors = torch.linalg.eigh(s1)
    root = vectors * values.clamp_min(0).sqrt() @ vectors.T
    overlap = torch.linalg.eigvalsh(root @ s2 @ root).clamp_min(0).sqrt().sum()
    expected = (a.mean(0) - b.mean(0)).square().sum() + s1.trace() + s2.trace() - 2 * overlap
    assert frechet(a, b) == pytest.approx(expected.item(), rel=1e-5, abs=1e-5)


def test_matches_the_closed_form_for_two_gaussians():
    """N(0, I) and N(m, 4 I) in 5 dimensions: |m|^2 + 5 (2 - 1)^2.

    n = 200 000, seed 0; standard error about 0.015.
    """
    generator = torch.Generator().manual_seed(0)
    a, b = (
        torch.randn(200_000, 5, generator=generator),
        2 * torch.randn(200_000, 5, generator=generator) + 0.5,
    )
    assert frechet(a, b) == pytest.approx(5 * 0.25 + 5, abs=0.06)


def test_is_zero_for_equal_sets_symmetric_and_rotation_invariant():
    a, b = normal(80, 6, 0), normal(90, 6, 1, 1.3, 0.4)
    rotation = torch.linalg.qr(torch.randn(6, 6, generator=torch.Generator().manual_seed(2)).double())[0]
    assert frechet(a, a) == pytest.approx(0, abs=1e-10)
    assert frechet(a, a[torch.randperm(80)]) == pytest.approx(0, abs=1e-10)
    assert frechet(a, b) == pytest.approx(frechet(b, a), rel=1e-10)
    assert frechet(a @ rotation, b @ rotation) == pytest.approx(frechet(a, b), rel=1e-10)


def test_a_constant_set_has_a_distance():
    a = normal(100, 4, 0)
    assert frechet(a, torch.zeros(50, 4)) == pytest.approx(
        (a.mean(0).square().sum() + torch.cov(a.T).trace()).item(), rel=1e-10
    )


def test_the_interval_contains_the_value_and_estimates_the_bias():
    """Two samples of one distribution: the expected distance is all bias; n = 200, d = 16, seeds 0 to 4."""
    distribution = torch.randn(16, 16, generator=torch.Generator().manual_seed(9)).double() / 4
    found = []
    for seed in range(5):
        g = torch.Generator().manual_seed(seed)
        sets = (torch.randn(200, 16, generator=g).double() @ distribution for _ in range(2))
        found.append(frechet_interval(*sets, partitions=16))
    assert all(i["low"] < i["value"] < i["high"] and i["n"] == 200 for i in found)
    mean_value, mean_bias = (sum(i[key] for i in found) / 5 for key in ("value", "bias"))
    assert mean_bias == pytest.approx(mean_value, rel=0.15)


def test_the_interval_of_equal_sets_starts_at_zero_and_has_a_width():
    x = normal(100, 4, 0)
    found = frechet_interval(x, x, partitions=16)
    assert found["value"] == pytest.approx(0, abs=1e-10) and found["low"] == pytest.approx(0, abs=1e-8)
    assert 0 < found["high"] < frechet_interval(x, x + 1, partitions=16)["high"]
    with pytest.raises(ValueError, match=r"(real|fake) has 3 rows, and an interval requires at least 4"):
        frechet_interval(x[:3], x)


def exact(mean, covariance, n, seed):
    """n rows whose mean and unbiased covariance are exactly these."""
    d = len(mean)
    x = torch.randn(n, d, generator=torch.Generator().manual_seed(seed)).double()
    x = x - x.mean(0)
    white = torch.linalg.solve_triangular(torch.linalg.cholesky(torch.cov(x.T)), x.T, upper=False).T
    values, vectors = torch.linalg.eigh(covariance)
    return white @ (vectors * values.clamp_min(0).sqrt() @ vectors.T) + mean


@pytest.mark.parametrize("n", [50, 400])
def test_known_gaussians_have_the_closed_form(n):
    """Commuting covariances diag(a), diag(b): |m|^2 + sum (sqrt a_i - sqrt b_i)^2, to 1e-8 relative."""
    a, b = torch.linspace(0.1, 3, 8).double(), torch.linspace(2, 0.5, 8).double().square()
    shift = torch.linspace(-1, 1, 8).double()
    rotation = torch.linalg.qr(normal(8, 8, 5))[0]
    first, second = (rotation @ v.diag() @ rotation.T for v in (a, b))
    found = frechet(exact(torch.zeros(8).double(), first, n, 0), exact(shift, second, n + 7, 1))
    assert found == pytest.approx(
        (shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum()).item(), rel=1e-8
    )


def test_rank_deficient_features_have_the_closed_form():
    """A constant column adds the square of its shift; a duplicated column doubles what it adds."""
    a, b = torch.tensor([1.0, 4.0]).double(), torch.tensor([2.25, 0.0]).double()
    zero = torch.zeros(2).double()
    first, second = exact(zero, a.diag(), 30, 0), exact(zero + 0.5, b.diag(), 40, 1)
    one, other = (0.25 + (a.sqrt() - b.sqrt()).square()).tolist()
    assert frechet(first, second) == pytest.approx(one + other, rel=1e-8)
    for repeats in (1, 60):  # more rows than features, and fewer
        wide = [torch.cat([x, *[x[:, :1]] * repeats, x[:, :1] * 0 + shift], 1)
                for x, shift in ((first, 3.0), (second, 1.0))]  # fmt: skip
        expected = one * (1 + repeats) + other + 4
        assert frechet(*wide) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize(
    "bad", [torch.zeros(1, 3), torch.full((5, 3), float("nan")), torch.full((5, 3), float("inf"))]
)
def test_invalid_features_raise(bad):
    with pytest.raises(ValueError, match=r"requires at least 2|not finite"):
        frechet(normal(10, 3, 0), bad)


def test_one_row_is_refused_by_the_name_of_its_argument():
    x = normal(10, 4, 0)
    with pytest.raises(
        ValueError, match=r"^fake has 1 row, and a covariance requires at least 2: give more rows"
    ):
        frechet(x, x[:1])
    with pytest.raises(ValueError, match=r"^real has 1 row"):
        frechet(x[:1], x)


@pytest.mark.parametrize("decades", [2, 3.999, 4, 4.001, 6, 9, 14])
@pytest.mark.parametrize("rows", [(400, 500), (500, 7), (7, 400), (6, 7)])
def test_ill_conditioned_covariances_have_the_closed_form(decades, rows):
    """At 4 decades the eigenvalues of S_1 S_2 have the ratio `FULL_RANK`, below which singular values count.

    With fewer rows than features the covariances have the ranks 6 and 5 on the same axes.
    """
    rank = min(*rows, 9) - 1
    a = torch.logspace(0, -decades, rank).double()
    b, shift = 2 * a, torch.linspace(-1e-3, 1e-3, rank).double()
    rotation = torch.linalg.qr(normal(8, 8, 5))[0][:rank]
    sets = [
        exact(m, c.diag(), n, n) @ rotation for m, c, n in zip((shift, 2 * shift), (a, b), rows, strict=True)
    ]
    expected = shift.square().sum() + (a.sqrt() - b.sqrt()).square().sum()
    assert frechet(*sets) == pytest.approx(expected.item(), rel=1e-8)


@pytest.mark.parametrize("rows", [(300, 200), (300, 9), (20, 300), (18, 9)])
def test_eigenvalues_and_singular_values_agree(rows, monkeypatch):
    """Sets with more rows than features, with fewer, and one of either."""
    first, second = (normal(n, 18, n, 1 + n / 100, n / 100) for n in rows)
    found = frechet(first, second), frechet(second, first)
    monkeypatch.setattr(module, "FULL_RANK", 1.0)
    assert found == pytest.approx((frechet(first, second),) * 2, rel=1e-10)


@pytest.mark.parametrize("constant", [0, 1])
def test_one_singular_covariance_has_the_closed_form(constant):
    """A feature that is constant in one of the sets adds the variance of the other one."""
    a, b = torch.tensor([1.0, 4.0, 9.0]).double(), torch.tensor([2.25, 1.0, 4.0]).double()
    (a, b)[constant][1] = 0
    zero, rotation = torch.zeros(3).double(), torch.linalg.qr(normal(3, 3, 5))[0]
    first, second = exact(zero, a.diag(), 30, 0) @ rotation, exact(zero, b.diag(), 40, 1) @ rotation
    expected = (a.sqrt() - b.sqrt()).square().sum().item()
    assert frechet(first, second) == pytest.approx(expected, rel=1e-8)


@pytest.mark.parametrize("native", [True, False])
@pytest.mark.parametrize("mean", [100.0, 1e6])
def test_large_means_are_subtracted_first(mean: float, native: bool, monkeypatch) -> None:
    """The difference of sum x x^T and n m m^T would leave no digit at 1e6 standard deviations."""
    if not native:
        monkeypatch.setattr(module, "available", lambda kernel: False)
    a, b = normal(50, 4, 0).double() + mean, 2 * normal(60, 4, 1).double() + mean
    assert frechet(a, b) == pytest.approx(textbook(a.numpy(), b.numpy()), rel=1e-9)


def test_the_layout_of_the_features_does_not_matter():
    """Columns first, every second row, fp32, with a gradient."""
    n = 33
    a, b = normal(n, 6, 0).float(), normal(n, 6, 1, 1.5, 0.2).float()
    expected = textbook(a.double().numpy(), b.double().numpy())
    assert frechet(a, b) == pytest.approx(expected, rel=1e-10)
    for same in (a.double(), a.T.contiguous().T, a.repeat_interleave(2, 0)[::2], a.clone().requires_grad_()):
        assert frechet(same, b) == pytest.approx(frechet(a, b), rel=1e-12)
