r"""DiT: a diffusion transformer over patches of images, audio or series, with adaptive layer norm.

    c = f(t) + W c_0,   h += g_1 * attention(s_1 norm(h) + b_1),   h += g_2 * feed_forward(s_2 norm(h) + b_2)

All of s, b and g are linear in silu(c), and g = 0 at initialisation, so that each block starts as the
identity ("adaLN-Zero"). If the condition has tokens, each block adds cross-attention to them between the two
branches, without norm or gate; it is 0 at initialisation.

References: Scalable diffusion models with transformers (DiT), Peebles & Xie, 2023; PixArt-alpha, Chen et al.
2024, section 2.3 (cross-attention to tokens).
"""

__all__ = ["DiT"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.attention import Attention
from morphogen.networks.axes import patchify, unpatchify
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.positions import TimeEmbedding, sinusoidal
from morphogen.networks.token_attention import TokenAttention

_TIME_FEATURES = 256  # sinusoidal features of the time


class DiT(Component, nn.Module):
    """Diffusion transformer (Peebles & Xie 2023).

    Maps (x [B, C, H, W] or [B, C, L], t [B] in [0, 1], context) to the shape of x; 0 at initialisation.

    Arguments:
        shape: (C, H, W) of x, or (C, L); H, W and L are multiples of `patch`.
        patch: side of a patch; patch x patch pixels (or `patch` consecutive values) are one token of the
            transformer.
        width: of the residual stream, a multiple of `heads` and of 4 (of 2 for one-dimensional x).
        layers, heads: number of layers, and of attention heads in each.
        vector: width of `context.vector` (0: not used).
        tokens: width of `context.tokens` (0: not used; Chen et al. 2024).

    Raises ConfigError for another number of axes, sides that are not multiples of `patch`, or an unsuitable
    width.
    """

    def __init__(
        self,
        shape: tuple[int, ...],
        patch: int,
        width: int,
        layers: int,
        heads: int,
        vector: int = 0,
        tokens: int = 0,
    ):
        super().__init__()
        _check(shape, patch, width)
        sides = shape[1:]
        self.shape, self.patch, self.width, self.layers = tuple(shape), patch, width, layers
        self.heads, self.vector, self.tokens = heads, vector, tokens
        values = shape[0] * patch ** len(sides)
        self.stem = nn.Linear(values, width)
        positions = _grid_positions([side // patch for side in sides], width)
        self.register_buffer("positions", positions, persistent=False)
        self.time = TimeEmbedding(_TIME_FEATURES, width)
        self.condition = nn.Linear(vector, width) if vector else None
        self.blocks = nn.ModuleList(_Block(width, heads, tokens) for _ in range(layers))
        self.modulation, self.out = nn.Linear(width, 2 * width), nn.Linear(width, values)
        for parameter in [*self.modulation.parameters(), *self.out.parameters()]:
            nn.init.zeros_(parameter)

    positions: Float[Tensor, "n d"]

    def forward(
        self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b c *n"]:
        vector = None if context is None else context.vector
        c = self.time(t)
        if self.condition is not None and vector is not None:
            c = c + self.condition(vector)
        c = F.silu(c)[:, None]
        patches = patchify(x, self.patch)
        h = self.stem(patches.flatten(2).transpose(1, 2)) + self.positions.to(x.dtype)
        for block in self.blocks:
            h = block(h, c, context)
        scale, shift = self.modulation(c).chunk(2, -1)
        out = self.out(_modulate(h, scale, shift))
        return unpatchify(out.transpose(1, 2).unflatten(2, patches.shape[2:]), self.patch)


class _Block(nn.Module):
    """adaLN-Zero block: attention and feed-forward, scaled, shifted and gated by c, and cross-attention."""

    def __init__(self, width: int, heads: int, tokens: int):
        super().__init__()
        self.attention, self.feed_forward = Attention(width, heads), FeedForward(width, 4 * width)
        self.modulation = nn.Linear(width, 6 * width)
        for parameter in self.modulation.parameters():
            nn.init.zeros_(parameter)
        self.tokens = TokenAttention(width, heads, tokens) if tokens else None

    def forward(self, h: Tensor, c: Tensor, context: Context | None) -> Tensor:
        scale_1, shift_1, gate_1, scale_2, shift_2, gate_2 = self.modulation(c).chunk(6, -1)
        h = h + gate_1 * self.attention(_modulate(h, scale_1, shift_1))
        if self.tokens is not None:
            h = h + self.tokens(h, context)
        return h + gate_2 * self.feed_forward(_modulate(h, scale_2, shift_2))


def _check(shape: tuple[int, ...], patch: int, width: int) -> None:
    """Raise ConfigError unless patches tile the shape and the width fits the position encoding."""
    if len(shape) not in (2, 3):
        raise ConfigError(f"DiT: shape {tuple(shape)} is neither (C, L) nor (C, H, W)")
    sides, divisor = shape[1:], 2 * (len(shape) - 1)
    if any(side % patch for side in sides):
        size = " x ".join(map(str, sides))
        raise ConfigError(f"DiT: patch {patch} does not divide {size}; use a size that divides each side")
    if width % divisor:
        raise ConfigError(f"DiT: width must be a multiple of {divisor} for {len(sides)} axes, got {width}")


def _modulate(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """(1 + scale) norm(h) + shift, with a layer norm that has no parameters."""
    return (1 + scale) * F.layer_norm(h, h.shape[-1:], eps=1e-6) + shift


def _grid_positions(sides: list[int], features: int) -> Tensor:
    """Sinusoidal encoding of the row and column of each patch in raster order: [H W or L, features]."""
    axes = torch.meshgrid(*(torch.arange(side).float() for side in sides), indexing="ij")
    return torch.cat([sinusoidal(axis.flatten(), features // len(sides)) for axis in axes], 1)
