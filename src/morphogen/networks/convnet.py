"""Plain residual convolutional networks between a picture and a latent: what an autoencoder needs.

    picture [B, C, H, W]  -> blocks, halved between scales ->  vector [B, D] or feature map [B, D, H / 2^s, W / 2^s]

The latent's shape says which: `(D,)` is reached through one linear map, `(D, h, w)` through one convolution, so that the
same two classes serve a VAE on digits and the first stage of latent diffusion. (Blocks: He et al. 2016.)
"""

__all__ = ["ConvDecoder", "ConvEncoder", "coarsest", "halvings"]

import math

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.positions import Places
from morphogen.networks.residual import ResidualBlock, activated, groups


class ConvEncoder(Component, nn.Module):
    """Picture to latent: `forward(x, context)`, [B, *shape] -> [B, *latent].

    Arguments:
        shape: (channels, height, width) of the picture.
        latent: what to return, (D,) or (D, h, w); a Gaussian posterior needs its mean and log sigma, so twice its channels.
        widths: channels of each scale; the picture is halved between two of them.
        blocks: residual blocks of each scale.
        vector: width of `context.vector` (0: unconditional).

    Errors: ConfigError where the picture cannot be halved so often, or (h, w) is not what the scales leave.
    """

    def __init__(
        self, shape: tuple[int, ...], latent: tuple[int, ...], widths: tuple[int, ...] = (32, 64),
        blocks: int = 1, vector: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.shape, self.latent, self.widths = tuple(shape), tuple(latent), tuple(widths)
        self.blocks, self.vector = blocks, vector
        small = _fitting(self.latent, coarsest(self.shape, self.widths))
        self.enter = nn.Conv2d(shape[0], widths[0], 3, padding=1)
        self.body = nn.ModuleList()
        for i, width in enumerate(self.widths):
            self.body.extend(ResidualBlock(width, width, vector) for _ in range(blocks))
            if i + 1 < len(self.widths):
                self.body.append(ResidualBlock(width, self.widths[i + 1], vector, resample="down"))
        self.norm, self.leave = groups(self.widths[-1]), _to_latent(self.widths[-1], small, self.latent)

    def forward(self, x: Float[Tensor, "b c h w"], context: Context | None = None) -> Float[Tensor, "b ..."]:
        h, vector = self.enter(x), _vector(context, self.vector)
        for block in self.body:
            h = block(h, vector)
        return self.leave(activated(self.norm, h))


class ConvDecoder(Component, nn.Module):
    """Latent to picture, `ConvEncoder` mirrored: `forward(z, context)`, [B, *latent] -> [B, *shape].

    Arguments:
        latent: shape of z, (D,) or (D, h, w).
        shape: (channels, height, width) of the result; a likelihood of C channels asks for `likelihood.outputs(C)` of them.
        widths: channels of each scale, the finest first as in the encoder; the picture is doubled between two of them.
        blocks: residual blocks of each scale.
        vector: width of `context.vector` (0: unconditional).

    Errors: ConfigError where the picture cannot be halved so often, or (h, w) is not what the scales leave.
    """

    def __init__(
        self, latent: tuple[int, ...], shape: tuple[int, ...], widths: tuple[int, ...] = (32, 64),
        blocks: int = 1, vector: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.latent, self.shape, self.widths = tuple(latent), tuple(shape), tuple(widths)
        self.blocks, self.vector = blocks, vector
        small = _fitting(self.latent, coarsest(self.shape, self.widths))
        self.enter = _from_latent(self.latent, self.widths[-1], small)
        self.places = Places(small, self.widths[-1], vector) if vector else None
        self.body = nn.ModuleList()
        for i, width in reversed(list(enumerate(self.widths))):
            self.body.extend(ResidualBlock(width, width, vector) for _ in range(blocks))
            if i > 0:
                self.body.append(ResidualBlock(width, self.widths[i - 1], vector, resample="up"))
        self.norm, self.leave = groups(self.widths[0]), nn.Conv2d(self.widths[0], shape[0], 3, padding=1)

    def forward(self, z: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        h, vector = self.enter(z), _vector(context, self.vector)
        h = h if self.places is None else self.places(h, vector)
        for block in self.body:
            h = block(h, vector)
        return self.leave(activated(self.norm, h))


def halvings(shape: tuple[int, ...], largest: int = 7) -> int:
    """How often to halve (channels, height, width) until no side is above `largest`, or one is odd: 8 -> 4, 28 -> 7, 32 -> 4."""
    sides, times = shape[1:], 0
    while max(sides) > largest and not any(side % 2 for side in sides):
        sides, times = tuple(side // 2 for side in sides), times + 1
    return times


def coarsest(shape: tuple[int, ...], widths: tuple[int, ...]) -> tuple[int, int]:
    """Height and width at the last of the scales, one for each of `widths`. Errors: ConfigError where halving leaves a half."""
    factor = 2 ** (len(widths) - 1)
    if shape[1] % factor or shape[2] % factor:
        raise ConfigError(f"a picture of {shape[1]} x {shape[2]} cannot be halved {len(widths) - 1} times; give fewer widths")
    return shape[1] // factor, shape[2] // factor


def _fitting(latent: tuple[int, ...], small: tuple[int, int]) -> tuple[int, int]:
    if len(latent) != 1 and latent[1:] != small:
        raise ConfigError(f"latent {latent} is neither (D,) nor (D, {small[0]}, {small[1]}), which the widths leave")
    return small


def _vector(context: Context | None, width: int) -> Tensor | None:
    return context.vector if width and context is not None else None


def _to_latent(channels: int, small: tuple[int, int], latent: tuple[int, ...]) -> nn.Module:
    if len(latent) == 1:
        return nn.Sequential(nn.Flatten(), nn.Linear(channels * math.prod(small), latent[0]))
    return nn.Conv2d(channels, latent[0], 3, padding=1)


def _from_latent(latent: tuple[int, ...], channels: int, small: tuple[int, int]) -> nn.Module:
    if len(latent) == 1:
        return nn.Sequential(nn.Linear(latent[0], channels * math.prod(small)), nn.Unflatten(1, (channels, *small)))
    return nn.Conv2d(latent[0], channels, 3, padding=1)
