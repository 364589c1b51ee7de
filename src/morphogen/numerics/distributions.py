"""Densities and masses, elementwise: whoever needs a row's log-probability sums with `sum_rows`."""

__all__ = ["discretized", "gaussian_cdf", "gaussian_kl", "gaussian_log_prob", "logistic_log_mass"]

import math
from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F


def gaussian_log_prob(
    x: Float[Tensor, "*#x"], mean: Float[Tensor, "*#x"] | float = 0.0, log_sigma: Float[Tensor, "*#x"] | float = 0.0
) -> Float[Tensor, "*#x"]:
    r"""log N(x; mean, sigma^2), elementwise."""
    scale = _tensor(log_sigma, x)
    return -0.5 * ((x - mean) * (-scale).exp()).square() - scale - 0.5 * math.log(2 * math.pi)


def gaussian_kl(
    mean: Float[Tensor, "*#x"], log_sigma: Float[Tensor, "*#x"], other_mean: Float[Tensor, "*#x"] | float = 0.0,
    other_log_sigma: Float[Tensor, "*#x"] | float = 0.0,
) -> Float[Tensor, "*#x"]:  # fmt: skip
    r"""KL(N(mean, sigma^2) || N(other_mean, other_sigma^2)) in nats, elementwise."""
    scale = _tensor(other_log_sigma, mean)
    ratio = 2 * (log_sigma - scale)
    return 0.5 * (ratio.exp() + (mean - other_mean).square() * (-2 * scale).exp() - 1 - ratio)


def gaussian_cdf(z: Float[Tensor, "*x"]) -> Float[Tensor, "*x"]:
    """The standard normal's cumulative distribution."""
    return 0.5 * torch.erfc(-z / math.sqrt(2))


def discretized(
    x: Float[Tensor, "*#x"], mean: Float[Tensor, "*#x"], log_scale: Float[Tensor, "*#x"], levels: int, cdf: Callable[[Tensor], Tensor]
) -> Float[Tensor, "*#x"]:
    r"""log P(x) for x on a grid of `levels` values in [-1, 1]: the law's mass in x's bin, the end bins open (Salimans et al. 2017, eq. 2).

        P(x) = F((x + d - mean) / s) - F((x - d - mean) / s),  d = 1 / (levels - 1)

    Uses F(a) - F(b) = F(-b) - F(-a) (symmetric laws) on the side where the tail does not cancel.
    """
    d = 1.0 / (levels - 1)
    inverse, centred = (-log_scale).exp(), x - mean
    flip = torch.where(centred > 0, -1.0, 1.0)
    upper, lower = flip * centred * inverse + d * inverse, flip * centred * inverse - d * inverse
    low_end, high_end = x < -1 + d, x > 1 - d
    open_upper = torch.where(flip > 0, high_end, low_end)
    open_lower = torch.where(flip > 0, low_end, high_end)
    mass = torch.where(open_upper, 1.0, cdf(upper)) - torch.where(open_lower, 0.0, cdf(lower))
    return mass.clamp_min(1e-12).log()


def logistic_log_mass(
    x: Float[Tensor, "*#x"], mean: Float[Tensor, "*#x"], log_scale: Float[Tensor, "*#x"], levels: int
) -> Float[Tensor, "*#x"]:
    r"""`discretized` for the logistic law, F(z) = sigmoid(z), in logarithms throughout: a mass of e^-100 still has a gradient.

    F(a) - F(b) = F(a) F(-b) (1 - exp(b - a))
    """
    d = 1 / (levels - 1)
    inverse = (-log_scale).exp()
    a, b = (x + d - mean) * inverse, (x - d - mean) * inverse
    below, above = x < -1 + d, x > 1 - d
    return (
        torch.where(above, 0.0, F.logsigmoid(a))
        + torch.where(below, 0.0, F.logsigmoid(-b))
        + torch.where(below | above, 0.0, torch.log(-torch.expm1(-2 * d * inverse)))
    )


def _tensor(value: Tensor | float, like: Tensor) -> Tensor:
    return value if isinstance(value, Tensor) else like.new_tensor(value)
