r"""What the network may be asked to say about x_t = alpha x_0 + sigma eps, and how each saying gives the others.

Every target is a combination u = a x_0 + b eps. With x_t that makes two equations in two unknowns, so one solution serves all:

    x_0 = (b x_t - sigma u) / (alpha b - sigma a),      eps = (alpha u - a x_t) / (alpha b - sigma a)

    x0    a = 1,      b = 0        singular at t = 0
    eps   a = 0,      b = 1        singular where alpha = 0      (Ho et al. 2020)
    v     a = -sigma, b = alpha    nowhere singular              (Salimans & Ho 2022)

A new target (a score, a velocity) is one more line of `coefficients`.
"""

__all__ = ["Target", "combine", "solve"]

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.numerics.tensors import expand_like

Target = Literal["x0", "eps", "v"]


def combine(
    target: Target, x_0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."], alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]
) -> Float[Tensor, "b ..."]:
    """The target u = a x_0 + b eps: what the network descends towards."""
    a, b = (expand_like(c, x_0) for c in coefficients(target, alpha, sigma))
    return a * x_0 + b * eps


def solve(
    target: Target, u: Float[Tensor, "b ..."], x_t: Float[Tensor, "b ..."], alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]
) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
    """(x_0, eps) of x_t, given the target u."""
    a, b = (expand_like(c, x_t) for c in coefficients(target, alpha, sigma))
    alpha, sigma = expand_like(alpha, x_t), expand_like(sigma, x_t)
    determinant = alpha * b - sigma * a
    return (b * x_t - sigma * u) / determinant, (alpha * u - a * x_t) / determinant


def coefficients(target: Target, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """(a, b) of the target."""
    zero, one = torch.zeros_like(alpha), torch.ones_like(alpha)
    return {"x0": (one, zero), "eps": (zero, one), "v": (-sigma, alpha)}[target]
