r"""The transformer of DALL-E 2's diffusion prior: denoises an embedding, with causal attention to a caption.

    s   = [tokens_1 .. tokens_T, caption's embedding, f(t), z_t, query]      each projected to the width
    h_0 = s + W_p,      h_l = block_l(h_(l-1)) causal,      output = W_o norm(h_L at the query)

Reference: Hierarchical text-conditional image generation with CLIP latents (DALL-E 2), Ramesh, Dhariwal,
Nichol, Chu & Chen, 2022, section 2.2.
"""

__all__ = ["PriorTransformer", "prior_transformer"]

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.attention import Attention
from morphogen.networks.blocks import Block, Layer
from morphogen.networks.feed_forward import FeedForward
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.normalization import LayerNorm
from morphogen.networks.positions import LearnedPositions, TimeEmbedding


class PriorTransformer(Component, nn.Module):
    """(z_t [B, E], t [B] in [0, 1], context) -> [B, E] (Ramesh et al. 2022); 0 at initialization.

    Arguments:
        features: E.
        block: template of one layer; the network holds copies of it.
        layers: number of layers.
        length: largest number of tokens of a caption.
        vector: width of `context.vector`, the caption's embedding.
        tokens: width of `context.tokens`, of the encoded caption.
        initializer: weight initialisation; None: `NormalInit`.
    """

    def __init__(
        self,
        features: int,
        block: Layer,
        layers: int,
        length: int,
        vector: int,
        tokens: int,
        initializer: Initializer | None = None,
    ):
        super().__init__()
        width = block.width
        self.features, self.layers, self.length = features, layers, length
        self.vector, self.tokens = vector, tokens
        self.initializer = initializer if initializer is not None else NormalInit()
        self.text, self.caption = nn.Linear(tokens, width), nn.Linear(vector, width)
        self.time, self.noisy = TimeEmbedding(width, width), nn.Linear(features, width)
        self.query = nn.Parameter(0.02 * torch.randn(width))
        self.text_positions = LearnedPositions(length, width)
        self.blocks, self.norm = nn.ModuleList(block.copy() for _ in range(layers)), block.final_norm()
        self.out = nn.Linear(width, features)
        self.initializer(self, layers)
        for parameter in self.out.parameters():
            nn.init.zeros_(parameter)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    def forward(
        self, x: Float[Tensor, "b e"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b e"]:
        """The output at the query. Errors: ConfigError for a caption of more tokens than `length`."""
        text, mask = self._text(len(x), context)
        vector = None if context is None else context.vector
        caption = self.caption(x.new_zeros(len(x), self.vector) if vector is None else vector)
        last = torch.stack([caption, self.time(t), self.noisy(x), self.query.expand(len(x), -1)], 1)
        h, mask = torch.cat([text, last], 1), F.pad(mask, (0, last.shape[1]), value=True)
        for block in self.blocks:
            h = block(h, causal=True, mask=mask)
        return self.out(self.norm(h[:, -1]))

    def _text(self, rows: int, context: Context | None) -> tuple[Float[Tensor, "b t d"], Bool[Tensor, "b t"]]:
        """The caption's tokens, 0 at invalid ones; the first is visible, since a softmax needs a key."""
        like = self.query
        tokens = None if context is None else context.tokens
        if tokens is None or not tokens.shape[1]:
            return like.new_zeros(rows, 1, len(like)), like.new_ones(rows, 1, dtype=torch.bool)
        mask = context.mask if context is not None else None
        mask = tokens.new_ones(tokens.shape[:2], dtype=torch.bool) if mask is None else mask
        text = self.text(tokens) + self.text_positions(0, tokens.shape[1])
        return torch.where(mask[..., None], text, 0), F.pad(mask[:, 1:], (1, 0), value=True)


def prior_transformer(
    length: int, vector: int, tokens: int, width: int, layers: int, heads: int
) -> PriorTransformer:
    """The network of the paper, for embeddings of the width of the caption's.

    Arguments:
        length, vector, tokens, layers: see `PriorTransformer`.
        width, heads: of the attention.
    """
    block = Block(Attention(width, heads), FeedForward(width, 4 * width), LayerNorm(width))
    return PriorTransformer(vector, block, layers, length, vector, tokens)
