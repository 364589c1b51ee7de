"""Rational-quadratic splines of the same knots against zuko's, in fp64: values, slopes and inverses."""

import pytest
import torch

from morphogen.families.flow import RationalQuadraticSpline

transforms = pytest.importorskip("zuko.transforms")


@pytest.mark.parametrize(
    ("bins", "bound", "scale"), [(2, 1.0, 0.5), (8, 3.0, 1.0), (8, 5.0, 3.0), (32, 3.0, 1.0)]
)
def test_values_slopes_and_inverses_are_those_of_zuko(bins: int, bound: float, scale: float) -> None:
    spline, generator = RationalQuadraticSpline(bins, bound), torch.Generator().manual_seed(bins)
    theta = scale * torch.randn(200, spline.outputs * 7, generator=generator, dtype=torch.float64)
    x = bound * 0.6 * torch.randn(200, 7, generator=generator, dtype=torch.float64)
    peer = transforms.MonotonicRQSTransform(
        *(torch.zeros(200, 7, n) for n in (bins, bins, bins - 1)), bound=bound
    )
    peer.horizontal, peer.vertical, peer.derivatives = spline.knots(theta)
    z, log_slope = spline(x, theta)
    expected, expected_log_slope = peer.call_and_ladj(x)
    assert (x.abs() > bound).any() and (z - x).abs().max() > 0.05 * bound
    assert (z - expected).abs().max() <= 1e-12
    assert (log_slope - expected_log_slope).abs().max() <= 1e-10
    assert (spline.inverse(z, theta) - peer.inv(z)).abs().max() <= 1e-6
