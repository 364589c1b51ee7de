r"""The blocks of MobileNetV2 and EfficientNet: narrow -> wide -> narrow, depthwise where they are wide.

    expand 1 x 1 -> depthwise k x k -> squeeze and excitation -> project 1 x 1
    plus the input, where the shapes agree

Every convolution is followed by batch normalization and, except the projections, by an activation. Padding is
that of TensorFlow ("same": the odd pixel is added at the bottom and at the right), as published weights
require.

References: MobileNetV2: inverted residuals and linear bottlenecks, Sandler, Howard, Zhu, Zhmoginov & Chen,
2018; Squeeze-and-excitation networks, Hu, Shen & Sun, 2018.
"""

__all__ = ["ConvNorm", "InvertedResidual", "SqueezeExcitation"]

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

EPSILON = 1e-3  # of batch normalization, as published


class ConvNorm(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch normalization and an activation (Tan & Le 2019).

    Arguments:
        inputs, outputs: channels.
        kernel: side of the kernel.
        stride: of the convolution.
        groups: groups of channels; `inputs` for a depthwise convolution.
        activation: after the normalization; None: none.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1,
        activation: nn.Module | None = None,
    ):  # fmt: skip
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.activation = nn.Identity() if activation is None else activation

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        padding = []
        for size in (x.shape[3], x.shape[2]):
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            padding += [total // 2, total - total // 2]
        return self.activation(self.norm(self.conv(F.pad(x, padding))))


class InvertedResidual(nn.Module):
    """Narrow -> wide -> narrow, with a residual connection of the narrow ends (Sandler et al. 2018).

    Arguments:
        inputs, outputs: channels of the narrow ends.
        kernel, stride: of the depthwise convolution.
        expansion: wide channels per input channel; 1: the input is not expanded.
        activation: after the first two convolutions.
        squeeze: channels of the squeeze per input channel; 0: none.
    """

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int, activation: nn.Module,
        squeeze: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        wide = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        expand = [ConvNorm(inputs, wide, 1, activation=activation)] if expansion > 1 else []
        depthwise = ConvNorm(wide, wide, kernel, stride, wide, activation)
        gate = [SqueezeExcitation(wide, max(1, int(squeeze * inputs)), activation)] if squeeze else []
        self.layers = nn.Sequential(*expand, depthwise, *gate, ConvNorm(wide, outputs, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        h = self.layers(x)
        return x + h if self.residual else h


class SqueezeExcitation(nn.Module):
    """Scales each channel by a gate that sees the means of all channels (Hu et al. 2018).

    Arguments:
        channels: of the input.
        squeezed: hidden channels.
        activation: of the hidden channels.
    """

    def __init__(self, channels: int, squeezed: int, activation: nn.Module):
        super().__init__()
        self.reduce, self.activation = nn.Conv2d(channels, squeezed, 1), activation
        self.expand = nn.Conv2d(squeezed, channels, 1)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        mean = x.mean((2, 3), keepdim=True)
        return x * self.expand(self.activation(self.reduce(mean))).sigmoid()
