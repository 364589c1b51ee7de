r"""Spatial transformer: the transformer blocks of latent diffusion on the positions of an image.

    h = W_in norm(x);  h = block(h, tokens), depth times;  x + W_out h

Each block is self-attention over the positions, cross-attention to the tokens of the condition, and a gated
feed-forward network, without biases of queries, keys and values.

High-resolution image synthesis with latent diffusion models, Rombach, Blattmann, Lorenz, Esser & Ommer, 2022,
section 3.3 and appendix E.2.1.
"""

__all__ = ["SpatialTransformer"]

from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.attention import Attention, CrossAttention
from morphogen.networks.blocks import Block
from morphogen.networks.feed_forward import GEGLU
from morphogen.networks.residual import group_norm


class SpatialTransformer(Component, nn.Module):
    """Residual transformer over all positions of x [B, C, ...], with cross-attention to `context.tokens`.

    It is the identity at initialization. Cross-attention is skipped for a context without tokens.

    Arguments:
        channels: C; a multiple of `heads`.
        heads: number of heads of either attention.
        tokens: width of `context.tokens`; 0: no cross-attention.
        group: channels per group of the group normalisation.
        depth: number of transformer blocks.
    """

    def __init__(self, channels: int, heads: int, tokens: int = 0, group: int = 8, depth: int = 1):
        super().__init__()
        self.channels, self.heads, self.tokens, self.group, self.depth = channels, heads, tokens, group, depth
        self.norm = group_norm(channels, group, eps=1e-6)
        self.project_in, self.project_out = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.blocks = nn.ModuleList(self._block() for _ in range(depth))
        nn.init.zeros_(self.project_out.weight)
        nn.init.zeros_(self.project_out.bias)

    def forward(self, x: Float[Tensor, "b c *n"], context: Context | None) -> Float[Tensor, "b c *n"]:
        h = self.project_in(self.norm(x).flatten(2).transpose(1, 2))
        for block in self.blocks:
            h = block(h, context, causal=False)
        return x + self.project_out(h).transpose(1, 2).unflatten(2, x.shape[2:])

    def _block(self) -> Block:
        width, heads = self.channels, self.heads
        cross = CrossAttention(width, heads, self.tokens, bias=False, out_bias=True) if self.tokens else None
        attention = Attention(width, heads, bias=False, out_bias=True)
        return Block(attention, GEGLU(width, 4 * width), nn.LayerNorm(width), cross)
