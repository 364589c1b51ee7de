r"""The U-Net generator of pix2pix: a picture from a picture of the same size, with dropout as its noise.

    c -- [conv 4 x 4 / 2, norm, leaky ReLU] -- ... -- [transposed conv 4 x 4 / 2, norm, dropout, ReLU] -- tanh
             |                                                  ^
             +--------------- concatenated ---------------------+

Image-to-image translation with conditional adversarial networks, Isola, Zhu, Zhou & Efros, 2017 (section
3.2.1, appendix 6.1.1). Every scale of the encoder is concatenated to the same scale of the decoder, so that
edges need not pass through the bottleneck. The noise of the paper is dropout of the coarsest scales of the
decoder, in sampling as in training. Here its masks are functions of a latent z, whose rows are independent:

    h -> (1 + sign z) h,   z ~ N(0, I)        0 or 2 h with probability 1/2 each; h itself at temperature 0

Each picture is normalized by itself (instance normalization), as the paper's batch normalization does with
batches of one.
"""

__all__ = ["TranslationUNet"]

from collections.abc import Mapping
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.concat_condition import required_planes
from morphogen.networks.convnet import coarsest_size
from morphogen.networks.leaky_relu import leaky_relu

STD = 0.02  # of initial weights


class TranslationUNet(Component, nn.Module):
    """Picture in [-1, 1] of a picture: `forward(z, context)`, c = `context.spatial` -> [B, *shape].

    The U-Net of Isola et al. 2017.

    Arguments:
        shape: (channels, height, width) of the picture.
        channels: of `context.spatial`, whose sides are those of the picture.
        widths: channels of each scale of the encoder, finest first; each halves the sides.
        dropped: number of scales of the decoder with dropout, coarsest first (3 in the paper); at most one
            less than the scales.

    Attributes:
        latent: shapes of the parts of z by name, for `Adversarial`.

    Errors: ConfigError if the picture cannot be halved that often, or for too many scales with dropout; in
    `forward`, without a condition.
    """

    def __init__(self, shape: tuple[int, int, int], channels: int, widths: tuple[int, ...], dropped: int = 3):
        super().__init__()
        self.shape, self.channels, self.widths, self.dropped = tuple(shape), channels, tuple(widths), dropped
        height, width = coarsest_size(self.shape, (0, *self.widths))
        if not 0 <= dropped < len(widths):
            raise ConfigError(f"TranslationUNet: dropped={dropped}: give 0 to {len(widths) - 1}")
        outputs = (*reversed(self.widths[:-1]), shape[0])  # of the decoder
        self.latent = {
            f"dropout {i}": (outputs[i], height * 2 ** (i + 1), width * 2 ** (i + 1)) for i in range(dropped)
        }
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        last = len(self.widths) - 1
        for i, (before, after) in enumerate(pairwise((channels, *self.widths))):
            is_normed = 0 < i < last  # a norm of a single pixel would be 0
            halve = nn.Conv2d(before, after, 4, stride=2, padding=1, bias=not is_normed)
            self.down.append(nn.Sequential(halve, _norm(after) if is_normed else nn.Identity()))
        for i, after in enumerate(outputs):
            before = self.widths[-1] if i == 0 else 2 * outputs[i - 1]
            double = nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=i == last)
            self.up.append(nn.Sequential(double, nn.Identity() if i == last else _norm(after)))
        self.apply(_initialize)

    def forward(
        self, z: Mapping[str, Float[Tensor, "b ..."]], context: Context | None = None
    ) -> Float[Tensor, "b c h w"]:
        h, skips = required_planes(self, context, (self.channels, *self.shape[1:])), []
        for i, layer in enumerate(self.down):
            h = layer(leaky_relu(h) if i else h)
            skips.append(h)
        h = skips.pop()
        for i, layer in enumerate(self.up):
            h = layer(F.relu(h))
            h = h * (1 + z[f"dropout {i}"].sign()).to(h.dtype) if i < self.dropped else h
            h = torch.cat([h, skips.pop()], 1) if skips else h
        return h.tanh()


def _norm(channels: int) -> nn.Module:
    return nn.InstanceNorm2d(channels, affine=True)


@torch.no_grad()
def _initialize(layer: nn.Module) -> None:
    """Draw weights from N(0, 0.02^2), and those of a norm from N(1, 0.02^2)."""
    if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
        layer.weight.normal_(0, STD)
    elif isinstance(layer, nn.InstanceNorm2d):
        layer.weight.normal_(1, STD)
