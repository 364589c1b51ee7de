r"""How what is being made hears a text: each place asks the condition's tokens, which need be neither as many nor in the same order.

    h += W_o Attention(W_q h, W_k tokens, W_v tokens),     W_o = 0 at the start

(High-resolution image synthesis with latent diffusion models, Rombach et al. 2022, section 3.3.) A row without a valid token hears
nothing, exactly as one whose context has no tokens at all: so either may stand for "no condition" in guidance.
"""

__all__ = ["GridTokenAttention", "TokenAttention"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.attention import CrossAttention
from morphogen.networks.residual import groups


class TokenAttention(Component, nn.Module):
    """What h hears of `context.tokens`, to be added to it; 0 at the start, and always where there are none (Rombach et al. 2022).

    Arguments:
        width: D of h [B, T, D], a multiple of `heads`.
        heads: attentions side by side.
        tokens: width of `context.tokens`.
    """

    def __init__(self, width: int, heads: int, tokens: int):
        super().__init__()
        self.width, self.heads, self.tokens = width, heads, tokens
        self.cross = CrossAttention(width, heads, tokens)
        nn.init.zeros_(self.cross.out.weight)
        nn.init.zeros_(self.cross.out.bias)

    def forward(self, h: Float[Tensor, "b t d"], context: Context | None) -> Float[Tensor, "b t d"]:
        if context is None or context.tokens is None or not context.tokens.shape[1]:
            return torch.zeros_like(h)
        if context.mask is None:
            return self.cross(h, self.cross.read(context.tokens, None))
        # A softmax over nothing is no number: rows without a token attend to all, and what they found is struck out.
        silent = ~context.mask.any(1, keepdim=True)
        return self.cross(h, self.cross.read(context.tokens, context.mask | silent)).masked_fill(silent[..., None], 0.0)


class GridTokenAttention(Component, nn.Module):
    """x + what all places of norm(x) [B, C, ...] hear of `context.tokens`; the identity at the start (Rombach et al. 2022).

    Arguments:
        channels: C; a multiple of `heads`.
        heads: attentions side by side.
        tokens: width of `context.tokens`.
        group: channels of one group of the normalisation.
    """

    def __init__(self, channels: int, heads: int, tokens: int, group: int = 8):
        super().__init__()
        self.channels, self.heads, self.tokens, self.group = channels, heads, tokens, group
        self.norm, self.attention = groups(channels, group), TokenAttention(channels, heads, tokens)

    def forward(self, x: Float[Tensor, "b c *n"], context: Context | None) -> Float[Tensor, "b c *n"]:
        return x + self.attention(self.norm(x).flatten(2).transpose(1, 2), context).transpose(1, 2).unflatten(2, x.shape[2:])
