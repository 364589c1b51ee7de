"""The residual generator and critic of WGAN-GP, with the label where Miyato & Koyama put it.

    generator   (z, v) -> linear -> blocks, doubled between scales, each heard by v -> tanh
    critic      x -> blocks, halved between scales -> f(x) averaged over places;  D(x, v) = w . f(x) + (V v) . f(x)

Gulrajani et al. 2017, appendix F; "cGANs with projection discriminator" (Miyato & Koyama 2018). No batch normalisation: a
penalty on the gradient of each row's score asks that a row's score be its own.
"""

__all__ = ["ResNetCritic", "ResNetGenerator"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.convnet import coarsest
from morphogen.networks.residual import ResidualBlock, activated, groups


class ResNetGenerator(Component, nn.Module):
    """Noise to picture in [-1, 1]: `forward(z, context)`, [B, latent] -> [B, *shape].

    Arguments:
        latent: numbers in z.
        shape: (channels, height, width) of the picture.
        widths: channels of each scale, the finest first; the picture is doubled between two of them.
        vector: width of `context.vector` (0: unconditional), which enters beside z and in every block.

    Errors: ConfigError where the picture cannot be halved so often.
    """

    def __init__(self, latent: int, shape: tuple[int, ...], widths: tuple[int, ...] = (128, 128, 128, 128), vector: int = 0):
        super().__init__()
        self.latent, self.shape, self.widths, self.vector = latent, tuple(shape), tuple(widths), vector
        small = coarsest(self.shape, self.widths)
        self.enter = nn.Linear(latent + vector, widths[-1] * math.prod(small))
        self.unfold = nn.Unflatten(1, (widths[-1], *small))
        fine_to_coarse = zip(self.widths[:-1], self.widths[1:], strict=True)
        self.body = nn.ModuleList(ResidualBlock(coarse, fine, vector, "up") for fine, coarse in reversed(list(fine_to_coarse)))
        self.norm, self.leave = groups(widths[0]), nn.Conv2d(widths[0], shape[0], 3, padding=1)

    def forward(self, z: Float[Tensor, "b d"], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        vector = context.vector if self.vector and context is not None else None
        if self.vector:
            z = torch.cat([z, z.new_zeros(len(z), self.vector) if vector is None else vector], 1)
        h = self.unfold(self.enter(z))
        for block in self.body:
            h = block(h, vector)
        return self.leave(activated(self.norm, h)).tanh()


class ResNetCritic(Component, nn.Module):
    """Picture to score: `forward(x, context)`, [B, *shape] -> [B].

    Arguments:
        shape: (channels, height, width) of the picture.
        widths: channels of each scale, the finest first; the picture is halved between two of them.
        blocks: residual blocks at the coarsest scale.
        vector: width of `context.vector` (0: unconditional), projected on the features.

    Errors: ConfigError where the picture cannot be halved so often.
    """

    def __init__(self, shape: tuple[int, ...], widths: tuple[int, ...] = (128, 128, 128), blocks: int = 2, vector: int = 0):
        super().__init__()
        self.shape, self.widths, self.blocks, self.vector = tuple(shape), tuple(widths), blocks, vector
        coarsest(self.shape, self.widths)  # refuses what cannot be halved
        self.enter = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        scales = zip(self.widths[:-1], self.widths[1:], strict=True)
        self.body = nn.ModuleList(ResidualBlock(fine, coarse, resample="down") for fine, coarse in scales)
        self.body.extend(ResidualBlock(widths[-1], widths[-1]) for _ in range(blocks))
        self.leave = nn.Linear(widths[-1], 1, bias=False)  # a constant cancels in every difference of scores
        self.project = nn.Linear(vector, widths[-1], bias=False) if vector else None

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, " b"]:
        h = self.enter(x)
        for block in self.body:
            h = block(h)
        f = F.silu(h).mean((2, 3))
        score = self.leave(f)[:, 0]
        if self.project is not None and context is not None and context.vector is not None:
            score = score + (self.project(context.vector) * f).sum(1)
        return score
