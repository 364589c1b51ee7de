r"""The network of FFJORD: linear layers that the time, and a condition, gate and shift.

    h <- tanh((W h + b) * sigmoid(g(u)) + s(u)),     u = (t, vector)

g is affine and s linear. The last layer has no tanh. (The layer of this name in the authors' code for FFJORD,
Grathwohl et al. 2019.)
"""

__all__ = ["ConcatSquash"]

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context


class ConcatSquash(Component, nn.Module):
    """(x [B, D], t [B], context) to [B, D]; smooth in x, and 0 at initialization.

    Arguments:
        dims: D.
        width: units of each hidden layer.
        layers: number of hidden layers.
        vector: width of `context.vector` (0: unconditional); without a context it is 0.
    """

    def __init__(self, dims: int, width: int = 64, layers: int = 3, vector: int = 0):
        super().__init__()
        self.dims, self.width, self.layers, self.vector = dims, width, layers, vector
        sizes = [dims, *[width] * layers, dims]
        self.body = nn.ModuleList(_Layer(before, after, 1 + vector) for before, after in pairwise(sizes))
        for name, parameter in self.body[-1].named_parameters():
            if not name.startswith("gate"):
                nn.init.zeros_(parameter)

    def forward(
        self, x: Float[Tensor, "b d"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b d"]:
        u = t[:, None]
        if self.vector:
            given = None if context is None else context.vector
            u = torch.cat([u, x.new_zeros(len(x), self.vector) if given is None else given], 1)
        *hidden, last = self.body
        for layer in hidden:
            x = layer(x, u).tanh()
        return last(x, u)


class _Layer(nn.Module):
    """(W h + b) * sigmoid(g(u)) + s(u)."""

    def __init__(self, before: int, after: int, controls: int):
        super().__init__()
        self.linear, self.gate = nn.Linear(before, after), nn.Linear(controls, after)
        self.shift = nn.Linear(controls, after, bias=False)

    def forward(self, h: Tensor, u: Tensor) -> Tensor:
        return self.linear(h) * self.gate(u).sigmoid() + self.shift(u)
