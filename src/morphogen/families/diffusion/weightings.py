r"""How much an error counts at each level of noise: w(t) |x_0 - the network's x_0|^2, whatever the network says of x_t.

An error of the target u by e is one of x_0 by sigma e / (alpha b - sigma a) (`targets.py`), so a law of weights is written once for x_0.
Without one, errors of u count alike ("simple", Ho et al. 2020): of eps that is w = snr, of v it is w = snr + 1.
"""

__all__ = ["BoundWeight", "EDMWeight", "MinSNR", "Weighting"]

from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Real
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.families.diffusion.processes import EDM, ForwardProcess
from morphogen.families.diffusion.schedules import NoiseSchedule


class Weighting(Component, ABC):
    """w, of a process at times t."""

    @abstractmethod
    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]: ...


class MinSNR(Weighting):
    """w = min(snr, gamma), snr = (alpha / sigma)^2 (Efficient diffusion training via min-SNR weighting, Hang et al. 2023).

    Arguments:
        gamma: 1 counts all errors of x_0 alike until noise drowns them; infinity is "simple" for eps.
    """

    def __init__(self, gamma: float = 5.0):
        self.gamma = gamma

    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        return (process.alpha(t) / process.sigma(t)).square().clamp_max(self.gamma)


class EDMWeight(Weighting):
    """w = (sigma^2 + d^2) / (sigma d)^2 for alpha = 1: errors of F count alike (Karras et al. 2022, table 1).

    Arguments:
        data_std: d.
    """

    def __init__(self, data_std: float = 0.5):
        self.data_std = data_std

    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        return self.data_std**-2 + (process.alpha(t) / process.sigma(t)).square()


class BoundWeight(Weighting):
    """The bound's own: errors count as much as they take from log p. What Sohl-Dickstein et al. (2015) descend, Ho et al. let go of.

    Of a chain, T times a random term: w = T b^2 / (2 v), with b and v the weight of x_0 in, and the variance of, q(x_{t-1} | x_t, x_0);
    at t = 1, T / (2 sigma_1^2) (Ho et al. 2020, eq. 12). In continuous time, w = -last / 2 dsnr/dt (Kingma, Salimans, Poole & Ho 2021,
    Variational diffusion models, eq. 17; g^2 times the score's error in Song, Durkan, Murray & Ermon 2021).

    Raises ConfigError for EDM, which draws its times unevenly.
    """

    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        if isinstance(process, EDM):
            raise ConfigError("BoundWeight: EDM draws its times unevenly; take EDMWeight, or another process")
        if not isinstance(process, NoiseSchedule):
            with torch.enable_grad():
                t = t.detach().double().requires_grad_()
                (slope,) = torch.autograd.grad(process.ratio(t).pow(-2).sum(), t)
            return (-process.last / 2 * slope).to(torch.get_default_dtype())
        q, first = process.posterior(t - 1, t), process.sigma(torch.ones_like(t)).square()
        return process.steps / 2 * torch.where(t > 1, q.on_x_0.square() / q.posterior.clamp_min(1e-20), 1 / first)
