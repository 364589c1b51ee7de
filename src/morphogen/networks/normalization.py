r"""Layer normalisation over the features of each position.

    LayerNorm   g (h - mean h) / sqrt(var h + eps) + b          (Ba, Kiros & Hinton 2016)
    RMSNorm     g h / sqrt(mean h^2 + eps)                      (Zhang & Sennrich 2019)

RMSNorm doesn't subtract the mean, which is small in the residual stream of a transformer.

Batch normalization (Ioffe & Szegedy 2015) is torch's. Its running statistics start at 0 and 1, which are far
from those of small initial weights: `first_statistics` starts them at those of a batch.
"""

__all__ = ["LayerNorm", "RMSNorm", "first_statistics"]

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from morphogen.component import Component
from morphogen.ownership import own_modules


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


@contextmanager
def first_statistics(network: nn.Module) -> Iterator[None]:
    """Within it, a forward pass sets the running statistics of batch normalization to its own."""
    norms = [part for part in own_modules(network) if isinstance(part, _BatchNorm)]
    before = [(norm, norm.momentum, norm.training) for norm in norms]
    try:
        for norm in norms:
            norm.momentum, norm.training = 1.0, True
        yield
    finally:
        for norm, momentum, training in before:
            norm.momentum, norm.training = momentum, training
