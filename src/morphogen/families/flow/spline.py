r"""Monotone rational-quadratic splines: flexible elementwise maps with an exact inverse.

Knots (x_k, y_k) with slopes d_k divide [-B, B] into K bins. In a bin of width w and height h, with
xi = (x - x_k) / w in [0, 1] and s = h / w,

    z = y_k + h (s xi^2 + d_k xi (1 - xi)) / q,   q = s + (d_k + d_k+1 - 2 s) xi (1 - xi)
    dz/dx = s^2 (d_k+1 xi^2 + 2 s xi (1 - xi) + d_k (1 - xi)^2) / q^2

z is increasing and has a continuous derivative (Gregory & Delbourgo 1982). The inverse is the root in [0, 1]
of a quadratic equation. Outside of [-B, B] the map is the identity, and the slopes of its end knots are 1.

Reference: Neural spline flows, Durkan, Bekasov, Murray & Papamakarios, 2019, section 3.1 and appendix A.1.
"""

__all__ = ["RationalQuadraticSpline"]

import math
from typing import NamedTuple

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.families.flow.elementwise import Elementwise


class RationalQuadraticSpline(Elementwise):
    """z = a monotone rational-quadratic spline of x in [-B, B], and z = x outside; the identity at theta = 0.

    Durkan, Bekasov, Murray & Papamakarios, 2019: theta are K logits of the widths of the bins, K of their
    heights, and K - 1 slopes of the inner knots before a softplus.

    Arguments:
        bins: number K of bins, at least 2.
        bound: B, above 0.
        floor: smallest slope of a knot, and smallest width and height of a bin as a fraction of 2 B; above 0,
            and below 1 / K. The paper has 0.001.

    Errors: ConfigError for values out of these ranges: such a map has no inverse.
    """

    def __init__(self, bins: int = 8, bound: float = 3.0, floor: float = 1e-3):
        super().__init__()
        if bins < 2:
            raise ConfigError(f"RationalQuadraticSpline: bins={bins}: give at least 2")
        if not 0 < bound < math.inf:
            raise ConfigError(f"RationalQuadraticSpline: bound={bound:g}: give a finite bound above 0")
        if not 0 < floor < 1 / bins:
            limit = f"{bins} bins require one above 0 and below 1/{bins}"
            raise ConfigError(f"RationalQuadraticSpline: floor={floor:g}: {limit}, such as 0.001")
        self.bins, self.bound, self.floor, self.outputs = bins, bound, floor, 3 * bins - 1

    def forward(
        self, x: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]
    ) -> tuple[Float[Tensor, " b *x"], Float[Tensor, " b *x"]]:
        inside = x.clamp(-self.bound, self.bound)
        bin = self._bin(inside, theta, "x")
        s, xi = bin.height / bin.width, ((inside - bin.left) / bin.width).clamp(0, 1)
        rest = 1 - xi
        product = xi * rest
        q = s + (bin.first + bin.last - 2 * s) * product
        z = bin.bottom + bin.height * (s * xi.square() + bin.first * product) / q
        slope = bin.last * xi.square() + 2 * s * product + bin.first * rest.square()
        log_slope = slope.log() + 2 * (s / q).log()
        moved = x.abs() < self.bound
        return torch.where(moved, z, x), torch.where(moved, log_slope, 0.0)

    def inverse(self, z: Float[Tensor, " b *x"], theta: Float[Tensor, " b *p"]) -> Float[Tensor, " b *x"]:
        inside = z.clamp(-self.bound, self.bound)
        bin = self._bin(inside, theta, "z")
        s, u = bin.height / bin.width, ((inside - bin.bottom) / bin.height).clamp(0, 1)
        bend = u * (bin.first + bin.last - 2 * s)
        xi = _root(s - bin.first + bend, bin.first - bend, -s * u)
        return torch.where(z.abs() < self.bound, bin.left + bin.width * xi, z)

    def seen(self, x: Float[Tensor, " b *x"]) -> Float[Tensor, " b *x"]:
        """x clamped to [-2 B, 2 B]: an outlier would give other entries a spline too steep for fp32."""
        return x.clamp(-2 * self.bound, 2 * self.bound)

    def knots(
        self, theta: Float[Tensor, " b *p"]
    ) -> tuple[Float[Tensor, "*x k"], Float[Tensor, "*x k"], Float[Tensor, "*x k"]]:
        """x_k, y_k and d_k of the K + 1 knots of each entry, along the last axis."""
        of_bins, of_slopes = rearrange(theta, "b (p c) ... -> b c ... p", p=self.outputs).split(
            (2 * self.bins, self.bins - 1), -1
        )
        sizes = of_bins.unflatten(-1, (2, self.bins)).softmax(-1)
        ends = (self.floor + (1 - self.bins * self.floor) * sizes[..., :-1]).cumsum(-1)
        inner = self.bound * (2 * ends - 1)
        x, y = F.pad(F.pad(inner, (1, 0), value=-self.bound), (0, 1), value=self.bound).unbind(-2)
        at_zero = math.log(math.expm1(1 - self.floor))  # a slope of 1 where theta is 0
        slopes = self.floor + F.softplus(of_slopes + at_zero)
        return x, y, F.pad(slopes, (1, 1), value=1.0)

    def _bin(self, values: Tensor, theta: Tensor, axis: str) -> "_Bin":
        """The bin of each value of x, or of z."""
        x, y, slopes = self.knots(theta)
        inner = (x if axis == "x" else y)[..., 1:-1]
        k = (values[..., None] >= inner).sum(-1, keepdim=True)
        (left, right), (bottom, top), (first, last) = (
            knots.gather(-1, torch.cat([k, k + 1], -1)).unbind(-1) for knots in (x, y, slopes)
        )
        return _Bin(left, bottom, right - left, top - bottom, first, last)


class _Bin(NamedTuple):
    """Lower left corner, width, height, and the slopes at both ends of the bin of each entry."""

    left: Tensor
    bottom: Tensor
    width: Tensor
    height: Tensor
    first: Tensor
    last: Tensor


def _root(a: Tensor, b: Tensor, c: Tensor) -> Tensor:
    """The root in [0, 1] of a xi^2 + b xi + c, c <= 0, in the form without cancellation for this b."""
    root = (b.square() - 4 * a * c).clamp_min(0).sqrt()
    positive = b >= 0
    return torch.where(positive, -2 * c, root - b) / torch.where(positive, b + root, 2 * a)
