r"""U-Net of diffusion models, for images and for one-dimensional signals.

    x -- blocks -- downsample -- ... -- middle -- ... -- upsample -- blocks(with skip connections) -- out

U-Net: Convolutional networks for biomedical image segmentation, Ronneberger, Fischer & Brox, 2015; with
residual blocks, attention and a time embedding as in Ho, Jain & Abbeel, 2020, appendix B. `unet_designs.py`
has later block designs. Every self-attention may be followed by cross-attention to the tokens of a text
(Rombach et al. 2022; Saharia et al. 2022).
"""

__all__ = ["UNet"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.axes import conv_class, pad_to_multiple, patchify, unpatchify
from morphogen.networks.normalization import normalization_layout
from morphogen.networks.positions import TimeEmbedding
from morphogen.networks.residual import group_norm, norm_silu
from morphogen.networks.unet_designs import DESIGNS, Design


class UNet(Component, nn.Module):
    """(x [B, C, H, W] or [B, C, L], t [B] in [0, 1], context) -> the shape of x; 0 at initialization.

    Sides that are not multiples of 2^(levels - 1) patches are padded with zeros, and the output is cropped.
    Cross-attention is skipped for a context without tokens and for rows with all tokens masked.

    Arguments:
        shape: (C, H, W) of x, or (C, L).
        channels: of the finest level; even.
        multipliers: of `channels` at each level, finest first; each level halves the sides.
        blocks: residual blocks per level on the down path; the up path has one more.
        attention: heights H / 2^level (or lengths L / 2^level) in patches at which attention follows each
            block; the middle always has attention, unless heads is 0.
        heads: attention heads, a divisor of the channels; 0: no attention; a tuple: of each level.
        vector: width of `context.vector`, or a pair (width of `context.vector`, width of `context.tokens`);
            0: none.
        dropout: in every block.
        patch: patch x patch pixels are folded into patch^2 C channels (patch C for signals) at the input and
            unfolded at the output (Hoogeboom, Heek & Salimans 2023).
        design: block design: "ddpm" of Ho et al. (2020), "improved_ddpm" of Nichol & Dhariwal (2021), with
            scale and shift conditioning, "adm" of Dhariwal & Nichol (2021), which resamples in blocks too,
            "latent" of Rombach et al. (2022), with spatial transformers in place of attention, or "glide" of
            Nichol et al. (2022), whose attention is to positions and tokens at once.

    Raises:
        ConfigError: for an unknown design, a shape with other axes, tokens without attention heads, or heads
            of another number of levels.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        channels: int,
        multipliers: tuple[int, ...],
        blocks: int = 2,
        attention: tuple[int, ...] = (),
        heads: int | tuple[int, ...] = 1,
        vector: int | tuple[int, int] = 0,
        dropout: float = 0.0,
        patch: int = 1,
        design: Design = "adm",
    ):
        super().__init__()
        self.shape, self.channels, self.multipliers = tuple(shape), channels, tuple(multipliers)
        self.blocks, self.attention = blocks, tuple(attention)
        self.heads = heads if isinstance(heads, int) else tuple(heads)
        self.vector, self.dropout, self.patch, self.design = vector, dropout, patch, design
        self.axes, vector_width, self.tokens = _checked(self)
        inputs, width, conv = shape[0] * patch**self.axes, 4 * channels, conv_class(self.axes)
        self.time = TimeEmbedding(channels, width)
        self.condition = nn.Linear(vector_width, width) if vector_width else None
        self.stem = conv(inputs, channels, 3, padding=1)
        self.down_blocks, self.up_blocks = nn.ModuleList(), nn.ModuleList()
        self.skip_channels = tuple(skips := self._build_down_path())
        coarsest, finest = channels * multipliers[-1], channels * multipliers[0]
        middle = [
            self._stage(coarsest, coarsest, self.heads_per_level[-1]),
            self._stage(coarsest, coarsest, 0),
        ]
        self.mid_blocks = nn.ModuleList(middle)
        self._build_up_path(skips)
        self.norm = group_norm(finest, DESIGNS[design].group(finest))
        self.out = conv(finest, inputs, 3, padding=1)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    def forward(
        self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b c *n"]:
        vector = self.embed(t, context)
        return self.decode(
            self.encode(self.stem(self.fold(x)), vector, context), vector, context, x.shape[2:]
        )

    def embed(self, t: Float[Tensor, " b"], context: Context | None) -> Float[Tensor, "b w"]:
        """What each block is told: the time, and the condition's vector if there is one."""
        vector = None if context is None else context.vector
        if self.condition is None or vector is None:
            return F.silu(self.time(t))
        return F.silu(self.time(t) + self.condition(vector))

    def fold(self, x: Float[Tensor, "b c *n"]) -> Float[Tensor, "b d *m"]:
        """x in patches, padded to a multiple of the coarsest level."""
        return patchify(pad_to_multiple(x, self.patch * 2 ** (len(self.multipliers) - 1)), self.patch)

    def encode(
        self, h: Float[Tensor, "b d *m"], vector: Float[Tensor, "b w"], context: Context | None
    ) -> list[Float[Tensor, "b ..."]]:
        """The skip connections of the down path, of which h is the first, and the middle's output."""
        features = [normalization_layout(h)]
        for stage in self.down_blocks:
            features.append(stage(features[-1], vector, context))
        h = features[-1]
        for stage in self.mid_blocks:
            h = stage(h, vector, context)
        return [*features, h]

    def decode(
        self, features: list[Float[Tensor, "b ..."]], vector: Float[Tensor, "b w"],
        context: Context | None, sides: tuple[int, ...],
    ) -> Float[Tensor, "b c *n"]:  # fmt: skip
        """The output, of these sides, from the features of `encode`."""
        *skips, h = features
        for stage in self.up_blocks:
            h = stage(h if stage.resamples else torch.cat([h, skips.pop()], 1), vector, context)
        output = unpatchify(self.out(norm_silu(self.norm, h)), self.patch)
        return output[(slice(None), slice(None), *(slice(side) for side in sides))].contiguous()

    def _build_down_path(self) -> list[int]:
        """Build blocks and downsampling level by level; returns the channels of all skip connections."""
        skips = [self.channels]
        for level, multiplier in enumerate(self.multipliers):
            for _ in range(self.blocks):
                self.down_blocks.append(
                    self._stage(skips[-1], self.channels * multiplier, self._heads(level))
                )
                skips.append(self.channels * multiplier)
            if level < len(self.multipliers) - 1:
                down = DESIGNS[self.design].down(skips[-1], 4 * self.channels, self.dropout, self.axes)
                self.down_blocks.append(_Stage(down, resamples=True))
                skips.append(skips[-1])
        return skips

    def _build_up_path(self, skips: list[int]) -> None:
        """Build the mirror of the down path, with one more block per level for the downsampled skip."""
        current = skips[-1]
        for level, multiplier in reversed(list(enumerate(self.multipliers))):
            for _ in range(self.blocks + 1):
                channels_in, channels_out = current + skips.pop(), self.channels * multiplier
                self.up_blocks.append(self._stage(channels_in, channels_out, self._heads(level)))
                current = channels_out
            if level:
                up = DESIGNS[self.design].up(current, 4 * self.channels, self.dropout, self.axes)
                self.up_blocks.append(_Stage(up, resamples=True))

    def _stage(self, channels_in: int, channels_out: int, heads: int) -> "_Stage":
        parts = DESIGNS[self.design]
        group = parts.group(channels_out)
        block = parts.block(channels_in, channels_out, 4 * self.channels, self.dropout, self.axes)
        attention = parts.attention(channels_out, heads, self.tokens, group) if heads else ()
        return _Stage(block, *attention)

    @property
    def heads_per_level(self) -> tuple[int, ...]:
        """Attention heads of each level."""
        return (self.heads,) * len(self.multipliers) if isinstance(self.heads, int) else self.heads

    def _heads(self, level: int) -> int:
        return self.heads_per_level[level] if self.shape[1] // self.patch // 2**level in self.attention else 0


class _Stage(nn.Module):
    """A block, then self-attention, and attention that also reads the context, if present.

    `resamples` marks a block that changes the resolution.
    """

    def __init__(
        self,
        block: nn.Module,
        attention: nn.Module | None = None,
        tokens: nn.Module | None = None,
        resamples: bool = False,
    ):
        super().__init__()
        self.block, self.tokens, self.resamples = block, tokens, resamples
        self.attention = attention if attention is not None else nn.Identity()

    def forward(self, x: Tensor, vector: Tensor, context: Context | None) -> Tensor:
        h = self.attention(self.block(x, vector))
        return h if self.tokens is None else self.tokens(h, context)


def _checked(unet: UNet) -> tuple[int, int, int]:
    """Number of axes, widths of vector and tokens. Errors: ConfigError for invalid arguments."""
    if unet.design not in DESIGNS:
        raise ConfigError(f"UNet: unknown design {unet.design!r}; use {' or '.join(sorted(DESIGNS))}")
    if len(unet.shape) not in (2, 3):
        raise ConfigError(f"UNet: shape {unet.shape} is neither (C, L) nor (C, H, W)")
    vector, tokens = unet.vector if isinstance(unet.vector, tuple) else (unet.vector, 0)
    if len(unet.heads_per_level) != len(unet.multipliers):
        raise ConfigError(f"UNet: heads {unet.heads} are not one for each of {unet.multipliers}")
    if tokens and not any(unet.heads_per_level):
        raise ConfigError(f"UNet: tokens of width {tokens} require attention, but heads is 0: use heads >= 1")
    return len(unet.shape) - 1, vector, tokens
