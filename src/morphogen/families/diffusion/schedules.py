r"""How fast data turn into noise: a table of T + 1 levels, t = 0 data, t = T (almost) noise.

    q(x_t | x_0) = N(alpha_t x_0, sigma_t^2 I),   alpha_t^2 = prod_{s <= t} (1 - beta_s),   sigma_t^2 = 1 - alpha_t^2

All a family needs follows from that one table (Sohl-Dickstein et al. 2015; Ho, Jain & Abbeel 2020, eqs. 4-7), for neighbours
t-1, t and for any s < t alike: the strided chains of fast samplers are the same formula. The table is kept and worked in fp64,
since 1 - alpha_t^2 cancels near the data; what leaves it has torch's default dtype.
"""

__all__ = ["CosineAlphas", "LinearBetas", "NoiseSchedule", "Posterior"]

import math
from abc import ABC
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component


class Posterior(NamedTuple):
    """q(x_s | x_t, x_0) = N(on_x_t x_t + on_x_0 x_0, posterior), and q(x_t | x_s) = N(.., beta)."""

    on_x_t: Float[Tensor, " b"]
    on_x_0: Float[Tensor, " b"]
    posterior: Float[Tensor, " b"]  # variance of x_s once x_0 is known: right for a single point of data
    beta: Float[Tensor, " b"]  # variance of the forward step: right for data ~ N(0, I)


class NoiseSchedule(Component, nn.Module, ABC):
    """The levels of noise; a subclass gives the betas.

    Arguments:
        betas: variance added at t = 1 .. T, in (0, 1), fp64 [T].
    """

    steps: int
    signal: Float[Tensor, " t"]

    def __init__(self, betas: Float[Tensor, " t"]):
        super().__init__()
        self.register_buffer("signal", torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)]), persistent=False)  # alpha_t^2

    def alpha(self, t: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """alpha_t, 1 at t = 0."""
        return self.signal[t].sqrt().to(torch.get_default_dtype())

    def sigma(self, t: Int[Tensor, " b"]) -> Float[Tensor, " b"]:
        """sigma_t, 0 at t = 0."""
        return (1 - self.signal[t]).sqrt().to(torch.get_default_dtype())

    def posterior(self, s: Int[Tensor, " b"], t: Int[Tensor, " b"]) -> Posterior:
        """One step back, from t to s < t (Ho et al. 2020, eq. 7, with any stride)."""
        noise_s, noise_t = 1 - self.signal[s], 1 - self.signal[t]
        ratio = self.signal[t] / self.signal[s]
        beta = 1 - ratio
        found = (ratio.sqrt() * noise_s / noise_t, self.signal[s].sqrt() * beta / noise_t, beta * noise_s / noise_t, beta)
        return Posterior(*(coefficient.to(torch.get_default_dtype()) for coefficient in found))


class LinearBetas(NoiseSchedule):
    r"""beta_t rises evenly (Denoising diffusion probabilistic models, Ho, Jain & Abbeel 2020, section 4).

    A chain of fewer steps than the paper's needs larger ones to end in noise: multiply both ends by 1000 / steps.

    Arguments:
        start, end: beta_1 and beta_T, in (0, 1).
        steps: T.
    """

    def __init__(self, start: float = 1e-4, end: float = 0.02, steps: int = 1000):
        super().__init__(torch.linspace(start, end, steps, dtype=torch.float64))
        self.start, self.end, self.steps = start, end, steps


class CosineAlphas(NoiseSchedule):
    r"""alpha_t^2 = f(t) / f(0), f(t) = cos^2((t / T + s) / (1 + s) pi / 2), s = 0.008, beta_t <= 0.999.

    Spends less of the chain near pure noise (Improved denoising diffusion probabilistic models, Nichol & Dhariwal 2021, eq. 17).

    Arguments:
        steps: T.
    """

    def __init__(self, steps: int = 1000):
        progress = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        f = torch.cos((progress + 0.008) / 1.008 * (math.pi / 2)).square()
        super().__init__((1 - f[1:] / f[:-1]).clamp_max(0.999))
        self.steps = steps
