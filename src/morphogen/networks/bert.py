r"""BERT, a bidirectional transformer encoder of WordPiece tokens, pooled to one vector per text.

    h_0 = norm(W_e[s] + W_p + W_type),    h_l = block_l(h_(l-1))  (normalization after each sum),
    text = m / |m|,    m = mean over valid positions of h_L

The mean of the last layer is the sentence embedding of Reimers & Gurevych; ALIGN takes the class token, which
stands before each text.

References: BERT: pre-training of deep bidirectional transformers for language understanding, Devlin, Chang,
Lee & Toutanova, 2019; Sentence-BERT: sentence embeddings using siamese BERT-networks, Reimers & Gurevych,
2019; Scaling up visual and vision-language representation learning with noisy text supervision (ALIGN), Jia
et al., 2021.
"""

__all__ = ["Bert", "BertText"]

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.text_encoder import TextEncoder

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


class BertText(TextEncoder):
    """BERT of framed texts: ids [B, T] to tokens [B, T + 2, D] and the class token [B, D] (Jia et al. 2021).

    Arguments:
        network: of the framed ids; its weights are initialized anew.
        start, end: ids of the class token and of the separator, before and after a text.
        initializer: weight initialisation; None: `NormalInit`, as in BERT.
    """

    def __init__(self, network: Bert, start: int, end: int, initializer: Initializer | None = None):
        super().__init__()
        self.network, self.start, self.end = network, start, end
        self.initializer = initializer if initializer is not None else NormalInit()
        self.capacity, self.widths = network.length - 2, {"tokens": network.width, "vector": network.width}
        _initialize(network, self.initializer)

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        """Encode the ids. Errors: ConfigError for more than the capacity."""
        self.check_length(ids.shape[1])
        end = mask.sum(1, keepdim=True) + 1
        s = F.pad(torch.where(mask, ids, self.end), (1, 1), value=self.end)
        s[:, 0] = self.start
        valid = torch.arange(s.shape[1], device=s.device) <= end
        tokens = torch.where(valid[..., None], self.network(s, valid), 0)
        return Context(tokens[:, 0], tokens, valid)


def _initialize(network: Bert, initializer: Initializer) -> None:
    """Initialise the weights, those of the attention's one matrix of queries, keys and values too."""
    initializer(network, network.layers)
    for block in network.blocks:
        attention: Any = block.self_attn
        std = initializer.weight_std(attention.out_proj, False, network.layers)
        nn.init.normal_(attention.in_proj_weight, std=std)
