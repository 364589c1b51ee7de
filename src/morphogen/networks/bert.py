r"""BERT, a bidirectional transformer encoder of WordPiece tokens, pooled to one vector per text.

    h_0 = norm(W_e[s] + W_p + W_type),    h_l = block_l(h_(l-1))  (normalization after each sum),
    text = m / |m|,    m = mean over valid positions of h_L

The mean of the last layer is the sentence embedding of Reimers & Gurevych.

References: BERT: pre-training of deep bidirectional transformers for language understanding, Devlin, Chang,
Lee & Toutanova, 2019; Sentence-BERT: sentence embeddings using siamese BERT-networks, Reimers & Gurevych,
2019.
"""

__all__ = ["Bert"]

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component

EPSILON = 1e-12  # of layer normalization, as published


class Bert(Component, nn.Module):
    """BERT encoder (Devlin et al. 2019), token ids [B, S] -> vectors [B, S, D]; all tokens have type 0.

    Arguments:
        vocabulary: number of token ids.
        length: maximal number of positions.
        width: D.
        heads: attention heads per layer.
        layers: number of layers.
        hidden: width of the feed-forward layers.
    """

    def __init__(self, vocabulary: int, length: int, width: int, heads: int, layers: int, hidden: int):
        super().__init__()
        self.vocabulary, self.length, self.width = vocabulary, length, width
        self.heads, self.layers, self.hidden = heads, layers, hidden
        self.tokens, self.positions = nn.Embedding(vocabulary, width), nn.Embedding(length, width)
        self.token_type = nn.Parameter(torch.zeros(width))
        self.norm = nn.LayerNorm(width, EPSILON)
        self.blocks = nn.ModuleList(
            nn.TransformerEncoderLayer(
                width, heads, hidden, dropout=0.0, activation="gelu", layer_norm_eps=EPSILON, batch_first=True
            )
            for _ in range(layers)
        )

    def forward(self, s: Int[Tensor, "b s"], mask: Bool[Tensor, "b s"]) -> Float[Tensor, "b s d"]:
        """Encode the ids; `mask` is True at valid positions, of which each row has at least one."""
        h = self.norm(self.tokens(s) + self.positions.weight[: s.shape[1]] + self.token_type)
        for block in self.blocks:
            h = block(h, src_key_padding_mask=~mask)
        return h

    def embed(self, s: Int[Tensor, "b s"], mask: Bool[Tensor, "b s"]) -> Float[Tensor, "b d"]:
        """One vector of length 1 per text: the mean over its tokens (Reimers & Gurevych 2019)."""
        valid = mask[..., None]
        return F.normalize((self(s, mask) * valid).sum(1) / valid.sum(1), dim=1)
