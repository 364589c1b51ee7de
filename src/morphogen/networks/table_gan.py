r"""CTGAN's networks: a generator of rows with one-hot blocks, and a critic.

    h_0 = [z, c],   h_(l+1) = [ReLU(BN(W_l h_l)), h_l],   y = W h_L
    block j         softmax((y_j + g_j) / tau),     g = -log(-log u)       (Gumbel-softmax, Jang et al. 2017)
    position k      tanh(y_k) P(the cell has a position)

As tau goes to 0 a block becomes one-hot and a sample of softmax(y_j); tau > 0 has a gradient. Before training
every column has its own masses.

Reference: Modeling tabular data using conditional GAN, Xu, Skoularidou, Cuesta-Infante & Veeramachaneni, 2019
(section 4.4).
"""

__all__ = ["RowCritic", "RowGenerator"]

from collections.abc import Mapping
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.leaky_relu import LeakyReLU

SMALLEST = 1e-7  # distance of u from 0 and 1


class RowGenerator(Component, nn.Module):
    """Latents {"z": [B, latent], "gumbel": [B, V]} to rows [B, V + K] of `ModeSpecific` (Xu et al. 2019).

    Batch normalization couples the rows of a batch in training.

    Arguments:
        table: the representation of the rows, with `sizes`, `masses` and `positioned`.
        latent: dimension of z.
        widths: units of each hidden layer.
        vector: width of `context.vector` (0: unconditional).
        temperature: tau.

    Attributes:
        shapes: of the latents by name, which are standard normal.
    """

    positioned: Float[Tensor, "v k"]

    def __init__(
        self, table: Any, latent: int, widths: tuple[int, ...], vector: int = 0, temperature: float = 0.2
    ):
        super().__init__()
        self.table, self.latent, self.widths = table, latent, tuple(widths)
        self.vector, self.temperature = vector, temperature
        self.shapes = {"z": (latent,), "gumbel": (sum(table.sizes),)}
        inputs = [latent + vector + sum(widths[:i]) for i in range(len(widths) + 1)]
        self.layers = nn.ModuleList(
            nn.Sequential(nn.Linear(before, width), nn.BatchNorm1d(width), nn.ReLU())
            for before, width in zip(inputs, widths, strict=False)
        )
        self.last = nn.Linear(inputs[-1], *table.shape)
        self.register_buffer("positioned", table.positioned, persistent=False)
        with torch.no_grad():
            self.last.bias.zero_()[: sum(table.sizes)] = torch.cat(table.masses).log()

    def forward(self, z: Mapping[str, Tensor], context: Context | None = None) -> Float[Tensor, "b d"]:
        h = torch.cat([z["z"], _vector(context, z["z"], self.vector)], 1)
        for layer in self.layers:
            h = torch.cat([layer(h), h], 1)
        y, count = self._sparse(h), len(self.positioned)
        u = torch.special.ndtr(z["gumbel"]).clamp(SMALLEST, 1 - SMALLEST)
        noisy = (y[:, :count] - (-u.log()).log()) / self.temperature
        blocks = torch.cat([part.softmax(1) for part in noisy.split(self.table.sizes, 1)], 1)
        return torch.cat([blocks, y[:, count:].tanh() * (blocks @ self.positioned)], 1)

    def _sparse(self, h: Float[Tensor, "b w"]) -> Float[Tensor, "b v"]:
        """The last layer, without the categories that no row of a batch has: it has few of thousands."""
        if h.requires_grad:
            return self.last(h)
        dense = h.shape[1] - self.vector
        used = dense + (h[:, dense:] != 0).any(0).nonzero()[:, 0]
        weight = self.last.weight
        return F.linear(h[:, :dense], weight[:, :dense], self.last.bias) + h[:, used] @ weight[:, used].T


class RowCritic(Component, nn.Module):
    """Rows [B, dims] to scores [B]: linear layers with leaky ReLU and dropout (Xu et al. 2019).

    Arguments:
        dims: entries of a row.
        widths: units of each hidden layer.
        vector: width of `context.vector` (0: unconditional).
        dropout: probability, after each hidden layer; 0.5 in the paper's code.
    """

    def __init__(self, dims: int, widths: tuple[int, ...], vector: int = 0, dropout: float = 0.0):
        super().__init__()
        self.dims, self.widths, self.vector, self.dropout = dims, tuple(widths), vector, dropout
        layers: list[nn.Module] = []
        for before, width in pairwise((dims + vector, *widths)):
            layers += [nn.Linear(before, width), LeakyReLU(), nn.Dropout(dropout)]
        self.body = nn.Sequential(*layers, nn.Linear(widths[-1], 1, bias=False))

    def forward(self, x: Float[Tensor, "b d"], context: Context | None = None) -> Float[Tensor, " b"]:
        return self.body(torch.cat([x, _vector(context, x, self.vector)], 1))[:, 0]


def _vector(context: Context | None, rows: Float[Tensor, "b ..."], width: int) -> Float[Tensor, "b v"]:
    """The vector of a context; zeros without one."""
    vector = None if context is None else context.vector
    return rows.new_zeros(len(rows), width) if vector is None else vector
