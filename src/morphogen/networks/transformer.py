r"""Causal transformer: logits of every token from the tokens before it.

    h_0    = r W_e[start, x_1 .. x_(n-1)] + W_p + W_c c          embedding, positions, condition
    h_l    = block_l(h_(l-1))                                    causal attention; see blocks.py
    logits = w W_o norm(h_L)                                     W_o = W_e if the head is tied

The sequence is shifted inside the network: the input at position i is token i - 1, that at the first position
a start token. `TransformerCache` caches keys and values, so that a decoding step processes one position
instead of all. `decoders.py` has the configurations of GPT-2, LLaMA and PaLM.

References: Attention is all you need, Vaswani et al., 2017; Language models are unsupervised multitask
learners (GPT-2), Radford, Wu, Child, Luan, Amodei & Sutskever, 2019.
"""

__all__ = ["Head", "Tied", "TokenEmbedding", "Transformer", "TransformerCache", "Untied"]

from abc import ABC, abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.blocks import BlockCache, Layer
from morphogen.networks.decoding_step import FEW, NativeStep, native_step
from morphogen.networks.initialization import Initializer, NormalInit
from morphogen.networks.positions import Positions
from morphogen.numerics.tensors import raster, unraster


class TokenEmbedding(nn.Embedding):
    """Token embedding whose weights can also compute logits.

    Arguments:
        vocabulary: V.
        width: D of the residual stream.
        start: whether there is one more row, for a start token that is never predicted.
    """

    def __init__(self, vocabulary: int, width: int, start: bool):
        super().__init__(vocabulary + start, width)
        self.vocabulary = vocabulary

    def scores(self, h: Float[Tensor, "b t d"]) -> Float[Tensor, "b t v"]:
        """Inner products of h with the embeddings of the V tokens that can be predicted."""
        return F.linear(h, self.weight[: self.vocabulary])


class Head(Component, nn.Module, ABC):
    """Base class of output heads, which also hold the scale of the input embedding.

    Arguments:
        embedding_scale: factor on the embedding.
        logit_scale: factor on the logits.
    """

    def __init__(self, embedding_scale: float = 1.0, logit_scale: float = 1.0):
        super().__init__()
        self.embedding_scale, self.logit_scale = embedding_scale, logit_scale

    @abstractmethod
    def forward(self, h: Float[Tensor, "b t d"], embedding: nn.Module) -> Float[Tensor, "b t v"]:
        """Logits of the normalised residual stream; `embedding` is the network's `TokenEmbedding`."""


class Tied(Head):
    """Output head that shares the embedding's weights.

    Using the output embedding to improve language models, Press & Wolf 2017.
    """

    def forward(self, h: Float[Tensor, "b t d"], embedding: nn.Module) -> Float[Tensor, "b t v"]:
        scores = embedding.scores(h)  # type: ignore[operator]
        return scores if self.logit_scale == 1 else self.logit_scale * scores


class Untied(Head):
    """Output head with its own weights (Touvron et al. 2023).

    Arguments:
        vocabulary: V.
        width: D of the residual stream.
        embedding_scale, logit_scale: see `Head`.
    """

    def __init__(self, vocabulary: int, width: int, embedding_scale: float = 1.0, logit_scale: float = 1.0):
        super().__init__(embedding_scale, logit_scale)
        self.vocabulary, self.width = vocabulary, width
        self.matrix = nn.Linear(width, vocabulary, bias=False)

    def forward(self, h: Float[Tensor, "b t d"], embedding: nn.Module) -> Float[Tensor, "b t v"]:
        return self.matrix(h) if self.logit_scale == 1 else self.logit_scale * self.matrix(h)


class Transformer(Component, nn.Module):
    """Causal (decoder-only) transformer (Vaswani et al. 2017): token ids to logits.

    x of any shape is processed in raster order. Negative ids (padding) are embedded as id 0.

    Arguments:
        vocabulary: V, number of token ids.
        length: maximal number of positions.
        block: template of one layer (`Block`, `PostBlock`, `ParallelBlock`); the network holds copies of it.
        layers: number of layers.
        positions: absolute position encoding (`LearnedPositions`, `SinusoidalPositions`); None: none
            (attention may have a relative one).
        head: `Tied` or `Untied`.
        start: id of the start token; V: an additional token, which is never predicted; None: no start token,
            so that the first token is uniformly distributed.
        dropout: dropout probability on the input of the first block.
        vector: width of `context.vector`, projected and added at every position (0: unconditional).
        initializer: weight initialisation; None: `NormalInit`, GPT-2's.

    Raises ConfigError for an invalid start token.
    """

    def __init__(
        self,
        vocabulary: int,
        length: int,
        block: Layer,
        layers: int,
        positions: Positions | None,
        head: Head,
        start: int | None,
        dropout: float = 0.0,
        vector: int = 0,
        initializer: Initializer | None = None,
    ):
        super().__init__()
        if start is not None and not 0 <= start <= vocabulary:
            raise ConfigError(
                f"Transformer: start must be None, an id, or {vocabulary} for an additional token, "
                f"got {start}"
            )
        self.vocabulary, self.length, self.layers, self.start = vocabulary, length, layers, start
        self.dropout, self.vector = dropout, vector
        self.initializer = initializer if initializer is not None else NormalInit()
        self.token_embedding = TokenEmbedding(vocabulary, block.width, start == vocabulary)
        self.positions = positions
        self.condition = nn.Linear(vector, block.width, bias=False) if vector else None
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm, self.head = block.final_norm(), head
        self.initializer(self, layers)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        shape = tuple(x.shape[1:])
        s = raster(x, shape)
        h = self.embed(self.shifted(s), 0, context)
        for block in self.blocks:
            h = block(h, context)
        logits = self.logits(h)
        if self.start is None:
            logits = torch.cat([logits.new_zeros(len(s), 1, self.vocabulary), logits], 1)
        return unraster(logits, shape)

    def shifted(self, s: Int[Tensor, "b t"]) -> Int[Tensor, "b s"]:
        """The input ids: s shifted right by one, with the start token (if there is one) in front."""
        if self.start is None:
            return s[:, :-1]
        return torch.cat([s.new_full((len(s), 1), self.start), s[:, :-1]], 1)

    def embed(self, s: Int[Tensor, "b t"], offset: int, context: Context | None) -> Float[Tensor, "b t d"]:
        """The input of the first block for ids s; s[:, 0] is at position `offset`."""
        h = self.token_embedding(s.clamp_min(0))
        if self.head.embedding_scale != 1:
            h = self.head.embedding_scale * h
        if self.positions is not None:
            h = h + self.positions(offset, s.shape[1])
        if self.condition is not None and context is not None and context.vector is not None:
            h = h + self.condition(context.vector)[:, None]
        return self.drop(h)

    def logits(self, h: Float[Tensor, "b t d"]) -> Float[Tensor, "b t v"]:
        """Logits from the output of the last block, without an additional start token."""
        return self.head(self.norm(h), self.token_embedding)

    def advance(
        self,
        ids: Int[Tensor, "b t"],
        caches: Sequence[BlockCache],
        context: Context | None,
        last: int | None = None,
    ) -> Float[Tensor, "b s v"]:
        """Append ids to the caches; returns the logits after each, or after the `last` ones only.

        A step of one position is also a kernel, see `decoding_step.py`.
        """
        h = self.embed(ids, caches[0].self_attention.length, context)
        for block, cache in zip(self.blocks, caches, strict=True):
            h = block(h, None, cache)
        return self.logits(h if last is None else h[:, -last:])

    def make_cache(self, rows: int, context: Context | None) -> "TransformerCache":
        """An empty cache for `rows` sequences."""
        return TransformerCache(self, rows, context)


class TransformerCache:
    """Key-value cache of a transformer for incremental decoding.

    `length` is the number of cached tokens, without the start token.

    Arguments:
        network: the transformer.
        rows: number of sequences in the batch.
        context: condition of the network, with as many rows.
    """

    @torch.no_grad()
    def __init__(self, network: Transformer, rows: int, context: Context | None):
        self.network, self.rows, self.context, self.length = network, rows, context, 0
        blocks: Any = network.blocks
        self.caches = [block.make_cache(rows, network.length, context) for block in blocks]

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous position's tokens (None: at the first position); returns the next logits."""
        if previous is not None:
            return self.prefill(previous[:, None])[:, 0]
        if self.network.start is None:
            return self.network.token_embedding.weight.new_zeros(self.rows, self.network.vocabulary)
        return self._advance(self._start_tokens())[:, 0]

    @torch.no_grad()
    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Append T tokens; returns the logits after each. The start token is processed before the first."""
        logits = self._append(tokens, tokens.shape[1])
        return logits[:, logits.shape[1] - tokens.shape[1] :]

    @torch.no_grad()
    def read(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b v"]:
        """Append T tokens, at least one; returns the logits after the last."""
        return self._append(tokens, 1)[:, -1]

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select, reorder or repeat rows, in place."""
        self.rows, self.context = len(rows), None if self.context is None else self.context[rows]
        for cache in self.caches:
            cache.reorder(rows)

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""
        self.length = length
        for cache in self.caches:
            cache.self_attention.truncate(length + (self.network.start is not None))

    @cached_property
    def _native(self) -> NativeStep | None:
        return native_step(self.network)

    def _append(self, tokens: Tensor, last: int) -> Tensor:
        """Logits after the last tokens; the start token is processed before the first of all."""
        needs_start = self.network.start is not None and not self.caches[0].self_attention.length
        self.length += tokens.shape[1]
        return self._advance(torch.cat([self._start_tokens(), tokens], 1) if needs_start else tokens, last)

    def _advance(self, ids: Tensor, last: int = 1) -> Tensor:
        """Logits after the last of the ids, which are appended to the caches."""
        one = ids.shape[1] == 1 and 0 < len(ids) <= FEW and not torch.is_autocast_enabled("cpu")
        if not one or self._native is None:
            return self.network.advance(ids, self.caches, self.context, last)
        length = self.caches[0].self_attention.length
        h = self.network.embed(ids, length, self.context)[:, 0]
        logits = self._native(h, self.caches, torch.full((len(ids),), length))
        for cache in self.caches:
            cache.self_attention.length += 1
        return logits[:, None]

    def _start_tokens(self) -> Tensor:
        """The start token of every row, [B, 1]."""
        device = self.network.token_embedding.weight.device
        return torch.full((self.rows, 1), self.network.start or 0, device=device)
