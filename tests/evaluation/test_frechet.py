"""The Frechet distance against the textbook formula, a closed form, and its invariants."""

import numpy as np
import pytest
import scipy.linalg
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

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


def test_the_interval_contains_the_value_and_the_bias_is_positive():
    a, b = normal(200, 16, 0), normal(200, 16, 0)[:, :] + 0.0
    interval = frechet_interval(a, normal(200, 16, 5), resamples=50)
    assert (
        interval["low"] < interval["value"] < interval["high"]
        and interval["n"] == 200
        and interval["resamples"] == 50
    )
    assert frechet_interval(a, b, resamples=50)["bias"] > 0


@pytest.mark.parametrize(
    "bad", [torch.zeros(1, 3), torch.full((5, 3), float("nan")), torch.full((5, 3), float("inf"))]
)
def test_invalid_features_raise(bad):
    with pytest.raises(ValueError, match=r"requires at least 2|not finite"):
        frechet(normal(10, 3, 0), bad)
