r"""The residual generator of CycleGAN: a picture from a picture of the same size.

    x -- conv 7 x 7 -- [conv 3 x 3 / 2] -- residual blocks -- [transposed conv 3 x 3 / 2] -- conv -- tanh

Unpaired image-to-image translation using cycle-consistent adversarial networks, Zhu, Park, Isola & Efros,
2017 (appendix 7.2); the network is that of Perceptual losses for real-time style transfer, Johnson, Alahi &
Fei-Fei, 2016. Every convolution but the last is followed by instance normalization and ReLU, a residual block
is x + norm(conv(relu(norm(conv(x))))), and borders are reflected.
"""

__all__ = ["TranslationResNet"]

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.networks.convnet import coarsest_size

STD = 0.02  # of initial weights


class TranslationResNet(Component, nn.Module):
    """Picture in [-1, 1] of a picture: `forward(x)`, [B, channels, H, W] -> [B, *shape] (Zhu et al. 2017).

    Arguments:
        shape: (channels, height, width) of the output.
        channels: of the input, whose sides are those of the output.
        widths: channels of each scale, finest first; the sides are halved between scales.
        blocks: residual blocks at the coarsest scale (6 in the paper for 128 x 128 pixels, 9 for more).
        kernel: side of the kernels of the first and the last convolution, odd (7 in the paper).

    Errors: ConfigError if the picture cannot be halved that often.
    """

    def __init__(
        self, shape: tuple[int, int, int], channels: int, widths: tuple[int, ...] = (64, 128, 256),
        blocks: int = 9, kernel: int = 7,
    ):  # fmt: skip
        super().__init__()
        self.shape, self.channels, self.widths = tuple(shape), channels, tuple(widths)
        self.blocks, self.kernel = blocks, kernel
        coarsest_size(self.shape, self.widths)  # raises ConfigError if the picture cannot be halved
        layers: list[nn.Module] = [_reflected(channels, widths[0], kernel), *_norm_relu(widths[0])]
        for fine, coarse in pairwise(self.widths):
            layers += [nn.Conv2d(fine, coarse, 3, stride=2, padding=1, bias=False), *_norm_relu(coarse)]
        layers += [_Block(widths[-1]) for _ in range(blocks)]
        for coarse, fine in pairwise(reversed(self.widths)):
            doubled = nn.ConvTranspose2d(coarse, fine, 3, stride=2, padding=1, output_padding=1, bias=False)
            layers += [doubled, *_norm_relu(fine)]
        self.body = nn.Sequential(*layers)
        self.head = _reflected(widths[0], shape[0], kernel, bias=True)
        self.apply(_initialize)

    def forward(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b c h w"]:
        return self.head(self.body(x)).tanh()


class _Block(nn.Module):
    """x + norm(conv(relu(norm(conv(x)))))."""

    def __init__(self, width: int):
        super().__init__()
        second = (_reflected(width, width, 3), nn.InstanceNorm2d(width, affine=True))
        self.body = nn.Sequential(_reflected(width, width, 3), *_norm_relu(width), *second)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        return x + self.body(x)


def _reflected(before: int, after: int, kernel: int, bias: bool = False) -> nn.Conv2d:
    """A convolution that keeps the sides. A norm after it has the bias."""
    return nn.Conv2d(before, after, kernel, padding=kernel // 2, padding_mode="reflect", bias=bias)


def _norm_relu(width: int) -> list[nn.Module]:
    return [nn.InstanceNorm2d(width, affine=True), nn.ReLU(inplace=True)]


@torch.no_grad()
def _initialize(layer: nn.Module) -> None:
    """Draw the weights of convolutions from N(0, 0.02^2)."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        layer.weight.normal_(0, STD)
