"""What depends on how many axes x has besides its channels: one in a sound or a series [B, C, L], two in a picture [B, C, H, W].

Whoever is built of these reads either by the same lines. Patches are one place of patch^axes C channels (space to depth, Shi et al. 2016).
"""

__all__ = ["averaged", "convolution", "folded", "repeated", "unfolded"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

_CONVOLUTIONS: dict[int, type[nn.Conv1d | nn.Conv2d]] = {1: nn.Conv1d, 2: nn.Conv2d}


def convolution(axes: int) -> type[nn.Conv1d | nn.Conv2d]:
    """The class of convolutions over so many axes, 1 or 2."""
    return _CONVOLUTIONS[axes]


def averaged(x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
    """Every side halved: the means of neighbouring pairs, or of 2 x 2."""
    return F.avg_pool2d(x, 2) if x.ndim == 4 else F.avg_pool1d(x, 2)


def repeated(x: Float[Tensor, "b c ..."]) -> Float[Tensor, "b c ..."]:
    """Every side doubled: each value twice, or 2 x 2 times."""
    x = torch.repeat_interleave(x, 2, -1)
    return torch.repeat_interleave(x, 2, -2) if x.ndim == 4 else x


def folded(x: Float[Tensor, "b c ..."], patch: int) -> Float[Tensor, "b d ..."]:
    """Patches to single places: `patch` or patch^2 times the channels, a channel's places side by side."""
    return F.pixel_unshuffle(x, patch) if x.ndim == 4 else x.unflatten(2, (-1, patch)).transpose(2, 3).flatten(1, 2)


def unfolded(x: Float[Tensor, "b d ..."], patch: int) -> Float[Tensor, "b c ..."]:
    """The inverse of `folded`."""
    return F.pixel_shuffle(x, patch) if x.ndim == 4 else x.unflatten(1, (-1, patch)).transpose(2, 3).flatten(2)
