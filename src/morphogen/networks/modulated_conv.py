r"""Convolution whose weights are scaled by a style and normalized: the building block of StyleGAN2.

    s = A w + b                                     a scale of each input channel
    W'_oik = s_i W_oik                              modulation
    W''_oik = W'_oik / sqrt(sum_ik W'_oik^2 + eps)  demodulation: variance 1 in, variance 1 out

"Analyzing and improving the image quality of StyleGAN" (Karras et al. 2020, section 2.2, equations 1 and 3).
Each row has weights of its own, which is a grouped convolution. The same result, from one convolution with
shared weights, is the input times s_i and the output divided by the norm of W'_o: both are linear.

    >>> conv = ModulatedConv2d(3, 5, style=4)
    >>> x, w = torch.randn(2, 3, 8, 8), torch.randn(2, 4)
    >>> s = conv.affine(w)
    >>> weight = s[:, None, :, None, None] * conv.weight / 27**0.5
    >>> weight = weight / (weight.square().sum((2, 3, 4), keepdim=True) + EPS).sqrt()
    >>> grouped = F.conv2d(x.flatten(0, 1)[None], weight.flatten(0, 1), padding=1, groups=2)
    >>> torch.allclose(conv(x, w), grouped[0].unflatten(0, (2, 5)), atol=1e-5)
    True
"""

__all__ = ["ModulatedConv2d"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.networks.blur import Blur
from morphogen.networks.equalized import EqualizedLinear

EPS = 1e-8


class ModulatedConv2d(nn.Module):
    """Modulated convolution, x [B, C, H, W], w [B, style] -> [B, D, H, W], without bias (Karras et al. 2020).

    Arguments:
        channels_in, channels_out: numbers of channels.
        style: dimension of w.
        kernel: side of the kernel, odd.
        demodulate: whether the weights are normalized; not in layers that output pixels.
        up: whether the sides are doubled: zeros between the pixels, the convolution, and the filter of
            bilinear interpolation.
        gain: factor on the output.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        style: int,
        kernel: int = 3,
        demodulate: bool = True,
        up: bool = False,
        gain: float = 1.0,
    ):
        super().__init__()
        self.kernel, self.demodulate, self.gain = kernel, demodulate, gain
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, kernel, kernel))
        self.affine = EqualizedLinear(style, channels_in, bias=1.0)
        self.blur = Blur(padding=1, gain=4.0) if up else None

    def forward(self, x: Float[Tensor, "b c h w"], style: Float[Tensor, "b d"]) -> Float[Tensor, "b e u v"]:
        scale = self.affine(style)
        weight = self.weight / math.sqrt(self.weight[0].numel())
        y = self._convolve(x * scale[:, :, None, None], weight)
        if not self.demodulate:
            return self.gain * y
        norm2 = F.linear(scale.square(), weight.square().sum((2, 3)))  # sum over i, k of (s_i W_oik)^2
        return y * (self.gain * (norm2 + EPS).rsqrt())[:, :, None, None]

    def _convolve(self, x: Tensor, weight: Tensor) -> Tensor:
        if self.blur is None:
            return F.conv2d(x, weight, padding=self.kernel // 2)
        return self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
