"""Low-pass filter of a picture before its sides are halved, and after they are doubled.

    blur(x) = x * f,   f = (1, 3, 3, 1) x (1, 3, 3, 1) / 64

A shift of the input by one pixel then shifts the output without aliasing ("Making convolutional networks
shift-invariant again", Zhang 2019; Karras et al. 2019). Zeros between the pixels followed by 4 f are bilinear
interpolation.
"""

__all__ = ["Blur"]

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
