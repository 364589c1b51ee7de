"""Rational-quadratic splines: the identity at 0, monotone, exact inverses; maps without one are refused."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.families.flow import RationalQuadraticSpline

EXTREME = (0.0, 3.0, -3.0, math.nextafter(3.0, 0.0), -math.nextafter(3.0, 0.0), 3.1, 100.0, -100.0, 1e30)


def theta_of(spline: RationalQuadraticSpline, rows: int, dims: int, scale: float, seed: int = 0) -> Tensor:
    generator = torch.Generator().manual_seed(seed)
    return scale * torch.randn(rows, spline.outputs * dims, generator=generator, dtype=torch.float64)


@pytest.mark.parametrize("bins", [2, 8])
def test_it_is_the_identity_where_theta_is_zero(bins: int) -> None:
    spline = RationalQuadraticSpline(bins)
    x = torch.tensor(EXTREME, dtype=torch.float64).repeat(3, 1)
    z, log_slope = spline(x, torch.zeros(3, spline.outputs * len(EXTREME), dtype=torch.float64))
    torch.testing.assert_close(z, x, rtol=0, atol=1e-14)
    assert log_slope.abs().max() <= 1e-14


@pytest.mark.parametrize(("dtype", "limit"), [(torch.float32, 1e-5), (torch.float64, 1e-10)])
def test_it_inverts_at_extreme_inputs_too(dtype: torch.dtype, limit: float) -> None:
    spline = RationalQuadraticSpline()
    inner = torch.linspace(-3.2, 3.2, 400, dtype=torch.float64).repeat(20, 1)
    x = torch.cat([inner, torch.tensor(EXTREME, dtype=torch.float64).repeat(20, 1)], 1).to(dtype)
    theta = theta_of(spline, 20, x.shape[1], 0.3).to(dtype)
    z, _ = spline(x, theta)
    assert (z - x).abs().max() > 0.2
    assert (spline.inverse(z, theta) - x).abs().max() <= limit
    assert torch.equal(z[x.abs() >= 3], x[x.abs() >= 3])


@settings(max_examples=60, deadline=None)
@given(scale=st.floats(0, 1e3), seed=st.integers(0, 1000), x=st.floats(-4, 4))
def test_wild_parameters_give_a_finite_map_that_inverts_as_its_slope_allows(
    scale: float, seed: int, x: float
) -> None:
    """The error of the inverse times the slope is that of rounding z; the slope is at least floor^2 or so."""
    spline = RationalQuadraticSpline(6)
    for dtype, limit in ((torch.float32, 1e-5), (torch.float64, 1e-13)):
        rows = torch.full((1, 1), x, dtype=dtype)
        theta = theta_of(spline, 1, 1, scale, seed).to(dtype)
        z, log_slope = spline(rows, theta)
        back = spline.inverse(z, theta)
        assert z.isfinite().all() and log_slope.isfinite().all()
        # between two knots of very different slopes, the smaller one decides
        around = torch.stack([spline(at, theta)[1] for at in (rows, back)]).amin().exp().clamp(max=1)
        assert ((back - rows).abs() * around).max() <= limit


def test_it_is_increasing_and_continuous_with_its_slope_at_the_knots() -> None:
    spline = RationalQuadraticSpline(5)
    theta = theta_of(spline, 1, 1, 1.5)
    x, y, slopes = spline.knots(theta)
    z, log_slope = spline(x[0].T, theta.expand(6, -1))
    torch.testing.assert_close(z[:, 0], y[0, 0])
    torch.testing.assert_close(log_slope.exp()[1:-1, 0], slopes[0, 0, 1:-1])
    assert slopes[0, 0, [0, -1]].tolist() == [1, 1] and x[0, 0, [0, -1]].tolist() == [-3, 3]
    line = torch.linspace(-3.5, 3.5, 5000, dtype=torch.float64)[:, None]
    assert (spline(line, theta.expand(5000, -1))[0].diff(dim=0) > 0).all()


def test_gradients_are_finite_at_bounds_and_knots() -> None:
    spline = RationalQuadraticSpline(4)
    theta = theta_of(spline, 1, 1, 1.0).expand(8, -1).contiguous().requires_grad_()
    x = torch.cat([spline.knots(theta[:1])[0].detach().flatten(), torch.tensor([-50.0, 50.0, 0.0])])
    for result in (spline(x[:, None], theta), (spline.inverse(x[:, None], theta),)):
        gradient = torch.autograd.grad(sum(part.sum() for part in result), theta)[0]
        assert gradient.isfinite().all() and gradient.abs().max() > 0


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        ({"bins": 1}, "bins=1: give at least 2"),
        ({"bound": 0.0}, "bound=0: give a finite bound above 0"),
        ({"bound": -2.0}, "bound=-2: give"),
        ({"bound": math.inf}, "bound=inf: give a finite bound"),
        ({"floor": 0.0}, "floor=0: 8 bins require one above 0 and below 1/8"),
        ({"bins": 20, "floor": 0.05}, "floor=0.05: 20 bins require"),
    ],
)
def test_maps_without_an_inverse_are_refused(arguments: dict[str, float], problem: str) -> None:
    with pytest.raises(ConfigError, match=f"^RationalQuadraticSpline: {problem}") as refusal:
        RationalQuadraticSpline(**arguments)  # type: ignore[arg-type]
    assert "\n" not in str(refusal.value)
