r"""Layer normalisation over the features of each position.

    LayerNorm   g (h - mean h) / sqrt(var h + eps) + b          (Ba, Kiros & Hinton 2016)
    RMSNorm     g h / sqrt(mean h^2 + eps)                      (Zhang & Sennrich 2019)

RMSNorm doesn't subtract the mean, which is small in the residual stream of a transformer.
"""

__all__ = ["LayerNorm", "RMSNorm"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component


class LayerNorm(Component, nn.Module):
    """Normalises the features to mean 0 and variance 1, then applies a gain and a bias (Ba et al. 2016).

    Arguments:
        width: D of h [..., D].
        bias: whether there is a bias.
        eps: added to the variance.
    """

    def __init__(self, width: int, bias: bool = True, eps: float = 1e-5):
        super().__init__()
        self.width, self.eps = width, eps
        self.weight = nn.Parameter(torch.ones(width))
        self.shift = nn.Parameter(torch.zeros(width)) if bias else None

    @property
    def bias(self) -> bool:
        """Whether there is a bias."""
        return self.shift is not None

    def forward(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return F.layer_norm(h, (self.width,), self.weight, self.shift, self.eps)


class RMSNorm(Component, nn.Module):
    """Normalises the features to root mean square 1, then applies a gain (Zhang & Sennrich 2019).

    Arguments:
        width: D of h [..., D].
        eps: added to the mean square.
    """

    def __init__(self, width: int, eps: float = 1e-5):
        super().__init__()
        self.width, self.eps = width, eps
        self.weight = nn.Parameter(torch.ones(width))

    def forward(self, h: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
        return F.rms_norm(h, (self.width,), self.weight, self.eps)
