r"""A decoder-only transformer: logits of every symbol from the symbols before it.

    h_0 = W_e[start, x_1 .. x_(n-1)] + W_p + W_c c
    h   = h + attention(norm(h));   h = h + mlp(norm(h))        layer by layer (pre-norm), attention to positions up to one's own
    logits = norm(h) W_e^T                                       the embedding again, tied

The sequence is shifted inside: position i reads symbol i - 1, the first reads a start symbol. `TransformerMemory` keeps keys and
values, so that a step costs one position instead of all before it.

Reference: Language models are unsupervised multitask learners (GPT-2), Radford, Wu, Child, Luan, Amodei & Sutskever, 2019.
"""

__all__ = ["Block", "Transformer", "TransformerMemory"]

import math

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.attention import Attention, KeyValues
from morphogen.numerics.tensors import raster, unraster


class Transformer(Component, nn.Module):
    """Causal logits of sequences, of GPT-2's shapes (Radford et al. 2019); any shape of x is read in raster order.

    Weights start as N(0, 0.02), those that write to the residual stream as N(0, 0.02 / sqrt(2 layers)), as in the paper.

    Arguments:
        vocabulary: V, values of one symbol; the embedding has one row more, the start symbol.
        length: positions at most.
        width: D of the residual stream, a multiple of `heads`; the MLP's is 4 D.
        layers: blocks.
        heads: of each attention.
        dropout: on the embedding and on what each branch adds.
        vector: width of `context.vector`, projected and added at every position (0: unconditional).
    """

    def __init__(self, vocabulary: int, length: int, width: int, layers: int, heads: int, dropout: float = 0.0, vector: int = 0):
        super().__init__()
        self.vocabulary, self.length, self.width, self.layers = vocabulary, length, width, layers
        self.heads, self.dropout, self.vector = heads, dropout, vector
        self.symbols, self.positions = nn.Embedding(vocabulary + 1, width), nn.Embedding(length, width)
        self.condition = nn.Linear(vector, width, bias=False) if vector else None
        self.drop = nn.Dropout(dropout)
        self.blocks = nn.ModuleList(Block(width, heads, dropout) for _ in range(layers))
        self.norm = nn.LayerNorm(width)
        self.apply(_start)
        for name, weight in self.named_parameters():
            if name.endswith(("attention.out.weight", "mlp.2.weight")):
                nn.init.normal_(weight, std=0.02 / math.sqrt(2 * layers))

    def forward(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ... v"]:
        shape = tuple(x.shape[1:])
        s = raster(x, shape)
        start = s.new_full((len(s), 1), self.vocabulary)
        h = self.embed(torch.cat([start, s[:, :-1]], 1), 0, context)
        for block in self.blocks:
            h = block(h)
        return unraster(self.logits(h), shape)

    def embed(self, s: Int[Tensor, "b t"], place: int, context: Context | None) -> Float[Tensor, "b t d"]:
        """What enters the first block for the ids s read at positions place, place + 1, ..."""
        h = self.symbols(s) + self.positions.weight[place : place + s.shape[1]]
        if self.condition is not None and context is not None and context.vector is not None:
            h = h + self.condition(context.vector)[:, None]
        return self.drop(h)

    def logits(self, h: Float[Tensor, "b t d"]) -> Float[Tensor, "b t v"]:
        """What the last block left, to logits: the start symbol is never predicted."""
        return F.linear(self.norm(h), self.symbols.weight[:-1])

    def cache(self, rows: int, context: Context | None) -> "TransformerMemory":
        """An empty memory for `rows` sequences."""
        return TransformerMemory(self, rows, context)


class Block(nn.Module):
    """Attention, then an MLP of four times the width with GELU (tanh form, as GPT-2), each adding to the stream.

    Arguments:
        width: D of the stream [B, T, D].
        heads: of the attention.
        dropout: on what each branch adds.
    """

    def __init__(self, width: int, heads: int, dropout: float):
        super().__init__()
        self.norm1, self.attention = nn.LayerNorm(width), Attention(width, heads)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(approximate="tanh"), nn.Linear(4 * width, width))
        self.dropout = nn.Dropout(dropout)

    def forward(self, h: Float[Tensor, "b t d"], memory: KeyValues | None = None) -> Float[Tensor, "b t d"]:
        h = h + self.dropout(self.attention(self.norm1(h), memory, causal=True))
        return h + self.dropout(self.mlp(self.norm2(h)))

    def memory(self, rows: int, positions: int) -> KeyValues:
        """Room for what attention keeps of `rows` sequences."""
        return self.attention.memory(rows, positions)


class TransformerMemory:
    """The keys and values of `rows` sequences so far, and from them the next symbol's logits.

    Arguments:
        network: whose keys and values they are.
        rows: sequences drawn side by side.
        context: what the network may look at besides, of as many rows.
    """

    def __init__(self, network: Transformer, rows: int, context: Context | None):
        self.network, self.context, self.position = network, context, 0
        self.memories = [block.memory(rows, network.length) for block in network.blocks]  # type: ignore[operator]
        self.start = torch.full((rows,), network.vocabulary, device=network.symbols.weight.device)

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        read = self.start if previous is None else previous
        h = self.network.embed(read[:, None], self.position, self.context)
        for block, memory in zip(self.network.blocks, self.memories, strict=True):
            h = block(h, memory)
        self.position += 1
        return self.network.logits(h)[:, 0]


def _start(part: nn.Module) -> None:
    """GPT-2's initialisation."""
    if isinstance(part, nn.Linear | nn.Embedding):
        nn.init.normal_(part.weight, std=0.02)
    if isinstance(part, nn.Linear) and part.bias is not None:
        nn.init.zeros_(part.bias)
