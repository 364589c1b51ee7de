r"""The U-Net: down to a small picture and up again, each level handing its detail across.

    x -- blocks -- down -- ... -- middle -- ... -- up -- blocks(with what the way down kept) -- out

(Ronneberger, Fischer & Brox 2015; with residual blocks, attention and time as in Ho, Jain & Abbeel 2020, appendix B; what
later ones changed in the parts stands in `unet_designs.py`.)
"""

__all__ = ["UNet"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.attention import GridAttention
from morphogen.networks.positions import TimeEmbedding
from morphogen.networks.residual import groups
from morphogen.networks.unet_designs import DESIGNS, Design


class UNet(Component, nn.Module):
    """(x [B, C, H, W], t [B] in [0, 1], context) -> [B, C, H, W]; 0 at the start.

    A picture whose sides are no multiple of 2^(levels - 1) is padded with zeros on its way in and cropped on its way out.

    Arguments:
        shape: (C, H, W) of x.
        channels: of the finest level, even.
        multipliers: of `channels` at each level, finest first; each level halves the picture.
        blocks: residual blocks a level on the way down; one more on the way up.
        attention: heights H / 2^level at which attention follows each block; the middle always has it, unless heads is 0.
        heads: of the attention, dividing the channels it sees.
        vector: width of `context.vector` (0: the network is unconditional).
        dropout: in every block.
        patch: patch x patch pixels are read as one place of patch^2 C channels, and written back (Hoogeboom, Heek & Salimans 2023).
        design: of the blocks: "ddpm" is Ho et al.'s network, "adm" Dhariwal & Nichol's (2021), which hears its vector more strongly.

    Raises:
        ConfigError: for a design that is none.
    """

    def __init__(
        self, shape: tuple[int, ...], channels: int, multipliers: tuple[int, ...], blocks: int = 2,
        attention: tuple[int, ...] = (), heads: int = 1, vector: int = 0, dropout: float = 0.0, patch: int = 1,
        design: Design = "adm",
    ):  # fmt: skip
        super().__init__()
        if design not in DESIGNS:
            raise ConfigError(f"UNet: design {design!r} is not known; take {' or '.join(sorted(DESIGNS))}")
        self.shape, self.channels, self.multipliers, self.blocks = tuple(shape), channels, tuple(multipliers), blocks
        self.attention, self.heads, self.vector, self.dropout = tuple(attention), heads, vector, dropout
        self.patch, self.design, pixels = patch, design, shape[0] * patch**2
        width = 4 * channels
        self.time = TimeEmbedding(channels, width)
        self.condition = nn.Linear(vector, width) if vector else None
        self.stem = nn.Conv2d(pixels, channels, 3, padding=1)
        self.descent, self.ascent = nn.ModuleList(), nn.ModuleList()
        kept = self._build_descent()
        coarsest, finest = channels * multipliers[-1], channels * multipliers[0]
        self.middle = nn.ModuleList([self._stage(coarsest, coarsest, heads), self._stage(coarsest, coarsest, 0)])
        self._build_ascent(kept)
        self.norm, self.out = groups(finest, DESIGNS[design].group(finest)), nn.Conv2d(finest, pixels, 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b c h w"], t: Float[Tensor, " b"], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        vector = F.silu(self._heard(t, context))
        unit, (height, width) = self.patch * 2 ** (len(self.multipliers) - 1), x.shape[2:]
        h = self.stem(F.pixel_unshuffle(F.pad(x, (0, -width % unit, 0, -height % unit)), self.patch))
        kept = [h]
        for stage in self.descent:
            h = stage(h, vector)
            kept.append(h)
        for stage in self.middle:
            h = stage(h, vector)
        for stage in self.ascent:
            h = stage(h if stage.resizes else torch.cat([h, kept.pop()], 1), vector)
        return F.pixel_shuffle(self.out(F.silu(self.norm(h))), self.patch)[:, :, :height, :width]

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
                self.descent.append(_Stage(DESIGNS[self.design].down(kept[-1], 4 * self.channels, self.dropout), resizes=True))
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
                self.ascent.append(_Stage(DESIGNS[self.design].up(here, 4 * self.channels, self.dropout), resizes=True))

    def _stage(self, channels_in: int, channels_out: int, heads: int) -> "_Stage":
        parts = DESIGNS[self.design]
        block = parts.block(channels_in, channels_out, 4 * self.channels, self.dropout)
        return _Stage(block, GridAttention(channels_out, heads, parts.group(channels_out)) if heads else None)

    def _heads(self, level: int) -> int:
        return self.heads if self.shape[1] // self.patch // 2**level in self.attention else 0


class _Stage(nn.Module):
    """A block of the design, and attention if there is any; `resizes` says that the block halves or doubles the picture."""

    def __init__(self, block: nn.Module, attention: nn.Module | None = None, resizes: bool = False):
        super().__init__()
        self.block, self.resizes = block, resizes
        self.attention = attention if attention is not None else nn.Identity()

    def forward(self, x: Tensor, vector: Tensor) -> Tensor:
        return self.attention(self.block(x, vector))
