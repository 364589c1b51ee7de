r"""Layers with an equalized learning rate: the weights are N(0, 1), and are scaled in the forward pass.

    y = gain (lr / sqrt(fan_in) W x + lr b),    W ~ N(0, 1 / lr^2)

Adam's steps have the same size for every weight. Scaled at run time, every layer moves by the same fraction
of its weights in a step ("Progressive growing of GANs", Karras et al. 2018, section 4.1). A layer before a
leaky ReLU of slope 0.2 has the gain sqrt(2), which keeps the second moment of its output near 1.
"""

__all__ = ["LEAKY_GAIN", "EqualizedConv2d", "EqualizedLinear"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

LEAKY_GAIN = math.sqrt(2)  # of the layer before it (Karras et al. 2020)


class EqualizedLinear(nn.Module):
    """Linear map with an equalized learning rate, [B, inputs] -> [B, outputs] (Karras et al. 2018).

    Arguments:
        inputs, outputs: numbers of features.
        bias: initial value of every bias; None: no bias.
        lr: factor on the learning rate of this layer; 0.01 in the mapping network of Karras et al. 2019.
        gain: factor on the output.
    """

    def __init__(
        self, inputs: int, outputs: int, bias: float | None = 0.0, lr: float = 1.0, gain: float = 1.0
    ):
        super().__init__()
        self.lr, self.gain = lr, gain
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias / lr))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        lr = self.gain * self.lr
        weight = lr / math.sqrt(self.weight.shape[1]) * self.weight
        return F.linear(x, weight, None if self.bias is None else lr * self.bias)


class EqualizedConv2d(nn.Module):
    """Convolution with an equalized learning rate, [B, C, H, W] -> [B, D, h, w] (Karras et al. 2018).

    Arguments:
        channels_in, channels_out: numbers of channels.
        kernel: side of the kernel.
        stride: 2 halves the sides.
        padding: zeros on each side; None: kernel // 2.
        bias: whether a bias is added.
        gain: factor on the output.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
        gain: float = 1.0,
    ):
        super().__init__()
        self.gain, self.stride, self.padding = gain, stride, kernel // 2 if padding is None else padding
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d u v"]:
        weight = self.gain / math.sqrt(self.weight[0].numel()) * self.weight
        bias = None if self.bias is None else self.gain * self.bias
        return F.conv2d(x, weight, bias, self.stride, self.padding)
