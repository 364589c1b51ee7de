r"""Transformer blocks: attention and feed-forward branches, normalised and added to a residual stream h.

    Block          h += attention(norm(h)); h += feed_forward(norm(h))       pre-norm (GPT-2, LLaMA)
    PostBlock      h = norm(h + attention(h)); h = norm(h + feed_forward(h)) post-norm (Vaswani et al. 2017)
    ParallelBlock  h += attention(norm(h)) + feed_forward(norm(h))           one norm (Chowdhery et al. 2022)

A block with `cross` has a cross-attention branch to a source sequence between the two. Pre-norm keeps the
residual stream itself unnormalised, so that deep stacks train without warm-up (Xiong et al. 2020, "On layer
normalization in the transformer architecture").
"""

__all__ = ["Block", "BlockCache", "Layer", "ParallelBlock", "PostBlock"]

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from typing import Self

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.attention import Attention, CrossAttention, KeyValues, SourceKeyValues


class BlockCache:
    """Decoding cache of one block: the keys and values of self-attention and those of the source.

    Arguments:
        self_attention: key-value cache of self-attention.
        source: keys and values for cross-attention; None: there is no source.
    """

    def __init__(self, self_attention: KeyValues, source: SourceKeyValues | None):
        self.self_attention, self.source = self_attention, source

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select, reorder or repeat rows."""
        self.self_attention.reorder(rows)
        if self.source is not None:
            self.source.reorder(rows)


class Layer(Component, nn.Module, ABC):
    """Base class of transformer blocks: branches and norms, which a subclass adds to the residual stream.

    Arguments:
        attention: self-attention.
        feed_forward: position-wise feed-forward network.
        norm: normalisation; each branch has its own copy.
        cross: cross-attention to `context.tokens`; None: none. The branch is skipped if there are no tokens.
        dropout: dropout probability on the output of each branch.
    """

    def __init__(
        self,
        attention: Attention,
        feed_forward: nn.Module,
        norm: nn.Module,
        cross: CrossAttention | None = None,
        dropout: float = 0.0,
    ):
        super().__init__()
        self.attention, self.feed_forward, self.cross, self.dropout = attention, feed_forward, cross, dropout
        self.norms = nn.ModuleList(deepcopy(norm) for _ in range(self.branches()))
        self.drop = nn.Dropout(dropout)

    @property
    def norm(self) -> nn.Module:
        """The normalisation of the first branch."""
        return self.norms[0]

    @property
    def width(self) -> int:
        """D of the residual stream."""
        return self.attention.width

    def branches(self) -> int:
        """Number of branches with their own normalisation."""
        return 2 if self.cross is None else 3

    def forward(
        self,
        h: Float[Tensor, "b t d"],
        context: Context | None = None,
        cache: BlockCache | None = None,
        causal: bool = True,
        mask: Bool[Tensor, "b t"] | None = None,
        pattern: Bool[Tensor, "t s"] | None = None,
    ) -> Float[Tensor, "b t d"]:
        """The residual stream after this block.

        `mask` is True at valid positions; a `pattern`, True where a position sees another one, replaces the
        causal mask. The source is taken from the cache if there is one, else from `context`.
        """
        source = cache.source if cache is not None else self._source(context)
        key_values = None if cache is None else cache.self_attention
        source = source and source.at(0 if key_values is None else key_values.length, h.shape[1])
        return self.add(h, lambda x: self.attention(x, key_values, causal, mask, pattern), source)

    @abstractmethod
    def add(
        self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None
    ) -> Float[Tensor, "b t d"]:
        """Add the branches to h; `attend` is self-attention with its cache and masks applied."""

    def copy(self) -> Self:
        """A copy with its own weights; the relative position encoding, which has no weights, is shared."""
        positions = self.attention.positions
        return deepcopy(self, {} if positions is None else {id(positions): positions})

    def final_norm(self) -> nn.Module:
        """The normalisation of the residual stream after the last block."""
        return deepcopy(self.norm)

    def make_cache(self, rows: int, positions: int, context: Context | None = None) -> BlockCache:
        """A cache for `rows` sequences of up to `positions` positions, with the source already encoded."""
        return BlockCache(self.attention.make_cache(rows, positions), self._source(context))

    def _source(self, context: Context | None) -> SourceKeyValues | None:
        if self.cross is None or context is None or context.tokens is None:
            return None
        return self.cross.encode_source(context.tokens, context.mask)


class Block(Layer):
    """Pre-norm block: each branch reads the normalised stream and is added to the unnormalised one.

    Language models are unsupervised multitask learners (GPT-2), Radford et al. 2019.
    """

    def add(
        self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None
    ) -> Float[Tensor, "b t d"]:
        h = h + self.drop(attend(self.norms[0](h)))
        if self.cross is not None and source is not None:
            h = h + self.drop(self.cross(self.norms[2](h), source))
        return h + self.drop(self.feed_forward(self.norms[1](h)))


class PostBlock(Layer):
    """Post-norm block: the stream is normalised after each branch is added.

    Attention is all you need, Vaswani et al. 2017, section 3.1.
    """

    def add(
        self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None
    ) -> Float[Tensor, "b t d"]:
        h = self.norms[0](h + self.drop(attend(h)))
        if self.cross is not None and source is not None:
            h = self.norms[2](h + self.drop(self.cross(h, source)))
        return self.norms[1](h + self.drop(self.feed_forward(h)))

    def final_norm(self) -> nn.Module:
        return nn.Identity()  # the last branch has already been normalised


class ParallelBlock(Layer):
    """Parallel block: all branches read one normalised stream, which gives fewer, larger matrix products.

    Chowdhery et al. 2022, section 2.
    """

    def branches(self) -> int:
        return 1

    def add(
        self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None
    ) -> Float[Tensor, "b t d"]:
        x = self.norm(h)
        update = attend(x) + self.feed_forward(x)
        if self.cross is not None and source is not None:
            update = update + self.cross(x, source)
        return h + self.drop(update)
