r"""Rows of a table as real vectors of one-hot blocks and positions, for generators without a likelihood.

    x = [1_(code_1), ..., 1_(code_D), alpha_1, ..., alpha_K],     alpha in [-1, 1]

A block is one-hot in the categories of a column, or in the modes of a column of numbers (see `modes`), of
which alpha is the position in the mode; a missing cell is a code of its own. A generator's blocks need not be
one-hot: their largest entry is what they decode to.

Reference: Modeling tabular data using conditional GAN, Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, 2019
(section 4.2).
"""

__all__ = ["ModeSpecific"]

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Float64
from torch import Tensor
from torch.nn import functional as F

from morphogen.contract import Encoded, Representation
from morphogen.numerics.randomness import Rng
from morphogen.representations.tabular.modes import Components, block_of
from morphogen.representations.tabular.rows import Tabular


class ModeSpecific(Representation):
    """Rows as x = float32 [B, V + K]: V entries of one-hot blocks, and K positions (Xu et al. 2019).

    It has no density: log_weight is NaN.

    Arguments:
        table: the representation of the rows.
        components: of the modes of each column, as `ColumnBlock` has them; None: they are fitted.

    Attributes:
        sizes: number of entries of the block of each column, which sum to V.
        words: which columns are of categories.
        positions: which columns have a position, K of them.
    """

    discrete = True
    at_once = 128  # V may be thousands

    def __init__(self, table: Tabular, components: Sequence[Components] | None = None):
        super().__init__()
        self.table, self.medium, self.medium_discrete = table, table.medium, table.medium_discrete
        fitted = [None] * len(table.columns) if components is None else components
        self.blocks = [block_of(column, each) for column, each in zip(table.columns, fitted, strict=True)]
        self.components = tuple(block.components for block in self.blocks)
        self.firsts = [0 if block.masses[0] > 0 else 1 for block in self.blocks]  # codes that exist
        self.sizes = tuple(len(b.masses) - f for b, f in zip(self.blocks, self.firsts, strict=True))
        self.positions = tuple(j for j, block in enumerate(self.blocks) if any(block.has_position))
        self.words = tuple(j for j, ordered in enumerate(table.ordered) if not ordered)
        self.shape = (sum(self.sizes) + len(self.positions),)

    @property
    def columns(self) -> Any:
        """Those of the table."""
        return self.table.columns

    @property
    def source(self) -> Representation:
        return self.table

    @property
    def masses(self) -> list[Float64[Tensor, " v"]]:
        """Of each block, the fraction of the training rows with each entry."""
        return [block.masses[first:] for block, first in zip(self.blocks, self.firsts, strict=True)]

    @property
    def positioned(self) -> Float[Tensor, "v k"]:
        """Which entries of the blocks, V, have the position k: 1, else 0."""
        parts = [
            torch.tensor(block.has_position[first:]).float()
            for block, first in zip(self.blocks, self.firsts, strict=True)
        ]
        whole = torch.block_diag(*[part[:, None] for part in parts])
        return whole[:, list(self.positions)]

    def encode(self, medium: Float64[Tensor, "b d"], rng: Rng, measure: bool = True) -> Encoded:
        u = rng.fork("mode").uniform(len(self.blocks), 2)
        parts, places = [], []
        for j, (block, first, size) in enumerate(zip(self.blocks, self.firsts, self.sizes, strict=True)):
            codes, position = block.encode(medium[:, j], u[:, j])
            parts.append(F.one_hot((codes - first).clamp_min(0), size).double())
            places.append(position)
        x = torch.cat([*parts, *[places[j][:, None] for j in self.positions]], 1).float()
        dims = torch.full_like(x[:, 0], len(self.blocks))
        return Encoded(x, torch.full_like(dims, torch.nan), dims, exact=False)

    def decode(self, x: Float[Tensor, "b v"]) -> Float64[Tensor, "b d"]:
        parts = x[:, : sum(self.sizes)].split(self.sizes, 1)
        places = dict(zip(self.positions, x[:, sum(self.sizes) :].T, strict=True))
        nowhere = torch.zeros_like(x[:, 0])
        cells = [
            block.decode(part.argmax(1) + first, places.get(j, nowhere))
            for j, (block, part, first) in enumerate(zip(self.blocks, parts, self.firsts, strict=True))
        ]
        return torch.stack(cells, 1)

    def present(self, medium: Float64[Tensor, "b d"]) -> list[Any]:
        return self.table.present(medium)
