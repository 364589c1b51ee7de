r"""The kernel of mixed rows: a product of Gaussian and Aitchison-Aitken kernels, one for each column.

    K(x | x_m) = prod_j K_j(x_j | x_mj)

All pairs of rows are evaluated by products of matrices. References: see `kernel_density.py`.
"""

__all__ = ["Cells", "MixedKernel"]

import math
from collections.abc import Mapping

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.families.classical.mixed_mixture import ScoredTable

ALL = slice(None)

Cells = Mapping[str, Tensor]  # "codes" int64 [B, D], "scores" [B, d]


class MixedKernel(nn.Module):
    """Kernels of the columns of a table, with their bandwidths (Aitchison & Aitken 1976).

    Arguments:
        table: the representation of the rows, a `ScoredTable`.
        floor: smallest bandwidth, above 0.
    """

    def __init__(self, table: ScoredTable, floor: float):
        super().__init__()
        self.numbers, self.floor = list(table.numbers), floor
        sizes = [len(masses) for masses in table.masses]
        choices = [float((masses > 0).sum()) for masses in table.masses]
        # of all codes side by side: their column, and their code in it
        column = [j for j, size in enumerate(sizes) for _ in range(size)]
        code = [k for size in sizes for k in range(size)]
        self.register_buffer("choices", torch.tensor(choices, dtype=torch.float64), persistent=False)  # V_j
        self.register_buffer("column", torch.tensor(column), persistent=False)
        self.register_buffer("code", torch.tensor(code), persistent=False)
        self.register_buffer("widths", torch.ones(len(self.numbers), dtype=torch.float64))  # h
        self.register_buffer("switch", torch.full((len(sizes),), 0.5, dtype=torch.float64))  # l

    choices: Float[Tensor, " d"]
    column: Int[Tensor, " v"]
    code: Int[Tensor, " v"]
    widths: Float[Tensor, " k"]
    switch: Float[Tensor, " d"]

    def log_kernels(self, x: Cells, stored: Cells) -> Float[Tensor, "b m"]:
        """log K(x | x_m) of all pairs."""
        ones = self._one_hot(x["codes"])
        used = ones.any(0).nonzero()[:, 0]  # of thousands of words, those that are in x
        ones, ones_m = ones[:, used], self._one_hot(stored["codes"], used)
        several = self.choices > 1
        switch = torch.where(several, self.switch, 0.5)
        differ, same = switch.log() - (self.choices - 1).clamp_min(1).log(), torch.log1p(-switch)
        differ, same = (torch.where(several, value, 0.0) for value in (differ, same))
        known = (x["codes"] >= 0).double()
        codes = (known @ differ)[:, None] + ones @ ((same - differ)[self.column[used]] * ones_m).T

        (e, z), (e_m, z_m) = (self._numbers(cells) for cells in (x, stored))
        precision = self.widths.square().reciprocal()
        square = e * z.square()
        near = (square * precision) @ e_m.T + (e * precision) @ z_m.square().T
        near = near - 2 * (z * precision) @ z_m.T + 2 * (e * self.widths.log()) @ e_m.T
        far = square @ (1 - e_m).T
        return codes - 0.5 * (near + far + e.sum(1, keepdim=True) * math.log(2 * math.pi))

    def distances(self, r: Float[Tensor, "b m"], x: Cells, stored: Cells) -> dict[str, Tensor]:
        """The sums of the M-step, weighted by the probability that row m explains row i."""
        (e, z), (e_m, z_m) = (self._numbers(cells) for cells in (x, stored))
        squared = (z.square() * (r @ e_m) - 2 * z * (r @ z_m) + e * (r @ z_m.square())).sum(0)
        agree = (self._one_hot(x["codes"]) * (r @ self._one_hot(stored["codes"]))).sum(0)
        measured = r.sum()
        differ = measured - torch.zeros_like(self.switch).index_add(0, self.column, agree)
        return {"squared": squared, "pairs": (e * (r @ e_m)).sum(0), "differ": differ, "measured": measured}

    def bounded(self, switch: Float[Tensor, " d"]) -> Float[Tensor, " d"]:
        """Between a small number and that at which the kernel is uniform; 0 where there is one choice."""
        return torch.minimum(switch.clamp_min(self.floor**2), (self.choices - 1) / self.choices)

    def _one_hot(
        self, codes: Int[Tensor, "n d"], of: Int[Tensor, " w"] | slice = ALL
    ) -> Float[Tensor, "n w"]:
        """The codes of all columns side by side, or some of these entries; zeros for a code of -1."""
        return (codes[:, self.column[of]] == self.code[of]).double()

    def _numbers(self, cells: Cells) -> tuple[Float[Tensor, "n k"], Float[Tensor, "n k"]]:
        """Which scores exist, as 0 and 1, and their values, 0 where they do not."""
        e = (cells["codes"][:, self.numbers] > 0).double()
        return e, torch.where(e > 0, cells["scores"].double(), 0.0)
