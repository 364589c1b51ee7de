r"""A transformer for pictures, sounds and series: patches are its symbols, and what it is told turns every layer.

    c = f(t) + W c_0,      h += g_1 * attention(s_1 norm(h) + b_1),      h += g_2 * feed_forward(s_2 norm(h) + b_2)

with all of s, b and g linear in silu(c), and g = 0 at the start, so that each layer begins as the identity ("adaLN-Zero").

A text is heard between the two, h += attention to its tokens, with neither norm nor gate, and 0 at the start.

References: Scalable diffusion models with transformers (DiT), Peebles & Xie, 2023; PixArt-alpha, Chen et al. 2024, section 2.3 (tokens).
"""

__all__ = ["DiT"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.attention import Attention
from morphogen.networks.axes import folded, unfolded
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.positions import TimeEmbedding, sinusoidal
from morphogen.networks.token_attention import TokenAttention

_WAVES = 256  # of the time


class DiT(Component, nn.Module):
    """(x [B, C, H, W] or [B, C, L], t [B] in [0, 1], context) -> the same shape; 0 at the start (Peebles & Xie 2023).

    Arguments:
        shape: (C, H, W) of x, or (C, L); its sides are multiples of `patch`.
        patch: patch x patch pixels, or `patch` values of a line, are one symbol.
        width: of the stream, a multiple of `heads` and of 4 (of 2 for lines).
        layers, heads: how many.
        vector: width of `context.vector` (0: it is not heard).
        tokens: width of `context.tokens` (0: they are not heard; Chen et al. 2024).

    Raises ConfigError for a shape of other axes, for sides that patches do not fill, or a width that waves do not.
    """

    def __init__(self, shape: tuple[int, ...], patch: int, width: int, layers: int, heads: int, vector: int = 0, tokens: int = 0):
        super().__init__()
        if len(shape) not in (2, 3):
            raise ConfigError(f"DiT: shape {tuple(shape)} is neither (C, L) nor (C, H, W)")
        sides, waves = shape[1:], 2 * (len(shape) - 1)
        if any(side % patch for side in sides) or width % waves:
            extent = f"pictures of {sides[0]} x {sides[1]}" if len(sides) == 2 else f"lines of {sides[0]}"
            raise ConfigError(f"DiT: patches of {patch} do not fill {extent}, or width {width} is no multiple of {waves}")
        self.shape, self.patch, self.width, self.layers, self.heads = tuple(shape), patch, width, layers, heads
        self.vector, self.tokens, values = vector, tokens, shape[0] * patch ** len(sides)
        self.stem = nn.Linear(values, width)
        self.register_buffer("places", _waves_of_places([side // patch for side in sides], width), persistent=False)
        self.time = TimeEmbedding(_WAVES, width)
        self.condition = nn.Linear(vector, width) if vector else None
        self.blocks = nn.ModuleList(_Block(width, heads, tokens) for _ in range(layers))
        self.turn, self.out = nn.Linear(width, 2 * width), nn.Linear(width, values)
        for parameter in [*self.turn.parameters(), *self.out.parameters()]:
            nn.init.zeros_(parameter)

    places: Float[Tensor, "n d"]

    def forward(self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None) -> Float[Tensor, "b c *n"]:
        told = None if context is None else context.vector
        c = self.time(t) if self.condition is None or told is None else self.time(t) + self.condition(told)
        c = F.silu(c)[:, None]
        patches = folded(x, self.patch)
        h = self.stem(patches.flatten(2).transpose(1, 2)) + self.places.to(x.dtype)
        for block in self.blocks:
            h = block(h, c, context)
        scale, shift = self.turn(c).chunk(2, -1)
        out = self.out(_turned(h, scale, shift))
        return unfolded(out.transpose(1, 2).unflatten(2, patches.shape[2:]), self.patch)


class _Block(nn.Module):
    """Attention and a feed-forward, scaled, shifted and let through by what the network is told; tokens are heard between them."""

    def __init__(self, width: int, heads: int, tokens: int):
        super().__init__()
        self.attention, self.feed_forward = Attention(width, heads), FeedForward(width, 4 * width)
        self.turn = nn.Linear(width, 6 * width)
        for parameter in self.turn.parameters():
            nn.init.zeros_(parameter)
        self.tokens = TokenAttention(width, heads, tokens) if tokens else None

    def forward(self, h: Tensor, c: Tensor, context: Context | None) -> Tensor:
        scale_1, shift_1, gate_1, scale_2, shift_2, gate_2 = self.turn(c).chunk(6, -1)
        h = h + gate_1 * self.attention(_turned(h, scale_1, shift_1))
        if self.tokens is not None:
            h = h + self.tokens(h, context)
        return h + gate_2 * self.feed_forward(_turned(h, scale_2, shift_2))


def _turned(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """(1 + s) norm(h) + b, the norm without weights of its own."""
    return (1 + scale) * F.layer_norm(h, h.shape[-1:], eps=1e-6) + shift


def _waves_of_places(sides: list[int], features: int) -> Tensor:
    """Waves of the row, then of the column, of each place in raster order: [H W, features], or [L, features] of a line."""
    axes = torch.meshgrid(*(torch.arange(side).float() for side in sides), indexing="ij")
    return torch.cat([sinusoidal(axis.flatten(), features // len(sides)) for axis in axes], 1)
