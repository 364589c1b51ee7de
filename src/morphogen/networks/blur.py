"""Low-pass filters of pictures: before sides are halved or after they are doubled, and of any width.

    Blur             x * f,   f = (1, 3, 3, 1) x (1, 3, 3, 1) / 64
    gaussian_blur    x * N(0, std^2)

A shift of the input by one pixel then shifts the output without aliasing ("Making convolutional networks
shift-invariant again", Zhang 2019; Karras et al. 2019). Zeros between the pixels followed by 4 f are bilinear
interpolation.
"""

__all__ = ["Blur", "gaussian_blur"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class Blur(nn.Module):
    """Convolution of every channel with the filter (1, 3, 3, 1) (Zhang 2019).

    Arguments:
        padding: zeros on each side; a side of n becomes n + 2 padding - 3.
        stride: 2 keeps every second pixel.
        gain: the sum of the filter; 4 after zeros were put between the pixels.
    """

    kernel: Float[Tensor, "4 4"]

    def __init__(self, padding: int, stride: int = 1, gain: float = 1.0):
        super().__init__()
        self.padding, self.stride = padding, stride
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", gain * torch.outer(taps, taps), persistent=False)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c u v"]:
        kernel = self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(x, kernel, stride=self.stride, padding=self.padding, groups=x.shape[1])


def gaussian_blur(
    x: Float[Tensor, "b c h w"], std: Float[Tensor, " b"], reach: int
) -> Float[Tensor, "b c h w"]:
    """Convolution with a Gaussian of each row's standard deviation in pixels; the border is repeated.

    Arguments:
        x: pictures.
        std: at least 0; 0: no blur.
        reach: pixels on each side that the kernel covers; the same for all rows.
    """
    offsets = torch.arange(-reach, reach + 1, device=x.device, dtype=x.dtype)
    weights = (-0.5 * (offsets / std[:, None].clamp_min(1e-4)).square()).softmax(1)
    for axis in (2, 3):
        side = x.shape[axis]
        at = (torch.arange(side, device=x.device) + offsets.long()[:, None]).clamp(0, side - 1)
        shifted = x.index_select(axis, at.flatten()).unflatten(axis, at.shape)
        x = (weights.view(len(x), *[1] * (axis - 1), -1, *[1] * (4 - axis)) * shifted).sum(axis)
    return x
