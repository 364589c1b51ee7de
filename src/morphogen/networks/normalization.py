r"""Normalisation over the features of each position, and over groups of channels of all positions.

    LayerNorm   g (h - mean h) / sqrt(var h + eps) + b          (Ba, Kiros & Hinton 2016)
    RMSNorm     g h / sqrt(mean h^2 + eps)                      (Zhang & Sennrich 2019)
    GroupNorm   as LayerNorm, for each group of channels        (Wu & He 2018)

RMSNorm doesn't subtract the mean, which is small in the residual stream of a transformer.

Batch normalization (Ioffe & Szegedy 2015) is torch's. Its running statistics start at 0 and 1, which are far
from those of small initial weights: `first_statistics` starts them at those of a batch.
"""

__all__ = ["GroupNorm", "LayerNorm", "RMSNorm", "first_statistics", "normalization_layout"]

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F
from torch.nn.modules.batchnorm import _BatchNorm

from morphogen.component import Component
from morphogen.native.kernels import available
from morphogen.networks.axes import channels_last
from morphogen.numerics.tensors import expand_like
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


class GroupNorm(nn.GroupNorm):
    """Group normalisation with what follows it in networks: act((1 + scale) norm(x + added) + shift).

    Statistics are those of a group of channels of one row, so that rows are independent (Wu & He 2018).
    Pictures in channels-last layout are normalised by a kernel of ours on a CPU, in one operation.
    """

    def forward(
        self, x: Float[Tensor, "b c ..."], added: Float[Tensor, "b c"] | None = None,
        film: tuple[Float[Tensor, "b c"], Float[Tensor, "b c"]] | None = None, silu: bool = False,
    ) -> Float[Tensor, "b c ..."]:  # fmt: skip
        """x normalised; `added` comes before, and scale and shift (`film`) and silu after it."""
        scale, shift = film if film is not None else (None, None)
        if _suits(self, x):
            y: Tensor = torch.ops.morphogen.group_norm(
                x, added, self.weight, self.bias, scale, shift, self.num_groups, self.eps, silu
            )[0]
            return y
        h = super().forward(x if added is None else x + expand_like(added, x))
        if film is not None:
            h = h * (1 + expand_like(film[0], h)) + expand_like(film[1], h)
        return F.silu(h) if silu else h


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


def normalization_layout(x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
    """x in the layout in which `GroupNorm` is fastest: channels-last where its kernel normalises pictures."""
    return channels_last(x) if _is_picture(x) and available("group_norm") else x


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


def _suits(norm: nn.GroupNorm, x: Tensor) -> bool:
    """Whether the kernel normalises x, which must be in channels-last layout."""
    if not _is_picture(x) or not x.is_contiguous(memory_format=torch.channels_last):
        return False
    differentiates = torch.is_grad_enabled() and (x.requires_grad or norm.weight.requires_grad)
    return available("group_norm") and (not differentiates or available("group_norm_backward"))


def _is_picture(x: Tensor) -> bool:
    """Whether x is a batch of pictures that the kernel can read."""
    return x.ndim == 4 and x.device.type == "cpu" and x.dtype in (torch.float32, torch.bfloat16)
