r"""Prediction targets of the network, and their conversion to x_0 and eps.

Every target is a linear combination u = a x_0 + b eps. Together with x_t = alpha x_0 + sigma eps it gives two
equations in two unknowns, so one solution serves all targets:

    x_0 = (b x_t - sigma u) / (alpha b - sigma a),      eps = (alpha u - a x_t) / (alpha b - sigma a)

    x0        a = 1,      b = 0            singular at t = 0
    eps       a = 0,      b = 1            singular where alpha = 0      (Ho et al. 2020)
    v         a = -sigma, b = alpha        never singular                (Salimans & Ho 2022)
    score     a = 0,      b = -1 / sigma   grad log q(x_t | x_0)         (Song & Ermon 2019)
    velocity  a = -1,     b = 1            dx_t/dt of a rectified flow   (Liu et al. 2023)

`Preconditioned` chooses a and b so that inputs and targets have unit variance (Karras et al. 2022).
"""

__all__ = ["Denoised", "Preconditioned", "Target", "check_determined", "combine", "determinant", "solve"]

from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.numerics.tensors import expand_like
from morphogen.steering import extrapolate


class Denoised(NamedTuple):
    """The prediction of x_0 and eps from x_t = alpha x_0 + sigma eps.

    `variance_fraction` interpolates the log-variance of the reverse step between posterior (0) and beta (1);
    None: the variance is not learned.
    """

    x_0: Float[Tensor, "b ..."]
    eps: Float[Tensor, "b ..."]
    variance_fraction: Float[Tensor, "b ..."] | None = None


class Preconditioned(Component):
    r"""The EDM parameterization: the network F has inputs and targets of unit variance.

        x_0 = c_skip x_t + c_out F(c_in x_t)
        c_skip = alpha d^2 / m,   c_out = sigma d / sqrt(m),   c_in = 1 / sqrt(m),   m = alpha^2 d^2 + sigma^2

    Karras et al., 2022, table 1 and equation 7, generalized to any alpha. F is -v where
    alpha^2 + sigma^2 = 1 and d = 1.

    Arguments:
        data_std: d, the standard deviation of the data (0.5: images in [-1, 1]).
    """

    def __init__(self, data_std: float = 0.5):
        self.data_std = data_std

    def scale(self, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return c_in."""
        return (alpha.square() * self.data_std**2 + sigma.square()).rsqrt()

    def coefficients(
        self, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]
    ) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Return (a, b) of the target F = a x_0 + b eps."""
        std = 1 / self.scale(alpha, sigma)  # of x_t
        return sigma / (self.data_std * std), -alpha * self.data_std / std


Target = Literal["x0", "eps", "v", "score", "velocity"] | Preconditioned


def combine(
    target: Target,
    x_0: Float[Tensor, "b ..."],
    eps: Float[Tensor, "b ..."],
    alpha: Float[Tensor, " b"],
    sigma: Float[Tensor, " b"],
) -> Float[Tensor, "b ..."]:
    """Return the regression target u = a x_0 + b eps."""
    a, b = (expand_like(c, x_0) for c in coefficients(target, alpha, sigma))
    return a * x_0 + b * eps


def solve(
    target: Target,
    u: Float[Tensor, "b ..."],
    x_t: Float[Tensor, "b ..."],
    alpha: Float[Tensor, " b"],
    sigma: Float[Tensor, " b"],
) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
    """Return (x_0, eps) from x_t and a prediction u of the target."""
    a, b = (expand_like(c, x_t) for c in coefficients(target, alpha, sigma))
    alpha, sigma = expand_like(alpha, x_t), expand_like(sigma, x_t)
    det = alpha * b - sigma * a
    return (b * x_t - sigma * u) / det, (alpha * u - a * x_t) / det


def check_determined(target: Target, process: Any) -> None:
    """Check that the target determines x_0 at the last time, where sampling starts. Errors: ConfigError."""
    # on the device of the schedule: a CPU tensor indexed by one without values is uninitialised memory
    device = next((buffer.device for buffer in process.buffers()), torch.empty(0).device)
    last = torch.tensor([process.t_max], device=device)
    final = determinant(target, process.alpha(last), process.sigma(last))
    if not final.is_meta and not final.any():  # a model on the meta device has shapes, but no values
        raise ConfigError(
            f"target={target!r} does not determine x_0 at the last time of {type(process).__name__}, "
            "where alpha is 0: use 'v' or 'x0'"
        )


def determinant(
    target: Target, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]
) -> Float[Tensor, " b"]:
    """Return alpha b - sigma a. An error e of u is an error sigma e / (alpha b - sigma a) of x_0."""
    a, b = coefficients(target, alpha, sigma)
    return alpha * b - sigma * a


def coefficients(
    target: Target, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]
) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
    """Return (a, b) of the target u = a x_0 + b eps."""
    if isinstance(target, Preconditioned):
        return target.coefficients(alpha, sigma)
    zero, one = torch.zeros_like(alpha), torch.ones_like(alpha)
    table = {
        "x0": (one, zero),
        "eps": (zero, one),
        "v": (-sigma, alpha),
        "score": (zero, -1 / sigma),
        "velocity": (-one, one),
    }
    return table[target]


@extrapolate.register
def _(outputs: Denoised, scale: float | Tensor) -> Denoised:
    """Extrapolate x_0 and eps; the variance fraction is the conditional one's."""
    fraction = outputs.variance_fraction
    conditional = None if fraction is None else fraction.chunk(2)[1]
    return Denoised(extrapolate(outputs.x_0, scale), extrapolate(outputs.eps, scale), conditional)
