"""Residual multilayer perceptron for vectors.

h = h + linear(silu(film(linear(norm(h)), vector)))        (He et al. 2016; Perez et al. 2018)
"""

__all__ = ["MLP"]

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.networks.residual import FiLM


class MLP(Component, nn.Module):
    """x [B, dims_in] to [B, dims_out]; the output is 0 at initialisation.

    Arguments:
        dims_in, dims_out: number of input and output features.
        width: hidden features.
        layers: number of residual layers, of two linear maps each.
        vector: width of `context.vector`, which modulates every layer by FiLM (0: unconditional).
        dropout: dropout probability before the second map of each layer.
    """

    def __init__(
        self, dims_in: int, dims_out: int, width: int, layers: int, vector: int = 0, dropout: float = 0.0
    ):
        super().__init__()
        self.dims_in, self.dims_out, self.width, self.layers = dims_in, dims_out, width, layers
        self.vector, self.dropout = vector, dropout
        self.input_layer = nn.Linear(dims_in, width)
        self.body = nn.ModuleList(_Layer(width, vector, dropout) for _ in range(layers))
        self.output_layer = nn.Linear(width, dims_out)
        nn.init.zeros_(self.output_layer.weight)
        nn.init.zeros_(self.output_layer.bias)

    def forward(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b e"]:
        h = self.input_layer(x)
        for layer in self.body:
            h = layer(h, None if context is None else context.vector)
        return self.output_layer(F.silu(h))


class _Layer(nn.Module):
    """One residual layer, modulated by the condition vector."""

    def __init__(self, width: int, vector: int, dropout: float):
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.first, self.second = nn.Linear(width, width), nn.Linear(width, width)
        self.film = FiLM(vector, width) if vector else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, vector: Tensor | None) -> Tensor:
        h = self.first(self.norm(x))
        if self.film is not None and vector is not None:
            h = self.film(h, vector)
        return x + self.second(self.dropout(F.silu(h)))
