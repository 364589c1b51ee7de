r"""A transformer that reads: a vector for every symbol of a text, each of which has seen the whole of it.

    h_0 = r W_e[s] + W_p,     h_l = block_l(h_(l-1)),     tokens = norm(h_L)              attention to all valid positions

Reference: Attention is all you need, Vaswani et al., 2017, section 3.1.
"""

__all__ = ["Encoder"]

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.networks.blocks import Layer
from morphogen.networks.initial import Initial, Normal
from morphogen.networks.positions import Positions


class Encoder(Component, nn.Module):
    """ids [B, S] to tokens [B, S, D] (Vaswani et al. 2017); what stands behind a text's end is not seen.

    Arguments:
        vocabulary: V, values of one symbol.
        length: positions at most.
        block: one layer (`Block`, `PostBlock`, `ParallelBlock`); the network has copies of it.
        layers: how many.
        positions: what is added to the embedding; None: attention knows of distance, or nothing does.
        read: factor on the embedding.
        dropout: on what enters the first block.
        initial: where the weights begin; None: `Normal`.
    """

    def __init__(
        self, vocabulary: int, length: int, block: Layer, layers: int, positions: Positions | None, read: float = 1.0,
        dropout: float = 0.0, initial: Initial | None = None,
    ):  # fmt: skip
        super().__init__()
        self.vocabulary, self.length, self.layers, self.read = vocabulary, length, layers, read
        self.dropout, self.initial = dropout, initial if initial is not None else Normal()
        self.symbols, self.positions = nn.Embedding(vocabulary, block.width), positions
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm = block.closing()
        self.initial(self, layers)

    @property
    def block(self) -> nn.Module:
        """One layer, the first."""
        return self.blocks[0]

    @property
    def width(self) -> int:
        """D of the tokens."""
        return self.symbols.embedding_dim

    def forward(self, s: Int[Tensor, "b s"], mask: Bool[Tensor, "b s"]) -> Float[Tensor, "b s d"]:
        """`mask`: which positions are valid, one a row at least. Errors: ConfigError for a text that is too long, or empty."""
        if s.shape[1] > self.length or not bool(mask.any(1).all()):
            raise ConfigError(f"source texts of {s.shape[1]} symbols: give each between 1 and {self.length} of them")
        h = self.read * self.symbols(s.clamp_min(0))
        if self.positions is not None:
            h = h + self.positions(0, s.shape[1])
        h = self.drop(h)
        whole = None if bool(mask.all()) else mask
        for block in self.blocks:
            h = block(h, causal=False, mask=whole)
        return torch.where(mask[..., None], self.norm(h), 0)
