r"""Efficient U-Net, the network of Imagen's upsamplers: most blocks work at low resolution.

    h_0 = stem(x),     h_l = blocks_l(down_l(h_(l-1)))                       n_l blocks, at 1/2^l of the sides
    u_l = up_l(blocks'_l([u_(l+1), h_l / sqrt 2])),     out(u_1)

A level downsamples before its blocks and upsamples after them, so that no block works at the resolution of x;
coarse levels have more blocks than fine ones, and there is one skip connection per level.

Photorealistic text-to-image diffusion models with deep language understanding, Saharia et al., 2022, section
2.3 and appendix B.1; the factor 1 / sqrt 2 after Song et al. 2021.
"""

__all__ = ["EfficientUNet"]

import math

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.axes import pad_to_multiple
from morphogen.networks.joint_attention import JointAttention
from morphogen.networks.positions import TimeEmbedding
from morphogen.networks.residual import ResidualBlock, group_norm, norm_silu


class EfficientUNet(Component, nn.Module):
    """Efficient U-Net (Saharia et al. 2022): (x [B, C, H, W], t [B], context) -> [B, C, H, W]; 0 at first.

    Sides that are not multiples of 2^levels are padded with zeros, and the output is cropped.

    Arguments:
        shape: (C, H, W) of x.
        channels: of the stem, even, and of the first level.
        multipliers: of `channels` at each level, finest first; level l = 1, 2, ... has 1 / 2^l of the sides.
        blocks: residual blocks of each level, on the down path and on the up path.
        attention: heights H / 2^l at which attention to positions, and to tokens if there are any, follows
            the blocks.
        heads: attention heads, a divisor of the channels.
        vector: widths of `context.vector` and of `context.tokens`; 0: none.
        dropout: in every block.

    Raises ConfigError for another number of blocks than of levels.
    """

    def __init__(
        self, shape: tuple[int, int, int], channels: int, multipliers: tuple[int, ...],
        blocks: tuple[int, ...], attention: tuple[int, ...] = (), heads: int = 1,
        vector: tuple[int, int] = (0, 0), dropout: float = 0.0,
    ):  # fmt: skip
        super().__init__()
        if len(blocks) != len(multipliers):
            raise ConfigError(f"EfficientUNet: blocks {blocks} are not one number for each of {multipliers}")
        self.shape, self.channels, self.multipliers = tuple(shape), channels, tuple(multipliers)
        self.blocks, self.attention, self.heads = tuple(blocks), tuple(attention), heads
        self.vector, self.dropout = tuple(vector), dropout
        width, (vector_width, _) = 4 * channels, self.vector
        self.time = TimeEmbedding(channels, width)
        self.condition = nn.Linear(vector_width, width) if vector_width else None
        self.stem = nn.Conv2d(shape[0], channels, 3, padding=1)
        levels = [channels * multiplier for multiplier in multipliers]
        above = [channels, *levels[:-1]]
        self.down = nn.ModuleList(
            nn.Conv2d(c, d, 3, stride=2, padding=1) for c, d in zip(above, levels, strict=True)
        )
        self.down_levels = nn.ModuleList(self._level(i, d, d) for i, d in enumerate(levels))
        below = [*levels[1:], levels[-1]]
        inputs = [c + d for c, d in zip(below, levels, strict=True)]
        self.up_levels = nn.ModuleList(
            self._level(i, c, d) for i, (c, d) in enumerate(zip(inputs, levels, strict=True))
        )
        self.up = nn.ModuleList(nn.Conv2d(d, d, 3, padding=1) for d in levels)
        self.norm, self.out = group_norm(levels[0]), nn.Conv2d(levels[0], shape[0], 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Float[Tensor, "b c h w"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b c h w"]:
        vector, (height, width) = self._embed(t, context), x.shape[2:]
        h, skips = self.stem(pad_to_multiple(x, 2 ** len(self.multipliers))), []
        for down, level in zip(self.down, self.down_levels, strict=True):
            h = level(down(h), vector, context)
            skips.append(h)
        for up, level in zip(reversed(self.up), reversed(self.up_levels), strict=True):
            h = level(torch.cat([h, skips.pop() / math.sqrt(2)], 1), vector, context)
            h = up(F.interpolate(h, scale_factor=2.0, mode="nearest"))
        return self.out(norm_silu(self.norm, h))[:, :, :height, :width]

    def _embed(self, t: Tensor, context: Context | None) -> Tensor:
        """The time, and the condition's vector if there is one."""
        vector = None if context is None else context.vector
        if self.condition is None or vector is None:
            return F.silu(self.time(t))
        return F.silu(self.time(t) + self.condition(vector))

    def _level(self, level: int, channels_in: int, channels_out: int) -> "_Level":
        """The blocks of a level, of which the first changes the number of channels."""
        widths = [channels_in] + [channels_out] * (self.blocks[level] - 1)
        blocks = [ResidualBlock(w, channels_out, 4 * self.channels, None, self.dropout) for w in widths]
        attends = self.shape[1] // 2 ** (level + 1) in self.attention
        attention = JointAttention(channels_out, self.heads, self.vector[1]) if attends else None
        return _Level(blocks, attention)


class _Level(nn.Module):
    """Residual blocks of one resolution, then attention, if there is any."""

    def __init__(self, blocks: list[ResidualBlock], attention: nn.Module | None):
        super().__init__()
        self.blocks, self.attention = nn.ModuleList(blocks), attention

    def forward(self, h: Tensor, vector: Tensor, context: Context | None) -> Tensor:
        for block in self.blocks:
            h = block(h, vector)
        return h if self.attention is None else self.attention(h, context)
