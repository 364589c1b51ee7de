"""Residual generator and critic of WGAN-GP, conditioned by FiLM and by projection.

    generator   (z, v) -> linear -> residual blocks, doubled between scales, each modulated by v -> tanh
    critic      x -> residual blocks, halved between scales -> f(x), averaged over pixels
                D(x, v) = w . f(x) + (V v) . f(x)

References: Improved training of Wasserstein GANs, Gulrajani et al., 2017 (appendix F); cGANs with projection
discriminator, Miyato & Koyama, 2018. There is no batch normalisation, because a gradient penalty per row
requires a score that depends on that row alone.
"""

__all__ = ["ResNetCritic", "ResNetGenerator"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.convnet import coarsest_size
from morphogen.networks.residual import ResidualBlock, group_norm, norm_silu


class ResNetGenerator(Component, nn.Module):
    """Generator of images in [-1, 1]: `forward(z, context)`, [B, latent] -> [B, *shape].

    Arguments:
        latent: dimension of z.
        shape: (channels, height, width) of the image.
        widths: channels of each scale, finest first; the resolution is doubled between scales.
        vector: width of `context.vector` (0: unconditional), which is concatenated to z and modulates every
            block.

    Raises:
        ConfigError: if the image cannot be halved that often.
    """

    def __init__(
        self,
        latent: int,
        shape: tuple[int, ...],
        widths: tuple[int, ...] = (128, 128, 128, 128),
        vector: int = 0,
    ):
        super().__init__()
        self.latent, self.shape, self.widths, self.vector = latent, tuple(shape), tuple(widths), vector
        size = coarsest_size(self.shape, self.widths)
        self.stem = nn.Linear(latent + vector, widths[-1] * math.prod(size))
        self.unflatten = nn.Unflatten(1, (widths[-1], *size))
        fine_to_coarse = zip(self.widths[:-1], self.widths[1:], strict=True)
        self.body = nn.ModuleList(
            ResidualBlock(coarse, fine, vector, "up") for fine, coarse in reversed(list(fine_to_coarse))
        )
        self.norm, self.head = group_norm(widths[0]), nn.Conv2d(widths[0], shape[0], 3, padding=1)

    def forward(self, z: Float[Tensor, "b d"], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        vector = context.vector if self.vector and context is not None else None
        if self.vector:
            z = torch.cat([z, z.new_zeros(len(z), self.vector) if vector is None else vector], 1)
        h = self.unflatten(self.stem(z))
        for block in self.body:
            h = block(h, vector)
        return self.head(norm_silu(self.norm, h)).tanh()


class ResNetCritic(Component, nn.Module):
    """Critic of images with a projection of the condition: `forward(x, context)`, [B, *shape] -> scores [B].

    Arguments:
        shape: (channels, height, width) of the image.
        widths: channels of each scale, finest first; the resolution is halved between scales.
        blocks: residual blocks at the coarsest scale.
        vector: width of `context.vector` (0: unconditional), which is projected onto the features.

    Raises:
        ConfigError: if the image cannot be halved that often.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        widths: tuple[int, ...] = (128, 128, 128),
        blocks: int = 2,
        vector: int = 0,
    ):
        super().__init__()
        self.shape, self.widths, self.blocks, self.vector = tuple(shape), tuple(widths), blocks, vector
        coarsest_size(self.shape, self.widths)  # raises ConfigError if the image cannot be halved
        self.stem = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        scales = zip(self.widths[:-1], self.widths[1:], strict=True)
        self.body = nn.ModuleList(ResidualBlock(fine, coarse, resample="down") for fine, coarse in scales)
        self.body.extend(ResidualBlock(widths[-1], widths[-1]) for _ in range(blocks))
        self.head = nn.Linear(widths[-1], 1, bias=False)  # a bias would cancel in every difference of scores
        self.project = nn.Linear(vector, widths[-1], bias=False) if vector else None

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, " b"]:
        h = self.stem(x)
        for block in self.body:
            h = block(h)
        f = F.silu(h).mean((2, 3))
        score = self.head(f)[:, 0]
        if self.project is not None and context is not None and context.vector is not None:
            score = score + (self.project(context.vector) * f).sum(1)
        return score
