r"""Grids of numbers: an arithmetic progression of decimals.

value_k = (offset + stride k) / 10^decimals,     k an integer

integers                stride 1                    25 g, 50 g, 75 g     stride 25
tenths                  stride 1, decimals 1        3, 8, 13             stride 5, offset 3
thousands               stride 1, decimals -3       quarters             stride 25, decimals 2
"""

__all__ = ["Grid"]

from typing import NamedTuple

import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

POWERS = 22  # powers of ten up to this one are exact in float64
TOLERANCE = 1e-6, 2.0**-23  # of a value in units of the last decimal: absolute, and relative, as float32 has


class Grid(NamedTuple):
    """The grid points (offset + stride k) / 10^decimals.

    Arguments:
        decimals: of the values; negative for tens and thousands.
        stride: distance between neighbours, in units of the last decimal.
        offset: of the point k = 0, in the same units.
    """

    decimals: int = 0
    stride: int = 1
    offset: int = 0

    @property
    def step(self) -> float:
        """The distance between neighbours."""
        return float(f"{self.stride}e{-self.decimals}")

    @property
    def spacing(self) -> tuple[int, int]:
        """Stride and offset."""
        return self.stride, self.offset

    def values(self, steps: Int[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """Grid points as the nearest float64: 3 tenths are 0.3, not 3 * 0.1."""
        units = steps * self.stride + self.offset
        if 0 <= self.decimals <= POWERS:
            return units.double() / 10.0**self.decimals
        if -POWERS <= self.decimals < 0:
            return units.double() * 10.0**-self.decimals
        distinct, index = units.unique(return_inverse=True)
        exact = [float(f"{unit}e{-self.decimals}") for unit in distinct.tolist()]
        return torch.tensor(exact, dtype=torch.float64, device=steps.device)[index]

    def steps(self, values: Float64[Tensor, " b"]) -> Int[Tensor, " b"]:
        """The nearest grid point of each value."""
        units = self._units(values).round().long() - self.offset
        if self.stride == 1:
            return units
        return torch.div(units + self.stride // 2, self.stride, rounding_mode="floor")

    def contains(self, values: Float64[Tensor, " b"]) -> Bool[Tensor, " b"]:
        """Whether each value is a grid point, up to the rounding of float32."""
        units = self._units(values)
        near = (units - units.round()).abs() <= TOLERANCE[0] + TOLERANCE[1] * units.abs()
        return near & ((units.round().long() - self.offset) % self.stride == 0)

    def _units(self, values: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """Values in units of the last decimal."""
        return values * 10.0**self.decimals if self.decimals >= 0 else values / 10.0**-self.decimals
