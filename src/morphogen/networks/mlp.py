"""A multilayer perceptron with residual layers, for vectors.

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
    """x [B, D] to [B, dims_out], zero at the start.

    Arguments:
        dims_in, dims_out: of x and of the result.
        width: of the hidden layers.
        layers: residual layers of two linear maps.
        vector: width of `context.vector`, heard in every layer (0: none).
        dropout: before the second map of each layer.
    """

    def __init__(self, dims_in: int, dims_out: int, width: int, layers: int, vector: int = 0, dropout: float = 0.0):
        super().__init__()
        self.dims_in, self.dims_out, self.width, self.layers = dims_in, dims_out, width, layers
        self.vector, self.dropout = vector, dropout
        self.enter = nn.Linear(dims_in, width)
        self.body = nn.ModuleList(_Layer(width, vector, dropout) for _ in range(layers))
        self.leave = nn.Linear(width, dims_out)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)

    def forward(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b e"]:
        h = self.enter(x)
        for layer in self.body:
            h = layer(h, None if context is None else context.vector)
        return self.leave(F.silu(h))


class _Layer(nn.Module):
    def __init__(self, width: int, vector: int, dropout: float):
        super().__init__()
        self.norm, self.first, self.second = nn.LayerNorm(width), nn.Linear(width, width), nn.Linear(width, width)
        self.film = FiLM(vector, width) if vector else None
        self.dropout = nn.Dropout(dropout)

    def forward(self, x: Tensor, vector: Tensor | None) -> Tensor:
        h = self.first(self.norm(x))
        if self.film is not None and vector is not None:
            h = self.film(h, vector)
        return x + self.second(self.dropout(F.silu(h)))
