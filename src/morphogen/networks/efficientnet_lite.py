r"""EfficientNet-Lite0, a classifier of photographs whose pooled features describe other pictures too.

    stem     conv 3 x 3, stride 2
    block    expand 1 x 1 (x 6) -> depthwise k x k -> project 1 x 1, plus the input where shapes agree
    head     conv 1 x 1 to 1280 channels, mean over positions = the features, linear to 1000 classes

The blocks are those of `inverted_residual`, with ReLU6.

Reference: EfficientNet: rethinking model scaling for convolutional neural networks, Tan & Le, 2019. The Lite
variants have neither squeeze-and-excitation nor swish, which `efficientnet` has, and its stages are `B0`.
"""

__all__ = ["EfficientNetLite0"]

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.networks.efficientnet import B0, residual_blocks
from morphogen.networks.inverted_residual import ConvNorm

STEM, HEAD = 32, 1280


class EfficientNetLite0(Component, nn.Module):
    """EfficientNet-Lite0 (Tan & Le 2019), [B, 3, H, W] -> logits [B, classes]; H and W are multiples of 32.

    Arguments:
        classes: number of classes.
    """

    def __init__(self, classes: int = 1000):
        super().__init__()
        self.classes = classes
        self.stem = ConvNorm(3, STEM, 3, 2, activation=nn.ReLU6())
        self.blocks = residual_blocks(STEM, B0, nn.ReLU6())
        self.head = ConvNorm(B0[-1][-1], HEAD, 1, activation=nn.ReLU6())
        self.classify = nn.Linear(HEAD, classes)

    def features(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 1280"]:
        """Activations of the head, averaged over positions."""
        x = self.stem(x)
        for block in self.blocks:
            x = block(x)
        return self.head(x).mean((2, 3))

    def forward(self, x: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b k"]:
        return self.classify(self.features(x))
