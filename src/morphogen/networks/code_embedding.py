"""Embedding of a row of codes as one vector: the condition of a network on the categories of a table.

vector = W_2 silu(sum_j E_j[code_j] + W_c c)

The sum of embeddings is a linear layer on one-hot categories; entity embeddings of categorical variables, Guo
& Berkhahn, 2016.
"""

__all__ = ["CodeEmbedding"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component


class CodeEmbedding(Component, nn.Module):
    """Codes [B, D] to a vector [B, W].

    Arguments:
        table: the representation of the rows, with the `masses` of the codes of each column.
        width: W.
        vector: width of a condition that is embedded with them (0: none).
    """

    def __init__(self, table: Any, width: int, vector: int = 0):
        super().__init__()
        self.table, self.width, self.vector = table, width, vector
        sizes = [len(masses) for masses in table.masses]
        starts = torch.tensor([sum(sizes[:j]) for j in range(len(sizes))])
        self.register_buffer("starts", starts, persistent=False)
        self.embedding = nn.Embedding(sum(sizes), width)
        self.condition = nn.Linear(vector, width, bias=False) if vector else None
        self.output = nn.Linear(width, width)

    starts: Int[Tensor, " d"]

    def forward(self, codes: Int[Tensor, "b d"], vector: Float[Tensor, "b c"] | None) -> Float[Tensor, "b w"]:
        h = self.embedding(codes + self.starts).sum(1)
        if self.condition is not None and vector is not None:
            h = h + self.condition(vector)
        return self.output(F.silu(h))
