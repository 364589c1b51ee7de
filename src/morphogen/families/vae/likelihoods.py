"""Observation models p(x | z): distributions with independent entries, parameterised by the decoder's output.

    DiscretizedLogistic(levels)    discrete pixel values, a probability mass; h = (mean, log s) per subpixel
    Gaussian(sigma)                continuous data, a density; h = mean

The observation model determines which detail the latent retains. A density of data on a grid is unbounded; a
squared error is the log-likelihood of a Gaussian with an implicit sigma. `outputs` returns the number of
channels of h, for sizing the decoder.

Reference: Auto-encoding variational Bayes, Kingma & Welling, 2013 (appendix C).
"""

__all__ = ["DiscretizedLogistic", "Gaussian", "ObservationModel"]

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
from morphogen.numerics.tensors import sum_except_batch


class ObservationModel(Component, ABC):
    """p(x | h), with the entries of x [B, C, ...] independent given h [B, outputs(C), ...]."""

    measure: Literal["mass", "density"]

    @abstractmethod
    def outputs(self, channels: int) -> int:
        """Number of channels of h for x with `channels` channels."""

    @abstractmethod
    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x | h) in nats."""

    @abstractmethod
    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The median of each entry, shown as the reconstruction."""

    @abstractmethod
    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        """Sample x ~ p(x | h)."""


class DiscretizedLogistic(ObservationModel):
    r"""Discretized logistic distribution: the mass in the bin of x; the outermost bins extend to infinity.

        P(x) = F((x + d - mean) / s) - F((x - d - mean) / s),  d = 1 / (levels - 1)

    PixelCNN++ (Salimans, Karpathy, Chen & Kingma 2017, eq. 2), with one mixture component.

    Arguments:
        levels: number of subpixel values, evenly spaced over [-1, 1].
        floor: lower bound of log s; without it, s tends to 0 for a subpixel that is constant in the data.
    """

    measure = "mass"

    def __init__(self, levels: int, floor: float = -7.0):
        self.levels, self.floor = levels, floor

    def outputs(self, channels: int) -> int:
        return 2 * channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return sum_except_batch(logistic_log_mass(x, *self._split(h), self.levels))

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return self._split(h)[0].clamp(-1, 1)

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        """Sample a logistic, clamp to [-1, 1] and round to the grid."""
        mean, log_s = self._split(h)
        u = rng.uniform(*mean.shape[1:])
        x = (mean + log_s.exp() * (u.log() - torch.log1p(-u))).clamp(-1, 1)
        return torch.round((x + 1) * (0.5 * (self.levels - 1))) * (2 / (self.levels - 1)) - 1

    def _split(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_s = h.chunk(2, 1)
        return mean, self.floor + F.softplus(log_s - self.floor)


class Gaussian(ObservationModel):
    r"""Gaussian of fixed sigma: p(x | h) = N(x; h, sigma^2) (Kingma & Welling 2013, appendix C.2).

    Arguments:
        sigma: standard deviation of each entry, in units of x; positive.
    """

    measure = "density"

    def __init__(self, sigma: float):
        self.sigma = sigma

    def outputs(self, channels: int) -> int:
        return channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return sum_except_batch(gaussian_log_prob(x, h, math.log(self.sigma)))

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return h

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        return h + self.sigma * rng.normal(*h.shape[1:])
