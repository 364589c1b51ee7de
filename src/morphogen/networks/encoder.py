r"""Transformer encoder: one vector per token of a sequence, with attention to all valid positions.

    h_0 = r W_e[s] + W_p,     h_l = block_l(h_(l-1)),     tokens = norm(h_L)

Reference: Attention is all you need, Vaswani et al., 2017, section 3.1.
"""

__all__ = ["Encoder"]

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.networks.blocks import Layer
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.positions import Positions


class Encoder(Component, nn.Module):
    """Token ids [B, S] to vectors [B, S, D] (Vaswani et al. 2017); padding is masked.

    Arguments:
        vocabulary: V, number of token ids.
        length: maximal number of positions.
        block: template of one layer (`Block`, `PostBlock`, `ParallelBlock`); the network holds copies of it.
        layers: number of layers.
        positions: absolute position encoding, added to the embedding; None: none (attention may have a
            relative one).
        embedding_scale: factor on the embedding.
        dropout: dropout probability on the input of the first block.
        initializer: weight initialisation; None: `NormalInit`.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        block: Layer,
        layers: int,
        positions: Positions | None,
        embedding_scale: float = 1.0,
        dropout: float = 0.0,
        initializer: Initializer | None = None,
    ):
        super().__init__()
        self.vocabulary, self.length, self.layers = vocabulary, length, layers
        self.embedding_scale, self.dropout = embedding_scale, dropout
        self.initializer = initializer if initializer is not None else NormalInit()
        self.token_embedding, self.positions = nn.Embedding(vocabulary, block.width), positions
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm = block.final_norm()
        self.initializer(self, layers)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    @property
    def width(self) -> int:
        """D of the output vectors."""
        return self.token_embedding.embedding_dim

    def forward(self, s: Int[Tensor, "b s"], mask: Bool[Tensor, "b s"]) -> Float[Tensor, "b s d"]:
        """Encode the ids; `mask` is True at valid positions, and the output is 0 elsewhere.

        Errors: ConfigError for more than `length` positions, or a row without a valid one.
        """
        if s.shape[1] > self.length or not bool(mask.any(1).all()):
            raise ConfigError(
                f"source sequences of {s.shape[1]} tokens: each must have between 1 and {self.length} tokens"
            )
        h = self.embedding_scale * self.token_embedding(s.clamp_min(0))
        if self.positions is not None:
            h = h + self.positions(0, s.shape[1])
        h = self.drop(h)
        padding_mask = None if bool(mask.all()) else mask
        for block in self.blocks:
            h = block(h, causal=False, mask=padding_mask)
        return torch.where(mask[..., None], self.norm(h), 0)
