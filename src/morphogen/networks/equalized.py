r"""Layers with an equalized learning rate: the weights are N(0, 1), and are scaled in the forward pass.

    y = lr / sqrt(fan_in) W x + lr b,    W ~ N(0, 1 / lr^2)

Adam's steps have the same size for every weight. Scaled at run time, every layer moves by the same fraction
of its weights in a step ("Progressive growing of GANs", Karras et al. 2018, section 4.1). The activation
keeps the second moment of a normal input near 1.
"""

__all__ = ["EqualizedConv2d", "EqualizedLinear", "leaky_relu"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

SLOPE = 0.2  # of leaky ReLU below 0


def leaky_relu(x: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
    """sqrt(2) times leaky ReLU of slope 0.2 (Karras et al. 2020)."""
    return math.sqrt(2) * F.leaky_relu(x, SLOPE)


class EqualizedLinear(nn.Module):
    """Linear map with an equalized learning rate, [B, inputs] -> [B, outputs] (Karras et al. 2018).

    Arguments:
        inputs, outputs: numbers of features.
        bias: initial value of every bias; None: no bias.
        lr: factor on the learning rate of this layer; 0.01 in the mapping network of Karras et al. 2019.
    """

    def __init__(self, inputs: int, outputs: int, bias: float | None = 0.0, lr: float = 1.0):
        super().__init__()
        self.lr = lr
        self.weight = nn.Parameter(torch.randn(outputs, inputs) / lr)
        self.bias = None if bias is None else nn.Parameter(torch.full((outputs,), bias / lr))

    def forward(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b e"]:
        scale = self.lr / math.sqrt(self.weight.shape[1])
        return F.linear(x, scale * self.weight, None if self.bias is None else self.lr * self.bias)


class EqualizedConv2d(nn.Module):
    """Convolution with an equalized learning rate, [B, C, H, W] -> [B, D, h, w] (Karras et al. 2018).

    Arguments:
        channels_in, channels_out: numbers of channels.
        kernel: side of the kernel.
        stride: 2 halves the sides.
        padding: zeros on each side; None: kernel // 2.
        bias: whether a bias is added.
    """

    def __init__(
        self,
        channels_in: int,
        channels_out: int,
        kernel: int,
        stride: int = 1,
        padding: int | None = None,
        bias: bool = True,
    ):
        super().__init__()
        self.stride, self.padding = stride, kernel // 2 if padding is None else padding
        self.weight = nn.Parameter(torch.randn(channels_out, channels_in, kernel, kernel))
        self.bias = nn.Parameter(torch.zeros(channels_out)) if bias else None

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d u v"]:
        scale = 1 / math.sqrt(self.weight[0].numel())
        return F.conv2d(x, scale * self.weight, self.bias, self.stride, self.padding)
