r"""The U-Net: down to a small picture and up again, each level handing its detail across.

    x -- blocks -- down -- ... -- middle -- ... -- up -- blocks(with what the way down kept) -- out

(Ronneberger, Fischer & Brox 2015; with residual blocks, attention and time as in Ho, Jain & Abbeel 2020, appendix B; what
later ones changed in the parts stands in `unet_designs.py`.) A sound or a series has one axis where a picture has two, and the same
network. A text is heard wherever the places see each other: each asks its tokens (Rombach et al. 2022; Saharia et al. 2022).
"""

__all__ = ["UNet"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.attention import GridAttention
from morphogen.networks.axes import convolution, folded, unfolded
from morphogen.networks.positions import TimeEmbedding
from morphogen.networks.residual import activated, groups
from morphogen.networks.token_attention import GridTokenAttention
from morphogen.networks.unet_designs import DESIGNS, Design


class UNet(Component, nn.Module):
    """(x [B, C, H, W] or [B, C, L], t [B] in [0, 1], context) -> the same shape; 0 at the start.

    Sides that are no multiple of 2^(levels - 1) patches are padded with zeros on the way in and cropped on the way out. A context without
    tokens, or a row of which all are masked, goes past the attention to them.

    Arguments:
        shape: (C, H, W) of x, or (C, L).
        channels: of the finest level, even.
        multipliers: of `channels` at each level, finest first; each level halves the sides.
        blocks: residual blocks a level on the way down; one more on the way up.
        attention: heights H / 2^level (lengths L / 2^level), counted in patches, at which attention follows each block; the middle always
            has it, unless heads is 0.
        heads: of the attention, dividing the channels it sees.
        vector: width of `context.vector`, or of it and of `context.tokens`, as (vector, tokens); 0: the network does not hear it.
        dropout: in every block.
        patch: patch x patch pixels are read as one place of patch^2 C channels (in a line, of patch C), and written back (Hoogeboom, Heek
            & Salimans 2023).
        design: of the blocks: "ddpm" is Ho et al.'s network, "adm" Dhariwal & Nichol's (2021), which hears its vector more strongly.

    Raises:
        ConfigError: for a design that is none, for a shape of other axes, and for tokens without attention (heads 0).
    """

    def __init__(
        self, shape: tuple[int, ...], channels: int, multipliers: tuple[int, ...], blocks: int = 2,
        attention: tuple[int, ...] = (), heads: int = 1, vector: int | tuple[int, int] = 0, dropout: float = 0.0,
        patch: int = 1, design: Design = "adm",
    ):  # fmt: skip
        super().__init__()
        if design not in DESIGNS:
            raise ConfigError(f"UNet: design {design!r} is not known; take {' or '.join(sorted(DESIGNS))}")
        if len(shape) not in (2, 3):
            raise ConfigError(f"UNet: shape {tuple(shape)} is neither (C, L) nor (C, H, W)")
        self.shape, self.channels, self.multipliers, self.blocks = tuple(shape), channels, tuple(multipliers), blocks
        self.attention, self.heads, self.vector, self.dropout = tuple(attention), heads, vector, dropout
        self.patch, self.design, self.axes = patch, design, len(shape) - 1
        told, self.tokens = vector if isinstance(vector, tuple) else (vector, 0)
        if self.tokens and not heads:
            raise ConfigError(f"UNet: tokens of width {self.tokens} are heard by attention, and heads is 0; take at least 1")
        pixels, width, conv = shape[0] * patch**self.axes, 4 * channels, convolution(self.axes)
        self.time = TimeEmbedding(channels, width)
        self.condition = nn.Linear(told, width) if told else None
        self.stem = conv(pixels, channels, 3, padding=1)
        self.descent, self.ascent = nn.ModuleList(), nn.ModuleList()
        kept = self._build_descent()
        coarsest, finest = channels * multipliers[-1], channels * multipliers[0]
        self.middle = nn.ModuleList([self._stage(coarsest, coarsest, heads), self._stage(coarsest, coarsest, 0)])
        self._build_ascent(kept)
        self.norm, self.out = groups(finest, DESIGNS[design].group(finest)), conv(finest, pixels, 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None) -> Float[Tensor, "b c *n"]:
        vector = F.silu(self._heard(t, context))
        unit, sides = self.patch * 2 ** (len(self.multipliers) - 1), x.shape[2:]
        missing = [pad for side in reversed(sides) for pad in (0, -side % unit)]  # behind each side, as `F.pad` counts: the last first
        h = self.stem(folded(F.pad(x, missing), self.patch))
        kept = [h]
        for stage in self.descent:
            h = stage(h, vector, context)
            kept.append(h)
        for stage in self.middle:
            h = stage(h, vector, context)
        for stage in self.ascent:
            h = stage(h if stage.resizes else torch.cat([h, kept.pop()], 1), vector, context)
        return unfolded(self.out(activated(self.norm, h)), self.patch)[(slice(None), slice(None), *(slice(side) for side in sides))]

    def _heard(self, t: Tensor, context: Context | None) -> Tensor:
        """What the blocks hear: the time, and the condition if there is one."""
        told = None if context is None else context.vector
        return self.time(t) if self.condition is None or told is None else self.time(t) + self.condition(told)

    def _build_descent(self) -> list[int]:
        """Blocks, then a halving, level by level; the channels of all that is kept on the way."""
        kept = [self.channels]
        for level, multiplier in enumerate(self.multipliers):
            for _ in range(self.blocks):
                self.descent.append(self._stage(kept[-1], self.channels * multiplier, self._heads(level)))
                kept.append(self.channels * multiplier)
            if level < len(self.multipliers) - 1:
                self.descent.append(_Stage(DESIGNS[self.design].down(kept[-1], 4 * self.channels, self.dropout, self.axes), resizes=True))
                kept.append(kept[-1])
        return kept

    def _build_ascent(self, kept: list[int]) -> None:
        """As the descent, backwards: one more block a level, since the halving's result was kept too."""
        here = kept[-1]
        for level, multiplier in reversed(list(enumerate(self.multipliers))):
            for _ in range(self.blocks + 1):
                self.ascent.append(self._stage(here + kept.pop(), self.channels * multiplier, self._heads(level)))
                here = self.channels * multiplier
            if level:
                self.ascent.append(_Stage(DESIGNS[self.design].up(here, 4 * self.channels, self.dropout, self.axes), resizes=True))

    def _stage(self, channels_in: int, channels_out: int, heads: int) -> "_Stage":
        parts, group = DESIGNS[self.design], DESIGNS[self.design].group(channels_out)
        block = parts.block(channels_in, channels_out, 4 * self.channels, self.dropout, self.axes)
        attention = GridAttention(channels_out, heads, group) if heads else None
        return _Stage(block, attention, GridTokenAttention(channels_out, heads, self.tokens, group) if heads and self.tokens else None)

    def _heads(self, level: int) -> int:
        return self.heads if self.shape[1] // self.patch // 2**level in self.attention else 0


class _Stage(nn.Module):
    """A block of the design, and attention to all places and to tokens if there is any; `resizes`: the block halves or doubles x."""

    def __init__(self, block: nn.Module, attention: nn.Module | None = None, tokens: nn.Module | None = None, resizes: bool = False):
        super().__init__()
        self.block, self.tokens, self.resizes = block, tokens, resizes
        self.attention = attention if attention is not None else nn.Identity()

    def forward(self, x: Tensor, vector: Tensor, context: Context | None) -> Tensor:
        h = self.attention(self.block(x, vector))
        return h if self.tokens is None else self.tokens(h, context)
