"""Translation of pictures by whole pixels, differentiable in the picture."""

__all__ = ["translated"]

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F


def translated(
    x: Float[Tensor, "b c h w"], down: Int[Tensor, " b"], right: Int[Tensor, " b"], most: tuple[int, int],
    background: float,
) -> Float[Tensor, "b c h w"]:  # fmt: skip
    """Shift each picture down and right by whole pixels.

    Arguments:
        x: pictures.
        down, right: pixels, in -most[0] .. most[0] and -most[1] .. most[1].
        most: see there.
        background: value of the pixels shifted in.
    """
    b, _, h, w = x.shape
    padded = F.pad(x, (most[1], most[1], most[0], most[0]), value=background)
    rows = (most[0] - down)[:, None] + torch.arange(h, device=x.device)
    columns = (most[1] - right)[:, None] + torch.arange(w, device=x.device)
    at = torch.arange(b, device=x.device)[:, None, None]
    return padded[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)
