r"""Cross-attention from a sequence or an image to the tokens of the condition.

    h += W_o Attention(W_q h, W_k tokens, W_v tokens),     W_o = 0 at initialisation

The tokens need be neither as many as the positions nor in the same order (High-resolution image synthesis
with latent diffusion models, Rombach et al. 2022, section 3.3). For a row without a valid token the result is
0, exactly as for a context without tokens, so that either can be the null condition of guidance.
"""

__all__ = ["GridTokenAttention", "TokenAttention"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.attention import CrossAttention
from morphogen.networks.residual import group_norm


class TokenAttention(Component, nn.Module):
    """Cross-attention from h to `context.tokens` (Rombach et al. 2022), to be added to h.

    The output is 0 at initialisation, and always 0 for rows without a valid token.

    Arguments:
        width: D of h [B, T, D], a multiple of `heads`.
        heads: number of heads.
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
        return self.cross(h, self.cross.encode_source(context.tokens, context.mask))


class GridTokenAttention(Component, nn.Module):
    """Residual cross-attention from all positions of x [B, C, ...] to `context.tokens` (Rombach et al. 2022).

    It is the identity at initialisation.

    Arguments:
        channels: C; a multiple of `heads`.
        heads: number of heads.
        tokens: width of `context.tokens`.
        group: channels per group of the group normalisation.
    """

    def __init__(self, channels: int, heads: int, tokens: int, group: int = 8):
        super().__init__()
        self.channels, self.heads, self.tokens, self.group = channels, heads, tokens, group
        self.norm, self.attention = group_norm(channels, group), TokenAttention(channels, heads, tokens)

    def forward(self, x: Float[Tensor, "b c *n"], context: Context | None) -> Float[Tensor, "b c *n"]:
        h = self.norm(x).flatten(2).transpose(1, 2)
        return x + self.attention(h, context).transpose(1, 2).unflatten(2, x.shape[2:])
