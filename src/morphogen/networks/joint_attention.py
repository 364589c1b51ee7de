r"""Attention of the positions of an image to each other and to the tokens of a text, in one softmax.

    q = W_q h,   [k, v] = [W_kv tokens; W'_kv h],     x + W_o Attention(q, k, v),   h = norm(x)

The tokens are further keys and values of self-attention, so that one distribution weighs words against other
positions; `GridTokenAttention` is a second attention to the words alone.

GLIDE: towards photorealistic image generation and editing with text-guided diffusion models, Nichol,
Dhariwal, Ramesh et al., 2022, section 4.1; the projection of the tokens is of each attention.
"""

__all__ = ["JointAttention"]

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.dot_product import attend
from morphogen.networks.residual import group_norm


class JointAttention(Component, nn.Module):
    """Residual attention from all positions of x [B, C, ...] to each other and to `context.tokens`.

    Nichol et al. 2022. It is the identity at initialization, and self-attention for a context without tokens
    and for rows without a valid token.

    Arguments:
        channels: C; a multiple of `heads`.
        heads: number of heads.
        tokens: width of `context.tokens`; 0: self-attention.
        group: channels per group of the group normalisation.

    Errors: ConfigError for channels that the heads do not divide.
    """

    def __init__(self, channels: int, heads: int, tokens: int = 0, group: int = 8):
        super().__init__()
        if channels % heads:
            raise ConfigError(f"JointAttention: {channels} channels must be a multiple of {heads} heads")
        self.channels, self.heads, self.tokens, self.group = channels, heads, tokens, group
        self.norm = group_norm(channels, group)
        self.queries_keys_values = nn.Linear(channels, 3 * channels)
        self.text_keys_values = nn.Linear(tokens, 2 * channels) if tokens else None
        self.out = nn.Linear(channels, channels)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Float[Tensor, "b c *n"], context: Context | None) -> Float[Tensor, "b c *n"]:
        h = self.norm(x).flatten(2).transpose(1, 2)
        q, k, v = self._heads(self.queries_keys_values(h), 3)
        tokens, bias = None if context is None else context.tokens, None
        if self.text_keys_values is not None and context is not None and tokens is not None:
            text_k, text_v = self._heads(self.text_keys_values(tokens), 2)
            k, v = torch.cat([text_k, k], 2), torch.cat([text_v, v], 2)
            bias = _bias(context.mask, h.shape[1], q)
        attended = attend(q, k, v, False, bias).transpose(1, 2).flatten(2)
        return x + self.out(attended).transpose(1, 2).unflatten(2, x.shape[2:])

    def _heads(self, projected: Float[Tensor, "b s d"], parts: int) -> tuple[Tensor, ...]:
        """The parts of a projection, each [B, heads, S, width]."""
        split = projected.unflatten(-1, (parts, self.heads, -1))
        return split.permute(2, 0, 3, 1, 4).unbind(0)


def _bias(mask: Bool[Tensor, "b *q s"] | None, positions: int, like: Tensor) -> Tensor | None:
    """-inf at masked tokens and 0 at positions, [B, 1, 1 or T, S + T]; None: all tokens are valid."""
    if mask is None:
        return None
    visible = mask if mask.ndim == 3 else mask[:, None]
    hidden = torch.where(visible, like.new_zeros(()), -torch.inf)
    return F.pad(hidden, (0, positions))[:, None]
