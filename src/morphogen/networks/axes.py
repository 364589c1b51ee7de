"""Operations on signals [B, C, L] and images [B, C, H, W] alike: convolution class, resampling, patches.

Networks built from these functions accept one or two axes besides the channels. A patch becomes one position
with patch^axes C channels (space to depth, Shi et al. 2016).
"""

__all__ = [
    "avg_pool", "channels_last", "conv_class", "pad_to_multiple", "patchify", "unpatchify",
    "upsample_nearest",
]  # fmt: skip

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

_CONVOLUTIONS: dict[int, type[nn.Conv1d | nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}


def conv_class(axes: int) -> type[nn.Conv1d | nn.Conv2d]:
    """`nn.Conv1d` or `nn.Conv2d`, for 1 or 2 axes."""
    return _CONVOLUTIONS[axes]


def channels_last(x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
    """The same pictures with the channels of a pixel adjacent in memory, which speeds up convolutions."""
    return x.contiguous(memory_format=torch.channels_last) if x.ndim == 4 else x


def avg_pool(x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
    """Halve each side by average pooling."""
    return F.avg_pool2d(x, 2) if x.ndim == 4 else F.avg_pool1d(x, 2)


def upsample_nearest(x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
    """Double each side by nearest-neighbour interpolation."""
    if x.ndim == 4 and x.is_contiguous(memory_format=torch.channels_last):
        return F.interpolate(x, scale_factor=2.0)  # slow in other layouts
    x = torch.repeat_interleave(x, 2, -1)
    return torch.repeat_interleave(x, 2, -2) if x.ndim == 4 else x


def pad_to_multiple(x: Float[Tensor, "b c ..."], unit: int) -> Float[Tensor, "b c ..."]:
    """x with zeros after each axis, to a multiple of `unit`."""
    last_first = [pad for side in reversed(x.shape[2:]) for pad in (0, -side % unit)]  # as `F.pad` expects
    return F.pad(x, last_first)


def patchify(x: Float[Tensor, "b c ..."], patch: int) -> Float[Tensor, "b d ..."]:
    """Fold patches into channels: C becomes patch^axes C, with the pixels of one channel adjacent."""
    if patch == 1:
        return x
    if x.ndim == 4:
        return F.pixel_unshuffle(x, patch)
    return x.unflatten(2, (-1, patch)).transpose(2, 3).flatten(1, 2)


def unpatchify(x: Float[Tensor, "b d ..."], patch: int) -> Float[Tensor, "b c ..."]:
    """The inverse of `patchify`."""
    if patch == 1:
        return x
    if x.ndim == 4:
        return F.pixel_shuffle(x, patch)
    return x.unflatten(1, (-1, patch)).transpose(2, 3).flatten(2)
