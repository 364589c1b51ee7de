r"""One layer of a transformer: branches that add to a stream h, each with a normalisation of its own.

    Block           h += attention(norm(h)); h += feed_forward(norm(h))                 pre-norm (GPT-2, LLaMA)
    PostBlock       h = norm(h + attention(h)); h = norm(h + feed_forward(h))           post-norm (Vaswani et al. 2017)
    ParallelBlock   h += attention(norm(h)) + feed_forward(norm(h))                     one norm (PaLM, Chowdhery et al. 2022)

A block with `cross` also reads a source, between the two. Pre-norm keeps the stream itself free of normalisation, so that deep stacks
train without a warm-up (Xiong et al. 2020, "On layer normalization in the transformer architecture").
"""

__all__ = ["Block", "BlockMemory", "Layer", "ParallelBlock", "PostBlock"]

from abc import ABC, abstractmethod
from collections.abc import Callable
from copy import deepcopy
from typing import Self

from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.attention import Attention, CrossAttention, KeyValues, SourceKeyValues


class BlockMemory:
    """What a block keeps of sequences: keys and values of the positions so far, and those of the source.

    Arguments:
        own: of the sequences themselves.
        source: of what is read besides; None: nothing.
    """

    def __init__(self, own: KeyValues, source: SourceKeyValues | None):
        self.own, self.source = own, source

    def select(self, rows: Int[Tensor, " m"]) -> None:
        """Keep, reorder or repeat rows."""
        self.own.select(rows)
        if self.source is not None:
            self.source.select(rows)


class Layer(Component, nn.Module, ABC):
    """Attention, a feed-forward and their normalisations, of one width; how they add to the stream is the subclass.

    Arguments:
        attention: of the stream to itself.
        feed_forward: at each position.
        norm: the normalisation; each branch has a copy.
        cross: attention to `context.tokens`; None: there is no source. Without tokens the branch is left out.
        dropout: on what each branch adds.
    """

    def __init__(
        self, attention: Attention, feed_forward: nn.Module, norm: nn.Module, cross: CrossAttention | None = None, dropout: float = 0.0
    ):
        super().__init__()
        self.attention, self.feed_forward, self.cross, self.dropout = attention, feed_forward, cross, dropout
        self.norms = nn.ModuleList(deepcopy(norm) for _ in range(self.branches()))
        self.drop = nn.Dropout(dropout)

    @property
    def norm(self) -> nn.Module:
        """The first branch's."""
        return self.norms[0]

    @property
    def width(self) -> int:
        """D of the stream."""
        return self.attention.width

    def branches(self) -> int:
        """How many have a normalisation of their own."""
        return 2 if self.cross is None else 3

    def forward(
        self, h: Float[Tensor, "b t d"], context: Context | None = None, memory: BlockMemory | None = None, causal: bool = True,
        mask: Bool[Tensor, "b t"] | None = None,
    ) -> Float[Tensor, "b t d"]:  # fmt: skip
        """The stream after this layer; `mask` says which of its positions are valid, `context` and `memory` hold the source."""
        source = memory.source if memory is not None else self._source(context)
        own = None if memory is None else memory.own
        return self.add(h, lambda x: self.attention(x, own, causal, mask), source)

    @abstractmethod
    def add(self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None) -> Float[Tensor, "b t d"]:
        """The stream with the branches added; `attend` is the attention with all that it is told."""

    def copy(self) -> Self:
        """Another of the same, with weights of its own; what is not learned of positions is shared."""
        shared = self.attention.positions
        return deepcopy(self, {} if shared is None else {id(shared): shared})

    def closing(self) -> nn.Module:
        """What normalises the stream after the last layer."""
        return deepcopy(self.norm)

    def memory(self, rows: int, positions: int, context: Context | None = None) -> BlockMemory:
        """Room for what attention keeps of `rows` sequences, and their source read."""
        return BlockMemory(self.attention.memory(rows, positions), self._source(context))

    def _source(self, context: Context | None) -> SourceKeyValues | None:
        if self.cross is None or context is None or context.tokens is None:
            return None
        return self.cross.read(context.tokens, context.mask)


class Block(Layer):
    """Each branch reads the normalised stream and adds to the stream itself (Radford et al. 2019)."""

    def add(self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None) -> Float[Tensor, "b t d"]:
        h = h + self.drop(attend(self.norms[0](h)))
        if self.cross is not None and source is not None:
            h = h + self.drop(self.cross(self.norms[2](h), source))
        return h + self.drop(self.feed_forward(self.norms[1](h)))


class PostBlock(Layer):
    """Each branch reads the stream, and their sum is normalised (Vaswani et al. 2017, section 3.1)."""

    def add(self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None) -> Float[Tensor, "b t d"]:
        h = self.norms[0](h + self.drop(attend(h)))
        if self.cross is not None and source is not None:
            h = self.norms[2](h + self.drop(self.cross(h, source)))
        return self.norms[1](h + self.drop(self.feed_forward(h)))

    def closing(self) -> nn.Module:
        return nn.Identity()  # the last branch has normalised it


class ParallelBlock(Layer):
    """All branches read the stream at once, normalised once: fewer, larger multiplications (Chowdhery et al. 2022, section 2)."""

    def branches(self) -> int:
        return 1

    def add(self, h: Float[Tensor, "b t d"], attend: Callable[[Tensor], Tensor], source: SourceKeyValues | None) -> Float[Tensor, "b t d"]:
        x = self.norm(h)
        added = attend(x) + self.feed_forward(x)
        if self.cross is not None and source is not None:
            added = added + self.cross(x, source)
        return h + self.drop(added)
