r"""A causal transformer, put together of parts: logits of every symbol from the symbols before it.

    h_0    = r W_e[start, x_1 .. x_(n-1)] + W_p + W_c c          embedding, places, condition
    h_l    = block_l(h_(l-1))                                    attention to positions up to one's own; blocks.py
    logits = w W_o norm(h_L)                                     W_o = W_e again where the head is tied

The sequence is shifted inside: position i reads symbol i - 1, the first reads a start symbol. `TransformerMemory` keeps keys and
values, so that a step costs one position instead of all before it. Which parts make GPT-2, LLaMA or PaLM stands in `decoders.py`.

References: Attention is all you need, Vaswani et al., 2017; Language models are unsupervised multitask learners (GPT-2), Radford, Wu,
Child, Luan, Amodei & Sutskever, 2019.
"""

__all__ = ["Head", "Symbols", "Tied", "Transformer", "TransformerMemory", "Untied"]

from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.blocks import BlockMemory, Layer
from morphogen.networks.initial import Initial, Normal
from morphogen.networks.positions import Positions
from morphogen.numerics.tensors import raster, unraster


class Symbols(nn.Embedding):
    """A vector for each symbol: what is read of it, and what the stream is compared with to score it.

    Arguments:
        vocabulary: V.
        width: D of the stream.
        start: whether there is one row more, read and never scored.
    """

    def __init__(self, vocabulary: int, width: int, start: bool):
        super().__init__(vocabulary + start, width)
        self.vocabulary = vocabulary

    def scores(self, h: Float[Tensor, "b t d"]) -> Float[Tensor, "b t v"]:
        """h . w_v of every symbol that can be predicted."""
        return F.linear(h, self.weight[: self.vocabulary])


class Head(Component, nn.Module, ABC):
    """How symbols enter the stream and how it becomes logits.

    Arguments:
        read: factor on the embedding.
        write: factor on the logits.
    """

    def __init__(self, read: float = 1.0, write: float = 1.0):
        super().__init__()
        self.read, self.write = read, write

    @abstractmethod
    def forward(self, h: Float[Tensor, "b t d"], symbols: nn.Module) -> Float[Tensor, "b t v"]:
        """Logits of the normalised stream; `symbols` is the embedding, which can score too."""


class Tied(Head):
    """The embedding again (Press & Wolf 2017, "Using the output embedding to improve language models")."""

    def forward(self, h: Float[Tensor, "b t d"], symbols: nn.Module) -> Float[Tensor, "b t v"]:
        scores = symbols.scores(h)  # type: ignore[operator]
        return scores if self.write == 1 else self.write * scores


class Untied(Head):
    """A matrix of its own (Touvron et al. 2023).

    Arguments:
        vocabulary: V.
        width: D of the stream.
        read, write: as of `Head`.
    """

    def __init__(self, vocabulary: int, width: int, read: float = 1.0, write: float = 1.0):
        super().__init__(read, write)
        self.vocabulary, self.width = vocabulary, width
        self.matrix = nn.Linear(width, vocabulary, bias=False)

    def forward(self, h: Float[Tensor, "b t d"], symbols: nn.Module) -> Float[Tensor, "b t v"]:
        return self.matrix(h) if self.write == 1 else self.write * self.matrix(h)


class Transformer(Component, nn.Module):
    """Causal logits of sequences (Vaswani et al. 2017); any shape of x is read in raster order, an id below 0 as if it were 0.

    Arguments:
        vocabulary: V, values of one symbol.
        length: positions at most.
        block: one layer (`Block`, `PostBlock`, `ParallelBlock`); the network has copies of it.
        layers: how many.
        positions: what is added to the embedding (`Learned`, `Sinusoidal`); None: attention knows of distance, or nothing does.
        head: `Tied` or `Untied`.
        start: the id that is read before the first symbol; V: one of its own, which is never predicted; None: there is none, the first
            symbol is uniform and a memory has nothing to read before it.
        dropout: on what enters the first block.
        vector: width of `context.vector`, projected and added at every position (0: unconditional).
        initial: where the weights begin; None: `Normal`, GPT-2's.

    Raises ConfigError for a start that is no id.
    """

    def __init__(
        self, vocabulary: int, length: int, block: Layer, layers: int, positions: Positions | None, head: Head, start: int | None,
        dropout: float = 0.0, vector: int = 0, initial: Initial | None = None,
    ):  # fmt: skip
        super().__init__()
        if start is not None and not 0 <= start <= vocabulary:
            raise ConfigError(f"Transformer: start {start} is no id of {vocabulary}; take one, {vocabulary} for one more, or None")
        self.vocabulary, self.length, self.layers, self.start = vocabulary, length, layers, start
        self.dropout, self.vector, self.initial = dropout, vector, initial if initial is not None else Normal()
        self.symbols, self.positions = Symbols(vocabulary, block.width, start == vocabulary), positions
        self.condition = nn.Linear(vector, block.width, bias=False) if vector else None
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm, self.head = block.closing(), head
        self.initial(self, layers)

    @property
    def block(self) -> nn.Module:
        """One layer, the first."""
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
        """What each position reads: the symbol before it, the first the start."""
        return s[:, :-1] if self.start is None else torch.cat([s.new_full((len(s), 1), self.start), s[:, :-1]], 1)

    def embed(self, s: Int[Tensor, "b t"], place: int, context: Context | None) -> Float[Tensor, "b t d"]:
        """What enters the first block for the ids s read at positions place, place + 1, ..."""
        h = self.symbols(s.clamp_min(0))
        if self.head.read != 1:
            h = self.head.read * h
        if self.positions is not None:
            h = h + self.positions(place, s.shape[1])
        if self.condition is not None and context is not None and context.vector is not None:
            h = h + self.condition(context.vector)[:, None]
        return self.drop(h)

    def logits(self, h: Float[Tensor, "b t d"]) -> Float[Tensor, "b t v"]:
        """What the last block left, to logits: a start symbol of its own is never predicted."""
        return self.head(self.norm(h), self.symbols)

    def advance(self, ids: Int[Tensor, "b t"], memories: Sequence[BlockMemory], context: Context | None) -> Float[Tensor, "b t v"]:
        """The ids read behind what the memories hold, to the logits after each: the whole of a step, to be compiled or written natively."""
        h = self.embed(ids, memories[0].own.length, context)
        for block, memory in zip(self.blocks, memories, strict=True):
            h = block(h, None, memory)
        return self.logits(h)

    def cache(self, rows: int, context: Context | None) -> "TransformerMemory":
        """An empty memory for `rows` sequences."""
        return TransformerMemory(self, rows, context)


class TransformerMemory:
    """The keys and values of sequences so far, and from them the next symbol's logits.

    `length` counts the symbols read, a start symbol not among them.

    Arguments:
        network: whose keys and values they are.
        rows: sequences drawn side by side.
        context: what the network may look at besides, of as many rows.
    """

    @torch.no_grad()
    def __init__(self, network: Transformer, rows: int, context: Context | None):
        self.network, self.rows, self.context, self.length = network, rows, context, 0
        self.memories = [block.memory(rows, network.length, context) for block in network.blocks]  # type: ignore[operator]

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        if previous is not None:
            return self.read(previous[:, None])[:, 0]
        if self.network.start is None:
            return self.network.symbols.weight.new_zeros(self.rows, self.network.vocabulary)
        return self.network.advance(self._start(), self.memories, self.context)[:, 0]

    @torch.no_grad()
    def read(self, symbols: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Take in t symbols at once, the start before them if it was not read yet: the logits after each."""
        late = self.network.start is not None and not self.memories[0].own.length
        ids = torch.cat([self._start(), symbols], 1) if late else symbols
        self.length += symbols.shape[1]
        logits = self.network.advance(ids, self.memories, self.context)
        return logits[:, 1:] if late else logits

    def select(self, rows: Int[Tensor, " m"]) -> None:
        """Keep, reorder or repeat rows, in place."""
        self.rows, self.context = len(rows), None if self.context is None else self.context[rows]
        for memory in self.memories:
            memory.select(rows)

    def rewind(self, length: int) -> None:
        """Forget all symbols from `length` on."""
        self.length = length
        for memory in self.memories:
            memory.own.rewind(length + (self.network.start is not None))

    def _start(self) -> Tensor:
        return torch.full((self.rows, 1), self.network.start or 0, device=self.network.symbols.weight.device)
