r"""A perceptual distance of images: that of their features in the layers of a network.

    d(x, y) = sum_l mean_places || f_l(x) / |f_l(x)| - f_l(y) / |f_l(y)| ||^2

f_l are the channels at one place of layer l, which are normalised to length 1. In LPIPS (Zhang et al. 2018)
the network is a trained classifier of photographs, with a learned weight for each channel. The discriminator
of the same training has features too (Larsen et al. 2016), and needs no other data.

References: The unreasonable effectiveness of deep features as a perceptual metric, Zhang, Isola, Efros,
Shechtman & Wang, 2018; Autoencoding beyond pixels using a learned similarity metric, Larsen, Sonderby,
Larochelle & Winther, 2016.
"""

__all__ = ["FeatureDistance", "Layered"]

from collections.abc import Sequence
from typing import Any, Protocol

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component


class Layered(Protocol):
    """A network whose hidden layers can be read, such as `PatchDiscriminator`."""

    def features(self, x: Float[Tensor, "b ..."]) -> Sequence[Float[Tensor, "b d ..."]]:
        """The outputs of its layers."""


class FeatureDistance(Component, nn.Module):
    """d(x, y) over the layers of a network, which it does not train (Zhang et al. 2018).

    Arguments:
        network: a `Layered` network; the discriminator itself, or one with trained weights.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network: Any = network

    def forward(self, x: Float[Tensor, "b ..."], y: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """The distance of each row, differentiable in y."""
        with torch.no_grad():
            target = self.network.features(x)
        layers = zip(target, self.network.features(y), strict=True)
        return torch.stack([_distance(of_x, of_y) for of_x, of_y in layers]).sum(0)


def _distance(a: Float[Tensor, "b d ..."], b: Float[Tensor, "b d ..."]) -> Float[Tensor, " b"]:
    """The mean over places of the squared distance of unit vectors."""
    squared = (F.normalize(a, dim=1) - F.normalize(b, dim=1)).square().sum(1)
    return squared.flatten(1).mean(1)
