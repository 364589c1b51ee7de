r"""Loss weightings over time: w(t) |x_0 - predicted x_0|^2, for every prediction target.

An error e of the target u is an error sigma e / (alpha b - sigma a) of x_0 (`targets.py`), so a weighting
is defined once, for x_0. Without a weighting, the squared error of u itself is the loss ("simple", Ho et al.
2020): for eps that is w = snr, for v it is w = snr + 1.
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
    """Base class of loss weightings: w(t) of the squared error of x_0."""

    @abstractmethod
    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]: ...


class MinSNR(Weighting):
    """Min-SNR weighting: w = min(snr, gamma), snr = (alpha / sigma)^2.

    Efficient diffusion training via min-SNR weighting strategy, Hang et al., 2023.

    Arguments:
        gamma: cap of the weight; 1 weights errors of x_0 uniformly where snr >= 1; infinity is the "simple"
            loss of eps.
    """

    def __init__(self, gamma: float = 5.0):
        self.gamma = gamma

    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        return (process.alpha(t) / process.sigma(t)).square().clamp_max(self.gamma)


class EDMWeight(Weighting):
    """EDM weighting: w = (sigma^2 + d^2) / (sigma d)^2 for alpha = 1, uniform in the error of the network F.

    Karras et al., 2022, table 1.

    Arguments:
        data_std: d, the standard deviation of the data.
    """

    def __init__(self, data_std: float = 0.5):
        self.data_std = data_std

    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        return self.data_std**-2 + (process.alpha(t) / process.sigma(t)).square()


class BoundWeight(Weighting):
    """The weighting of the variational bound: the expected loss is the bound (Sohl-Dickstein et al. 2015).

    In a discrete chain the loss is T times a random term: w = T b^2 / (2 v), where b is the weight of x_0 in
    q(x_{t-1} | x_t, x_0) and v its variance. At t = 1, w = T / (2 sigma_1^2) (Ho et al. 2020, eq. 12). In
    continuous time, w = -t_max / 2 dsnr/dt (Variational diffusion models, Kingma, Salimans, Poole & Ho 2021,
    eq. 17; g^2 times the error of the score in Song, Durkan, Murray & Ermon 2021).

    Raises ConfigError for EDM, whose training times are not uniform.
    """

    def __call__(self, process: ForwardProcess, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        if isinstance(process, EDM):
            raise ConfigError(
                "BoundWeight requires uniform training times, and EDM samples ln sigma: "
                "use EDMWeight or another process"
            )
        if not isinstance(process, NoiseSchedule):
            with torch.enable_grad():
                t = t.detach().double().requires_grad_()
                snr = process.ratio(t).pow(-2)
                (derivative,) = torch.autograd.grad(snr.sum(), t)
            return (-process.t_max / 2 * derivative).to(torch.get_default_dtype())
        q = process.posterior(t - 1, t)
        inner = q.on_x_0.square() / q.posterior.clamp_min(1e-20)
        first = 1 / process.sigma(torch.ones_like(t)).square()
        return process.steps / 2 * torch.where(t > 1, inner, first)
