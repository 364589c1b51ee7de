"""Encoder and decoder between the rows of a table, of codes and scores, and a latent.

    encoder    parameters of q = body([sum_j E_j[code_j] + W_c c, scores])
    decoder    h = body(z),   logits of column j = log m_j + W_j h,   parameters of the scores = W_s h

Before training every column has its own masses m_j.

Reference: Modeling tabular data using conditional GAN, Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, 2019
(TVAE).
"""

__all__ = ["RowDecoder", "RowEncoder"]

from collections.abc import Mapping
from itertools import repeat
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.column_transformer import CodeLogits
from morphogen.networks.perceptron import Perceptron


class RowEncoder(Component, nn.Module):
    """Rows {"codes": int64 [B, D], "scores": [B, K]} to the output of a network (Xu et al. 2019).

    Arguments:
        embedding: `(codes [B, D], vector)` to a vector [B, W], such as `CodeEmbedding`.
        body: [B, W + K], context -> the output.
    """

    def __init__(self, embedding: nn.Module, body: nn.Module):
        super().__init__()
        self.embedding, self.body = embedding, body

    def forward(self, x: Mapping[str, Tensor], context: Context | None = None) -> Float[Tensor, "b ..."]:
        embedded = self.embedding(x["codes"], None if context is None else context.vector)
        return self.body(torch.cat([embedded, x["scores"]], 1), context)


class RowDecoder(Component, nn.Module):
    """Latents [B, D] to parameters of cells, {"codes": [B, V], "scores": [B, outputs]} (Xu et al. 2019).

    Arguments:
        table: the representation of the rows, with the `masses` of the codes of each column.
        body: z, context -> features [B, W].
        outputs: number of parameters of all scores.
    """

    def __init__(self, table: Any, body: Perceptron, outputs: int):
        super().__init__()
        self.table, self.body, self.outputs = table, body, outputs
        (width,) = body.shape_out
        self.codes = nn.ModuleList(map(CodeLogits, table.masses, table.ordered, repeat(width)))
        self.scores = nn.Linear(width, outputs) if outputs else None

    def forward(self, z: Float[Tensor, "b d"], context: Context | None = None) -> dict[str, Tensor]:
        h = self.body(z, context)
        scores = z.new_zeros(len(z), 0) if self.scores is None else self.scores(h)
        return {"codes": torch.cat([logits(h) for logits in self.codes], 1), "scores": scores}
