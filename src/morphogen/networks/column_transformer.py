r"""Causal transformer over the columns of a table, in any order, with one softmax per column.

    h_i = E_(s_(i-1))[code of s_(i-1)] + T_(s_i) + W_c c,      s: the order of the columns
    log P(code of column j | the columns before it) = log softmax(log m_j + (W_j + F_j B_j) o_j)

Position i reads the codes of the columns s_1 .. s_(i-1) and knows which column s_i it predicts, so that one
network has the conditionals of every order (sigma-GPT, Pannatier, Courdier & Fleuret 2024, "sigma-GPTs: a new
approach to autoregressive models"). No positions are encoded: what a column is given by is a set.

Before training every column has its own masses m_j. The codes of an ordered column are neighbours: their
embeddings, and the weights of their logits, have a part F_j, the cosines of the code's mean rank in the
training data, beside a free part.
"""

__all__ = ["CodeLogits", "CodeVectors", "CodedTable", "ColumnCache", "ColumnTransformer"]

import math
from collections.abc import Sequence
from itertools import repeat
from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.blocks import Layer
from morphogen.networks.initialization import FanInInit

WAVES = 16  # cosines of an ordered column
EMBEDDING = 0.3  # standard deviation of the embeddings before training


@runtime_checkable
class CodedTable(Protocol):
    """A representation of rows whose cells are codes 0 .. V-1; code 0 is a missing cell."""

    masses: Sequence[Float[Tensor, " v"]]  # per column, the fraction of the training rows with each code
    ordered: Sequence[bool]  # per column, whether codes 1 .. V-1 are in the order of their values


class ColumnTransformer(Component, nn.Module):
    """Logits of the codes of every column, given the columns before it in an order.

    Arguments:
        table: the representation of the rows, a `CodedTable`.
        block: template of one layer, without relative positions; the network holds copies of it.
        layers: number of layers.
        vector: width of `context.vector`, added at every position (0: unconditional).
        dropout: dropout probability on the input of the first block and of the logits.
    """

    def __init__(self, table: CodedTable, block: Layer, layers: int, vector: int = 0, dropout: float = 0.0):
        super().__init__()
        self.table, self.layers, self.vector, self.dropout = table, layers, vector, dropout
        masses, ordered, width = table.masses, table.ordered, block.width
        self.sizes = tuple(map(len, masses))
        self.inputs = nn.ModuleList(map(CodeVectors, masses, ordered, repeat(width), repeat(EMBEDDING)))
        self.targets = nn.Parameter(EMBEDDING * torch.randn(len(masses), width))
        self.start = nn.Parameter(torch.zeros(width))
        self.condition = nn.Linear(vector, width, bias=False) if vector else None
        self.blocks = nn.ModuleList(block.copy() for _ in range(layers))
        self.norm, self.drop = block.final_norm(), nn.Dropout(dropout)
        self.outputs = nn.ModuleList(map(CodeLogits, masses, ordered, repeat(width)))
        FanInInit()(self, layers)

    @property
    def block(self) -> nn.Module:
        """The first layer."""
        return self.blocks[0]

    def forward(
        self, codes: Int[Tensor, "b d"], order: Int[Tensor, "b d"], context: Context | None
    ) -> Float[Tensor, "b d w"]:
        """The features o_j from which `logits` predicts each column.

        Arguments:
            codes: of the columns, in their own order.
            order: of the columns in each row, a permutation of 0 .. D-1.
            context: of the rows.
        """
        read = torch.stack([F.embedding(codes[:, j], each()) for j, each in enumerate(self.inputs)], 1)
        before = read.gather(1, order[:, :-1, None].expand(-1, -1, read.shape[2]))
        h = torch.cat([self.start.expand(len(codes), 1, -1), before], 1) + self.targets[order]
        features = self.run(h, None, context)
        return features.gather(1, order.argsort(1)[:, :, None].expand_as(features))

    def logits(self, column: int, features: Float[Tensor, "b w"]) -> Float[Tensor, "b v"]:
        """Logits of the codes of one column, from its features [B, W]."""
        return self.outputs[column](features)

    def decode(self, rows: int, order: Sequence[int], context: Context | None) -> "ColumnCache":
        """An empty cache for `rows` rows whose columns all come in this order."""
        return ColumnCache(self, rows, order, context)

    def run(self, h: Float[Tensor, "b t w"], caches: Any, context: Context | None) -> Float[Tensor, "b t w"]:
        """The features of the last block; with caches, of positions that follow the cached ones."""
        if self.condition is not None and context is not None and context.vector is not None:
            h = h + self.condition(context.vector)[:, None]
        h = self.drop(h)
        for block, cache in zip(self.blocks, caches or [None] * self.layers, strict=True):
            h = block(h, None, cache)
        return self.drop(self.norm(h))


class CodeVectors(nn.Module):
    """A vector for each code of a column: a free one and, for an ordered column, curves over the ranks.

    Those of a column that has a single code, such as whether a number is missing that never is, are 0.

    Arguments:
        masses: of the V codes, [V].
        ordered: whether codes 1 .. V-1 are in the order of their values.
        width: of the vectors.
        std: standard deviation of the free part and of the curves before training.
    """

    def __init__(self, masses: Float[Tensor, " v"], ordered: bool, width: int, std: float):
        super().__init__()
        varies = int((masses > 0).sum()) > 1
        self.register_buffer("zeros", torch.zeros(len(masses), width), persistent=False)
        self.register_buffer("waves", _waves(masses) if ordered else None, persistent=False)
        self.free = nn.Parameter(std * torch.randn(len(masses), width)) if varies else None
        self.curves = nn.Parameter(std * torch.randn(WAVES, width)) if varies and ordered else None

    zeros: Float[Tensor, "v w"]
    waves: Float[Tensor, "v f"]

    def forward(self) -> Float[Tensor, "v w"]:
        free = self.zeros if self.free is None else self.free
        return free if self.curves is None else free + self.waves @ self.curves


class CodeLogits(nn.Module):
    """Features to the logits of a column, whose biases begin as the logarithms of its masses.

    Arguments:
        masses: of the V codes, [V].
        ordered, width: see `CodeVectors`.
    """

    def __init__(self, masses: Float[Tensor, " v"], ordered: bool, width: int):
        super().__init__()
        self.vectors = CodeVectors(masses, ordered, width, 0.0)
        self.bias = nn.Parameter(torch.zeros(len(masses))) if self.vectors.free is not None else None
        self.register_buffer("log_masses", masses.log().float(), persistent=False)

    log_masses: Float[Tensor, " v"]

    def forward(self, features: Float[Tensor, "b w"]) -> Float[Tensor, "b v"]:
        bias = self.log_masses if self.bias is None else self.log_masses + self.bias
        return F.linear(features, self.vectors(), bias)


class ColumnCache:
    """Incremental decoding of rows whose columns come in one order; each step processes one column.

    Arguments:
        network: the transformer.
        rows: number of rows.
        order: of the columns.
        context: of the rows.
    """

    @torch.no_grad()
    def __init__(self, network: ColumnTransformer, rows: int, order: Sequence[int], context: Context | None):
        self.network, self.rows, self.order, self.context = network, rows, list(order), context
        blocks: Any = network.blocks
        self.caches = [block.make_cache(rows, len(self.order)) for block in blocks]
        self.inputs = [vectors() for vectors in network.inputs]
        self.length = 0

    @torch.no_grad()
    def prefill(self, codes: Int[Tensor, "b m"]) -> Float[Tensor, "b v"]:
        """Append the first M columns of the order; returns the logits of the next one."""
        network, columns = self.network, self.order[: codes.shape[1]]
        read = [self.inputs[j][codes[:, i], None] for i, j in enumerate(columns)]
        inputs = torch.cat([network.start.expand(len(codes), 1, -1), *read], 1)
        self.length = len(columns) + 1
        h = network.run(inputs + network.targets[self.order[: self.length]], self.caches, self.context)
        return network.logits(self.order[self.length - 1], h[:, -1])

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        """Append the codes of the previous column; returns the logits of the next one."""
        network, i = self.network, self.length
        inputs = self.inputs[self.order[i - 1]][previous] + network.targets[self.order[i]]
        self.length += 1
        h = network.run(inputs[:, None], self.caches, self.context)
        return network.logits(self.order[i], h[:, -1])


def _waves(masses: Float[Tensor, " v"]) -> Float[Tensor, "v f"]:
    """cos(pi k u), k = 1 .. F, of the mean rank u in (0, 1) of each code; 0 for a missing cell."""
    present = masses[1:] / masses[1:].sum()
    rank = present.cumsum(0) - 0.5 * present
    waves = torch.cos(math.pi * rank[:, None] * torch.arange(1, WAVES + 1, device=rank.device))
    return F.pad(waves, (0, 0, 1, 0)).float()
