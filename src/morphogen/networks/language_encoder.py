r"""Encoders of texts by a language model that was trained on text alone, for a `Frozen` caption.

    BidirectionalEncoder   [start, s_1 .. s_n, end] through BERT
    CausalEncoder          [start,] s_1 .. s_n through a decoder-only transformer

    tokens = norm(h_L),    vector = norm(mean of the tokens)

The normalization has no parameters: hidden states of language models have scales of their own, and Imagen
found that normalizing them matters.

Photorealistic text-to-image diffusion models with deep language understanding, Saharia et al., 2022, sections
2.1 and 2.3.
"""

__all__ = ["BidirectionalEncoder", "CausalEncoder"]

from typing import Any

import torch
from jaxtyping import Bool, Int
from torch import Tensor
from torch.nn import functional as F

from morphogen.contract import Context
from morphogen.networks.bert import Bert
from morphogen.networks.text_encoder import TextEncoder, normalized_context
from morphogen.networks.transformer import Transformer


class BidirectionalEncoder(TextEncoder):
    """Hidden states of BERT (Devlin et al. 2019): ids [B, T] to tokens [B, T + 2, D] and a vector [B, D].

    Arguments:
        bert: the network.
        start, end: ids of the tokens before and after a text, [CLS] and [SEP].
        length: maximal number of tokens of a text with these two; None: that of the network.
    """

    def __init__(self, bert: Bert, start: int, end: int, length: int | None = None):
        super().__init__()
        self.bert, self.start, self.end, self.length = bert, start, end, length
        self.capacity = min(length or bert.length, bert.length) - 2
        self.widths = {"tokens": bert.width, "vector": bert.width}

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        self.check_length(ids.shape[1])
        last = mask.sum(1, keepdim=True) + 1
        s = F.pad(torch.where(mask, ids, 0), (1, 1))
        s[:, 0] = self.start
        s = s.scatter(1, last, self.end)
        valid = torch.arange(s.shape[1], device=s.device) <= last
        return normalized_context(self.bert(s, valid), valid)


class CausalEncoder(TextEncoder):
    """Hidden states of a language model (Radford et al. 2019): ids [B, T] to tokens and a vector [B, D].

    Arguments:
        network: the language model; if it has a start token, texts begin with it.
        length: maximal number of tokens of a text; None: that of the network.
    """

    def __init__(self, network: Transformer, length: int | None = None):
        super().__init__()
        self.network, self.length = network, length
        self.capacity = min(length or network.length, network.length) - (network.start is not None)
        width = network.token_embedding.embedding_dim
        self.widths = {"tokens": width, "vector": width}

    def forward(self, ids: Int[Tensor, "b t"], mask: Bool[Tensor, "b t"]) -> Context:
        self.check_length(ids.shape[1])
        network: Any = self.network
        s, valid = torch.where(mask, ids, 0), mask
        if network.start is not None:
            s, valid = F.pad(s, (1, 0), value=network.start), F.pad(valid, (1, 0), value=True)
        h = network.embed(s, 0, None)
        for block in network.blocks:
            h = block(h, None)
        return normalized_context(network.norm(h), valid)
