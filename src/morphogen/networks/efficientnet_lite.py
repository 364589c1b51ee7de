r"""EfficientNet-Lite0, a classifier of photographs whose pooled features describe other pictures too.

    stem     conv 3 x 3, stride 2
    block    expand 1 x 1 (x 6) -> depthwise k x k -> project 1 x 1, plus the input where shapes agree
    head     conv 1 x 1 to 1280 channels, mean over positions = the features, linear to 1000 classes

Every convolution is followed by batch normalization and, except the projections, by ReLU6. Padding is that of
TensorFlow ("same": the odd pixel is added at the bottom and at the right), as the published weights require.

References: MobileNetV2: inverted residuals and linear bottlenecks, Sandler, Howard, Zhu, Zhmoginov & Chen,
2018; EfficientNet: rethinking model scaling for convolutional neural networks, Tan & Le, 2019. The Lite
variants have neither squeeze-and-excitation nor swish.
"""

__all__ = ["EfficientNetLite0"]

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component

# blocks, kernel size, stride of the first block, expansion, output channels
STAGES = (
    (1, 3, 1, 1, 16),
    (2, 3, 2, 6, 24),
    (2, 5, 2, 6, 40),
    (3, 3, 2, 6, 80),
    (3, 5, 1, 6, 112),
    (4, 5, 2, 6, 192),
    (1, 3, 1, 6, 320),
)
STEM, HEAD = 32, 1280
EPSILON = 1e-3  # of batch normalization, as published


class EfficientNetLite0(Component, nn.Module):
    """EfficientNet-Lite0 (Tan & Le 2019), [B, 3, H, W] -> logits [B, classes]; H and W are multiples of 32.

    Arguments:
        classes: number of classes.
    """

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.classes, width = classes, STEM
        self.stem = _Conv(3, STEM, 3, stride=2, relu6=True)
        self.blocks = nn.ModuleList()
        for repeats, kernel, stride, expansion, out in STAGES:
            for i in range(repeats):
                self.blocks.append(_InvertedResidual(width, out, kernel, 1 if i else stride, expansion))
                width = out
        self.head = _Conv(width, HEAD, 1, relu6=True)
        self.classify = nn.Linear(HEAD, classes)

    def features(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        """Activations of the head, averaged over positions."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x).mean((2, 3))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k"]:
        return self.classify(self.features(x))


class _Conv(nn.Module):
    """Convolution with TensorFlow's "same" padding, batch normalization, and ReLU6 if `relu6`."""

    def __init__(
        self, inputs: int, outputs: int, kernel: int, stride: int = 1, groups: int = 1, relu6: bool = False
    ):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, stride, groups=groups, bias=False)
        self.norm = nn.BatchNorm2d(outputs, eps=EPSILON)
        self.activation = nn.ReLU6() if relu6 else nn.Identity()

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        kernel, stride = self.conv.kernel_size[0], self.conv.stride[0]
        padding = []
        for size in (x.shape[3], x.shape[2]):
            total = max(0, (-(-size // stride) - 1) * stride + kernel - size)
            padding += [total // 2, total - total // 2]
        return self.activation(self.norm(self.conv(F.pad(x, padding))))


class _InvertedResidual(nn.Module):
    """Narrow -> wide -> narrow, with a residual connection of the narrow ends (Sandler et al. 2018)."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, expansion: int):
        super().__init__()
        wide = inputs * expansion
        self.residual = stride == 1 and inputs == outputs
        expand = [_Conv(inputs, wide, 1, relu6=True)] if expansion > 1 else []
        depthwise = _Conv(wide, wide, kernel, stride, groups=wide, relu6=True)
        self.layers = nn.Sequential(*expand, depthwise, _Conv(wide, outputs, 1))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d i j"]:
        h = self.layers(x)
        return x + h if self.residual else h
