"""Elementwise log-densities and log-masses; `sum_except_batch` gives the log-probability of a row."""

__all__ = [
    "discretized_log_mass",
    "gaussian_cdf",
    "gaussian_kl",
    "gaussian_log_prob",
    "isotropic_log_prob",
    "logistic_log_mass",
]

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from morphogen.numerics.tensors import sum_except_batch

_HALF_LOG_2_PI = 0.5 * math.log(2 * math.pi)


def gaussian_log_prob(
    x: Float[Tensor, "*#x"],
    mean: Float[Tensor, "*#x"] | float = 0.0,
    log_sigma: Float[Tensor, "*#x"] | float = 0.0,
) -> Float[Tensor, "*#x"]:
    r"""log N(x; mean, sigma^2), elementwise."""
    return -0.5 * ((x - mean) * _exp(-log_sigma)).square() - (log_sigma + _HALF_LOG_2_PI)


def isotropic_log_prob(
    x: Float[Tensor, "b ..."], mean: Float[Tensor, "b ..."], sigma: float
) -> Float[Tensor, " b"]:
    r"""log N(x; mean, sigma^2 I) of each row, in two passes over x."""
    squares = sum_except_batch((x - mean).square())
    return -0.5 / sigma**2 * squares - math.prod(x.shape[1:]) * (math.log(sigma) + _HALF_LOG_2_PI)


def gaussian_kl(
    mean: Float[Tensor, "*#x"],
    log_sigma: Float[Tensor, "*#x"],
    other_mean: Float[Tensor, "*#x"] | float = 0.0,
    other_log_sigma: Float[Tensor, "*#x"] | float = 0.0,
) -> Float[Tensor, "*#x"]:
    r"""KL(N(mean, sigma^2) || N(other_mean, other_sigma^2)) in nats, elementwise."""
    ratio = 2 * (log_sigma - other_log_sigma)
    return 0.5 * (ratio.exp() + (mean - other_mean).square() * _exp(-2 * other_log_sigma) - 1 - ratio)


def gaussian_cdf(z: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
    """Cumulative distribution function of the standard normal."""
    return 0.5 * torch.erfc(-z / math.sqrt(2))


def discretized_log_mass(
    x: Float[Tensor, "*#x"],
    mean: Float[Tensor, "*#x"],
    log_scale: Float[Tensor, "*#x"],
    levels: int,
    cdf: Callable[[Tensor], Tensor],
) -> Float[Tensor, "*#x"]:
    r"""log P(x) of a discretized distribution with CDF F, for x on a grid of `levels` values in [-1, 1].

        P(x) = F((x + d - mean) / s) - F((x - d - mean) / s),  d = 1 / (levels - 1)

    The first and last bins are unbounded (Salimans et al. 2017, eq. 2). F must be symmetric: F(a) - F(b) =
    F(-b) - F(-a) is evaluated on the side where the tail does not cancel.
    """
    d = 1.0 / (levels - 1)
    inverse_scale, centred = (-log_scale).exp(), x - mean
    flip = torch.where(centred > 0, -1.0, 1.0)
    upper = flip * centred * inverse_scale + d * inverse_scale
    lower = flip * centred * inverse_scale - d * inverse_scale
    first_bin, last_bin = x < -1 + d, x > 1 - d
    unbounded_above = torch.where(flip > 0, last_bin, first_bin)
    unbounded_below = torch.where(flip > 0, first_bin, last_bin)
    mass = torch.where(unbounded_above, 1.0, cdf(upper)) - torch.where(unbounded_below, 0.0, cdf(lower))
    return mass.clamp_min(1e-12).log()


def logistic_log_mass(
    x: Float[Tensor, "*#x"], mean: Float[Tensor, "*#x"], log_scale: Float[Tensor, "*#x"], levels: int
) -> Float[Tensor, "*#x"]:
    r"""`discretized_log_mass` for the logistic distribution, F(z) = sigmoid(z), in log space.

        F(a) - F(b) = F(a) F(-b) (1 - exp(b - a))

    A mass of e^-100 still has a gradient.
    """
    d = 1 / (levels - 1)
    inverse_scale = (-log_scale).exp()
    a, b = (x + d - mean) * inverse_scale, (x - d - mean) * inverse_scale
    first_bin, last_bin = x < -1 + d, x > 1 - d
    return (
        torch.where(last_bin, 0.0, F.logsigmoid(a))
        + torch.where(first_bin, 0.0, F.logsigmoid(-b))
        + torch.where(first_bin | last_bin, 0.0, torch.log(-torch.expm1(-2 * d * inverse_scale)))
    )


def _exp(value: Tensor | float) -> Tensor | float:
    return value.exp() if isinstance(value, Tensor) else math.exp(value)
