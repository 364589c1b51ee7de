"""Residual convolutional encoder and decoder between an image and a latent, for autoencoders.

    image [B, C, H, W] -> residual blocks, halved between scales -> latent [B, D] or [B, D, H / 2^s, W / 2^s]

The shape of the latent selects the output: (D,) uses a linear map, (D, h, w) a convolution. The same two
classes serve a VAE of digits and the first stage of latent diffusion. (Blocks: He et al. 2016.)
"""

__all__ = ["ConvDecoder", "ConvEncoder", "coarsest_size", "halvings"]

import math

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.positions import PositionBias
from morphogen.networks.residual import ResidualBlock, group_norm, norm_silu


class ConvEncoder(Component, nn.Module):
    """Image to latent: `forward(x, context)`, [B, *shape] -> [B, *latent] (blocks: He et al. 2016).

    Arguments:
        shape: (channels, height, width) of the image.
        latent: shape of the output, (D,) or (D, h, w). A Gaussian posterior needs a mean and a log sigma,
            hence twice the channels of z.
        widths: channels of each scale, finest first; the resolution is halved between scales.
        blocks: residual blocks per scale.
        vector: width of `context.vector` (0: unconditional).

    Raises:
        ConfigError: if the image cannot be halved that often, or (h, w) is not the resolution of the coarsest
            scale.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        latent: tuple[int, ...],
        widths: tuple[int, ...] = (32, 64),
        blocks: int = 1,
        vector: int = 0,
    ):
        super().__init__()
        self.shape, self.latent, self.widths = tuple(shape), tuple(latent), tuple(widths)
        self.blocks, self.vector = blocks, vector
        size = _checked_size(self.latent, coarsest_size(self.shape, self.widths))
        self.stem = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        self.body = nn.ModuleList()
        for i, width in enumerate(self.widths):
            self.body.extend(ResidualBlock(width, width, vector) for _ in range(blocks))
            if i + 1 < len(self.widths):
                self.body.append(ResidualBlock(width, self.widths[i + 1], vector, resample="down"))
        self.norm, self.head = group_norm(self.widths[-1]), _to_latent(self.widths[-1], size, self.latent)

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, "b ..."]:
        h, vector = self.stem(x), _vector(context, self.vector)
        for block in self.body:
            h = block(h, vector)
        return self.head(norm_silu(self.norm, h))


class ConvDecoder(Component, nn.Module):
    """Latent to image, the mirror of `ConvEncoder`: `forward(z, context)`, [B, *latent] -> [B, *shape].

    Arguments:
        latent: shape of z, (D,) or (D, h, w).
        shape: (channels, height, width) of the output; an observation model of C channels needs
            `likelihood.outputs(C)`.
        widths: channels of each scale, finest first as in the encoder; the resolution is doubled between
            scales.
        blocks: residual blocks per scale.
        vector: width of `context.vector` (0: unconditional).

    Raises:
        ConfigError: if the image cannot be halved that often, or (h, w) is not the resolution of the coarsest
            scale.
    """

    def __init__(
        self,
        latent: tuple[int, ...],
        shape: tuple[int, ...],
        widths: tuple[int, ...] = (32, 64),
        blocks: int = 1,
        vector: int = 0,
    ):
        super().__init__()
        self.latent, self.shape, self.widths = tuple(latent), tuple(shape), tuple(widths)
        self.blocks, self.vector = blocks, vector
        size = _checked_size(self.latent, coarsest_size(self.shape, self.widths))
        self.stem = _from_latent(self.latent, self.widths[-1], size)
        self.position_bias = PositionBias(size, self.widths[-1], vector) if vector else None
        self.body = nn.ModuleList()
        for i, width in reversed(list(enumerate(self.widths))):
            self.body.extend(ResidualBlock(width, width, vector) for _ in range(blocks))
            if i > 0:
                self.body.append(ResidualBlock(width, self.widths[i - 1], vector, resample="up"))
        self.norm, self.head = group_norm(self.widths[0]), nn.Conv2d(self.widths[0], shape[0], 3, padding=1)

    def forward(self, z: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        h, vector = self.stem(z), _vector(context, self.vector)
        h = h if self.position_bias is None else self.position_bias(h, vector)
        for block in self.body:
            h = block(h, vector)
        return self.head(norm_silu(self.norm, h))


def halvings(shape: tuple[int, ...], largest: int = 7) -> int:
    """How often to halve (channels, height, width) until no side exceeds `largest` or a side is odd.

    Sides of 8, 28 and 32 become 4, 7 and 4.
    """
    sides, times = shape[1:], 0
    while max(sides) > largest and not any(side % 2 for side in sides):
        sides, times = tuple(side // 2 for side in sides), times + 1
    return times


def coarsest_size(shape: tuple[int, ...], widths: tuple[int, ...]) -> tuple[int, int]:
    """Height and width at the coarsest of `len(widths)` scales.

    Errors: ConfigError if a side is not divisible by 2^(scales - 1).
    """
    factor = 2 ** (len(widths) - 1)
    if shape[1] % factor or shape[2] % factor:
        raise ConfigError(
            f"an image of {shape[1]} x {shape[2]} cannot be halved {len(widths) - 1} times: give fewer widths"
        )
    return shape[1] // factor, shape[2] // factor


def _checked_size(latent: tuple[int, ...], size: tuple[int, int]) -> tuple[int, int]:
    """`size`, the resolution of the coarsest scale. Errors: ConfigError for a feature map of another size."""
    if len(latent) != 1 and latent[1:] != size:
        raise ConfigError(
            f"latent {latent} does not match the coarsest scale: give (D,) or (D, {size[0]}, {size[1]})"
        )
    return size


def _vector(context: Context | None, width: int) -> Tensor | None:
    return context.vector if width and context is not None else None


def _to_latent(channels: int, size: tuple[int, int], latent: tuple[int, ...]) -> nn.Module:
    if len(latent) == 1:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * math.prod(size), latent[0]))
    return nn.Conv2d(channels, latent[0], 3, padding=1)


def _from_latent(latent: tuple[int, ...], channels: int, size: tuple[int, int]) -> nn.Module:
    if len(latent) == 1:
        linear = nn.Linear(latent[0], channels * math.prod(size))
        return nn.Sequential(linear, nn.Unflatten(1, (channels, *size)))
    return nn.Conv2d(latent[0], channels, 3, padding=1)
