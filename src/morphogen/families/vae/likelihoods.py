"""Observation laws p(x | z): what a decoder's numbers h mean, one independent law for each entry of x.

    DiscretizedLogistic(levels)    pictures on a grid, a MASS: h = (mean, log s), learned for every subpixel
    Gaussian(sigma)                points of space, a DENSITY: h = mean

The choice decides what the autoencoder keeps: a density on a grid grows without bound, squared error alone is a Gaussian of
a sigma nobody chose. A law says how many channels of h it needs (`outputs`), so that a page can size its decoder. (The role of
p(x | z): Kingma & Welling 2013, appendix C.)
"""

__all__ = ["DiscretizedLogistic", "Gaussian", "Observation"]

import math
from abc import ABC, abstractmethod
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.numerics.distributions import gaussian_log_prob, logistic_log_mass
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import sum_rows


class Observation(Component, ABC):
    """p(x | h), entries independent given h [B, outputs(C), ...] for x [B, C, ...]."""

    measure: Literal["mass", "density"]

    @abstractmethod
    def outputs(self, channels: int) -> int:
        """Channels of h for so many of x."""

    @abstractmethod
    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x | h) in nats."""

    @abstractmethod
    def centre(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The median of each entry: the picture to show."""

    @abstractmethod
    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        """One draw of x."""


class DiscretizedLogistic(Observation):
    r"""A logistic law's mass in the bin of x, the end bins open.

        P(x) = F((x + d - mean) / s) - F((x - d - mean) / s),  d = 1 / (levels - 1)

    PixelCNN++ (Salimans, Karpathy, Chen & Kingma 2017, eq. 2), one component.

    Arguments:
        levels: values of a subpixel, evenly spaced over [-1, 1].
        floor: least log s; a subpixel that never changes would otherwise drive s to 0.
    """

    measure = "mass"

    def __init__(self, levels: int, floor: float = -7.0):
        self.levels, self.floor = levels, floor

    def outputs(self, channels: int) -> int:
        return 2 * channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return sum_rows(logistic_log_mass(x, *self._split(h), self.levels))

    def centre(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return self._split(h)[0].clamp(-1, 1)

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        """A logistic draw, rounded to the grid: what rounds beyond an end belongs to its open bin."""
        mean, log_s = self._split(h)
        u = rng.uniform(*mean.shape[1:])
        x = (mean + log_s.exp() * (u.log() - torch.log1p(-u))).clamp(-1, 1)
        return torch.round((x + 1) * (0.5 * (self.levels - 1))) * (2 / (self.levels - 1)) - 1

    def _split(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_s = h.chunk(2, 1)
        return mean, self.floor + F.softplus(log_s - self.floor)


class Gaussian(Observation):
    r"""p(x | h) = N(x; h, sigma^2): a density (Kingma & Welling 2013, appendix C.2, with sigma given).

    Arguments:
        sigma: standard deviation of each entry, in units of x, above 0.
    """

    measure = "density"

    def __init__(self, sigma: float):
        self.sigma = sigma

    def outputs(self, channels: int) -> int:
        return channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return sum_rows(gaussian_log_prob(x, h, math.log(self.sigma)))

    def centre(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return h

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        return h + self.sigma * rng.normal(*h.shape[1:])
