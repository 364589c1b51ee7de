"""Masses and quantiles of the truncated normal equal scipy's, in both tails."""

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import norm, truncnorm

from morphogen.numerics.truncated_normal import log_mass_between, quantile_between

ends = st.floats(-30, 30)


@given(ends, st.floats(1e-3, 20), st.floats(0.001, 0.999))
def test_masses_and_quantiles_equal_scipy(low: float, width: float, u: float) -> None:
    a, b, p = (torch.tensor([value], dtype=torch.float64) for value in (low, low + width, u))
    mirrored = (-b.item(), -a.item()) if low > 0 else (a.item(), b.item())
    expected = norm.logcdf(mirrored[1]) + np.log1p(
        -np.exp(norm.logcdf(mirrored[0]) - norm.logcdf(mirrored[1]))
    )
    np.testing.assert_allclose(log_mass_between(a, b).item(), expected, rtol=1e-9, atol=1e-12)
    z = quantile_between(a, b, p).item()
    assert low <= z <= low + width
    np.testing.assert_allclose(truncnorm.cdf(z, low, low + width), u, atol=1e-5)


def test_open_and_empty_intervals() -> None:
    infinite = torch.tensor([torch.inf], dtype=torch.float64)
    zero = torch.zeros(1, dtype=torch.float64)
    assert log_mass_between(-infinite, infinite).item() == 0.0
    np.testing.assert_allclose(log_mass_between(zero, infinite).item(), np.log(0.5))
    assert log_mass_between(zero, zero).item() == -torch.inf
    assert log_mass_between(-infinite, -infinite).item() == -torch.inf
    u = torch.tensor([0.3]).double()
    np.testing.assert_allclose(quantile_between(-infinite, infinite, u).item(), norm.ppf(0.3), rtol=1e-6)
