"""DCGAN: a generator of transposed convolutions and a discriminator of strided ones, normalized by batches.

    generator       (z, v) -> linear -> BN, ReLU -> [transposed conv 4 x 4 / 2 -> BN, ReLU] -> ... -> tanh
    discriminator   (x, v) -> conv 4 x 4 / 2 -> LReLU -> [conv 4 x 4 / 2 -> norm, LReLU] -> linear -> score

Unsupervised representation learning with deep convolutional generative adversarial networks, Radford, Metz &
Chintala, 2016 (section 3). The sides are halved until none exceeds 7 (64 becomes 4) or one is odd; with each
halving the channels are doubled. The score is a logit: the sigmoid of the paper is part of the loss.

A condition v is an input of both networks, as in Conditional generative adversarial nets, Mirza & Osindero,
2014: it is concatenated to z, and to the pixels of x as constant feature maps. The discriminator of a
condition thereby is the same network with more input channels, and may judge any relation of x and v, where a
projection (as in `ResNetCritic`) can only judge those that are linear in v.
"""

__all__ = ["DCGANDiscriminator", "DCGANGenerator"]

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.convnet import coarsest_size, halvings
from morphogen.networks.leaky_relu import LeakyReLU
from morphogen.networks.residual import group_norm

STD = 0.02  # of initial weights
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "batch": nn.BatchNorm2d,
    "group": group_norm,
    "none": nn.Identity,
}


class DCGANGenerator(Component, nn.Module):
    """DCGAN's generator of images in [-1, 1]: `forward(z, context)`, [B, latent] -> [B, *shape].

    The network of figure 1 of Radford et al. 2016. In training, batch normalization couples the rows of a
    batch. In evaluation it uses running statistics, so that a row depends on itself alone. `Plan(ema=...)`
    averages parameters, and not these statistics, which made no difference on digits (a Frechet distance of
    20.2 with the last statistics, 20.0 with those of the averaged weights, and 61 without averaging).

    Arguments:
        latent: dimension of z.
        shape: (channels, height, width) of the image.
        width: channels of the finest hidden scale, 64 in the public implementations.
        vector: width of `context.vector` (0: unconditional).

    Raises:
        ConfigError: if a side is odd, or no side exceeds 7.
    """

    def __init__(self, latent: int, shape: tuple[int, int, int], width: int = 64, vector: int = 0):
        super().__init__()
        self.latent, self.shape, self.width, self.vector = latent, tuple(shape), width, vector
        widths, size = _scales(self.shape, width)
        self.stem = nn.Linear(latent + vector, widths[-1] * math.prod(size), bias=False)
        self.unflatten = nn.Unflatten(1, (widths[-1], *size))
        layers: list[nn.Module] = []
        for coarse, fine in pairwise((*reversed(widths), shape[0])):
            layers += [nn.BatchNorm2d(coarse), nn.ReLU(inplace=True)]
            layers.append(nn.ConvTranspose2d(coarse, fine, 4, stride=2, padding=1, bias=False))
        self.body = nn.Sequential(*layers)
        self.apply(_initialize)

    def forward(self, z: Float[Tensor, "b d"], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        z = torch.cat([z, _vector(context, z, self.vector)], 1) if self.vector else z
        return self.body(self.unflatten(self.stem(z))).tanh()


class DCGANDiscriminator(Component, nn.Module):
    """DCGAN's discriminator: `forward(x, context)`, [B, *shape] -> scores [B] (Radford et al. 2016).

    Arguments:
        shape: (channels, height, width) of the image.
        width: channels of the finest hidden scale, 64 in the public implementations.
        vector: width of `context.vector` (0: unconditional).
        norm: normalization of all hidden layers but the first one: "batch" as in the paper; "group" or "none"
            for penalties of single rows, which refuse scores that depend on other rows.

    Raises:
        ConfigError: if a side is odd, or no side exceeds 7, or for an unknown normalization.
    """

    def __init__(
        self,
        shape: tuple[int, int, int],
        width: int = 64,
        vector: int = 0,
        norm: Literal["batch", "group", "none"] = "batch",
    ):
        super().__init__()
        if norm not in NORMS:
            raise ConfigError(f"DCGANDiscriminator: unknown norm {norm!r}: use {', '.join(NORMS)}")
        self.shape, self.width, self.vector, self.norm = tuple(shape), width, vector, norm
        widths, size = _scales(self.shape, width)
        bias = norm == "none"  # a normalization has its own
        layers: list[nn.Module] = []
        for i, (fine, coarse) in enumerate(pairwise((shape[0] + vector, *widths))):
            layers.append(nn.Conv2d(fine, coarse, 4, stride=2, padding=1, bias=bias))
            layers += [NORMS[norm](coarse) if i else nn.Identity(), LeakyReLU()]
        self.body = nn.Sequential(*layers)
        self.head = nn.Linear(widths[-1] * math.prod(size), 1, bias=False)
        self.apply(_initialize)

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, " b"]:
        if self.vector:
            maps = _vector(context, x, self.vector)[:, :, None, None].expand(-1, -1, *x.shape[2:])
            x = torch.cat([x, maps], 1)
        return self.head(self.body(x).flatten(1))[:, 0]


def _scales(shape: tuple[int, ...], width: int) -> tuple[tuple[int, ...], tuple[int, int]]:
    """Channels of the hidden scales, finest first, and the sides of the coarsest one. Errors: ConfigError."""
    times = halvings(shape)
    if times == 0:
        raise ConfigError(
            f"DCGAN: an image of {shape[1]} x {shape[2]} cannot be halved: give even sides, one above 7"
        )
    return tuple(width * 2**i for i in range(times)), coarsest_size(shape, (width,) * (times + 1))


def _vector(context: Context | None, rows: Float[Tensor, "b ..."], width: int) -> Float[Tensor, "b v"]:
    """The vector of a context; zeros without one."""
    vector = None if context is None else context.vector
    return rows.new_zeros(len(rows), width) if vector is None else vector


@torch.no_grad()
def _initialize(layer: nn.Module) -> None:
    """Draw weights from N(0, 0.02^2), and those of batch normalization from N(1, 0.02^2)."""
    if isinstance(layer, nn.Linear | nn.Conv2d | nn.ConvTranspose2d):
        layer.weight.normal_(0, STD)
    elif isinstance(layer, nn.BatchNorm2d):
        layer.weight.normal_(1, STD)
