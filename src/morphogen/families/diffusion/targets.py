r"""What the network may be asked to say about x_t = alpha x_0 + sigma eps, and how each saying gives the others.

Every target is a combination u = a x_0 + b eps. With x_t that makes two equations in two unknowns, so one solution serves all:

    x_0 = (b x_t - sigma u) / (alpha b - sigma a),      eps = (alpha u - a x_t) / (alpha b - sigma a)

    x0        a = 1,      b = 0            singular at t = 0
    eps       a = 0,      b = 1            singular where alpha = 0      (Ho et al. 2020)
    v         a = -sigma, b = alpha        nowhere singular              (Salimans & Ho 2022)
    score     a = 0,      b = -1 / sigma   grad log q(x_t | x_0)         (Song & Ermon 2019)
    velocity  a = -1,     b = 1            dx_t/dt of a rectified flow   (Liu et al. 2023)

and `Preconditioned`, which chooses a and b so that input and target have variance 1 at every level (Karras et al. 2022).
"""

__all__ = ["Denoised", "Preconditioned", "Target", "combine", "determinant", "solve"]

from typing import Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component
from morphogen.numerics.tensors import expand_like


class Denoised(NamedTuple):
    """What a network makes of x_t = alpha x_0 + sigma eps; `share`: where the variance of its step lies, if it says so."""

    x_0: Float[Tensor, "b ..."]
    eps: Float[Tensor, "b ..."]
    share: Float[Tensor, "b ..."] | None = None


class Preconditioned(Component):
    r"""The network's F of Karras et al. 2022 (table 1, eq. 7, for any alpha): x_0 = c_skip x_t + c_out F(c_in x_t).

        c_skip = alpha d^2 / m,   c_out = sigma d / sqrt(m),   c_in = 1 / sqrt(m),   m = alpha^2 d^2 + sigma^2

    Where alpha^2 + sigma^2 = 1 and d = 1, F is -v.

    Arguments:
        data_std: d, the data's standard deviation (0.5: pictures in [-1, 1]).
    """

    def __init__(self, data_std: float = 0.5):
        self.data_std = data_std

    def scale(self, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """c_in."""
        return (alpha.square() * self.data_std**2 + sigma.square()).rsqrt()

    def coefficients(self, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """(a, b) of F."""
        spread = 1 / self.scale(alpha, sigma)
        return sigma / (self.data_std * spread), -alpha * self.data_std / spread


Target = Literal["x0", "eps", "v", "score", "velocity"] | Preconditioned


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
    both = alpha * b - sigma * a
    return (b * x_t - sigma * u) / both, (alpha * u - a * x_t) / both


def determinant(target: Target, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
    """alpha b - sigma a: an error of u by 1 is one of x_0 by sigma over it."""
    a, b = coefficients(target, alpha, sigma)
    return alpha * b - sigma * a


def coefficients(target: Target, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """(a, b) of the target."""
    if isinstance(target, Preconditioned):
        return target.coefficients(alpha, sigma)
    zero, one = torch.zeros_like(alpha), torch.ones_like(alpha)
    table = {"x0": (one, zero), "eps": (zero, one), "v": (-sigma, alpha), "score": (zero, -1 / sigma), "velocity": (-one, one)}
    return table[target]
