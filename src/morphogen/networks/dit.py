r"""A transformer for pictures: patches are its symbols, and what it is told turns every layer.

    c = f(t) + W c_0,      h += g_1 * attention(s_1 norm(h) + b_1),      h += g_2 * feed_forward(s_2 norm(h) + b_2)

with all of s, b and g linear in silu(c), and g = 0 at the start, so that each layer begins as the identity ("adaLN-Zero").

Reference: Scalable diffusion models with transformers (DiT), Peebles & Xie, 2023.
"""

__all__ = ["DiT"]

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.attention import Attention
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.positions import TimeEmbedding, sinusoidal

_WAVES = 256  # of the time


class DiT(Component, nn.Module):
    """(x [B, C, H, W], t [B] in [0, 1], context) -> [B, C, H, W]; 0 at the start (Peebles & Xie 2023).

    Arguments:
        shape: (C, H, W) of x; H and W are multiples of `patch`.
        patch: patch x patch pixels are one symbol.
        width: of the stream, a multiple of `heads` and of 4.
        layers, heads: how many.
        vector: width of `context.vector` (0: the network is unconditional).

    Raises ConfigError for a picture that patches do not fill, or a width that waves do not.
    """

    def __init__(self, shape: tuple[int, ...], patch: int, width: int, layers: int, heads: int, vector: int = 0):
        super().__init__()
        channels, height, long = shape
        if height % patch or long % patch or width % 4:
            raise ConfigError(f"DiT: patches of {patch} do not fill pictures of {height} x {long}, or width {width} is no multiple of 4")
        self.shape, self.patch, self.width, self.layers, self.heads, self.vector = tuple(shape), patch, width, layers, heads, vector
        self.stem = nn.Linear(channels * patch**2, width)
        self.register_buffer("places", _waves_of_places(height // patch, long // patch, width), persistent=False)
        self.time = TimeEmbedding(_WAVES, width)
        self.condition = nn.Linear(vector, width) if vector else None
        self.blocks = nn.ModuleList(_Block(width, heads) for _ in range(layers))
        self.turn, self.out = nn.Linear(width, 2 * width), nn.Linear(width, channels * patch**2)
        for parameter in [*self.turn.parameters(), *self.out.parameters()]:
            nn.init.zeros_(parameter)

    places: Float[Tensor, "n d"]

    def forward(self, x: Float[Tensor, "b c h w"], t: Float[Tensor, " b"], context: Context | None = None) -> Float[Tensor, "b c h w"]:
        told = None if context is None else context.vector
        c = self.time(t) if self.condition is None or told is None else self.time(t) + self.condition(told)
        c = F.silu(c)[:, None]
        patches = F.pixel_unshuffle(x, self.patch)
        h = self.stem(patches.flatten(2).transpose(1, 2)) + self.places.to(x.dtype)
        for block in self.blocks:
            h = block(h, c)
        scale, shift = self.turn(c).chunk(2, -1)
        out = self.out(_turned(h, scale, shift))
        return F.pixel_shuffle(out.transpose(1, 2).unflatten(2, patches.shape[2:]), self.patch)


class _Block(nn.Module):
    """Attention and a feed-forward, scaled, shifted and let through by what the network is told."""

    def __init__(self, width: int, heads: int):
        super().__init__()
        self.attention, self.feed_forward = Attention(width, heads), FeedForward(width, 4 * width)
        self.turn = nn.Linear(width, 6 * width)
        for parameter in self.turn.parameters():
            nn.init.zeros_(parameter)

    def forward(self, h: Tensor, c: Tensor) -> Tensor:
        scale_1, shift_1, gate_1, scale_2, shift_2, gate_2 = self.turn(c).chunk(6, -1)
        h = h + gate_1 * self.attention(_turned(h, scale_1, shift_1))
        return h + gate_2 * self.feed_forward(_turned(h, scale_2, shift_2))


def _turned(h: Tensor, scale: Tensor, shift: Tensor) -> Tensor:
    """(1 + s) norm(h) + b, the norm without weights of its own."""
    return (1 + scale) * F.layer_norm(h, h.shape[-1:], eps=1e-6) + shift


def _waves_of_places(height: int, width: int, features: int) -> Tensor:
    """Waves of the row, then of the column, of each place in raster order: [H W, features]."""
    rows, columns = torch.meshgrid(torch.arange(height).float(), torch.arange(width).float(), indexing="ij")
    return torch.cat([sinusoidal(axis.flatten(), features // 2) for axis in (rows, columns)], 1)
