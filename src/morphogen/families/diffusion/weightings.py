r"""How much an error counts at each level of noise: w(t) |x_0 - the network's x_0|^2, whatever the network says of x_t.

An error of the target u by e is one of x_0 by sigma e / (alpha b - sigma a) (`targets.py`), so a law of weights is written once for x_0.
Without one, errors of u count alike ("simple", Ho et al. 2020): of eps that is w = snr, of v it is w = snr + 1.
"""

__all__ = ["EDMWeight", "MinSNR", "Weighting"]

from abc import ABC, abstractmethod

from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component


class Weighting(Component, ABC):
    """w, of alpha and sigma."""

    @abstractmethod
    def __call__(self, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]: ...


class MinSNR(Weighting):
    """w = min(snr, gamma), snr = (alpha / sigma)^2 (Efficient diffusion training via min-SNR weighting, Hang et al. 2023).

    Arguments:
        gamma: 1 counts all errors of x_0 alike until noise drowns them; infinity is "simple" for eps.
    """

    def __init__(self, gamma: float = 5.0):
        self.gamma = gamma

    def __call__(self, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        return (alpha / sigma).square().clamp_max(self.gamma)


class EDMWeight(Weighting):
    """w = (sigma^2 + d^2) / (sigma d)^2 for alpha = 1: errors of F count alike (Karras et al. 2022, table 1).

    Arguments:
        data_std: d.
    """

    def __init__(self, data_std: float = 0.5):
        self.data_std = data_std

    def __call__(self, alpha: Float[Tensor, " b"], sigma: Float[Tensor, " b"]) -> Float[Tensor, " b"]:
        return self.data_std**-2 + (alpha / sigma).square()
