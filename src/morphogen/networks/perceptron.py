"""Plain multilayer perceptron between arrays of any shape, as in the papers before residual networks.

h_1 = tanh(W_1 (x, c) + b_1),  ...,  y = W_L h_(L-1) + b_L                         (Rumelhart et al. 1986)
"""

__all__ = ["Brightness", "Perceptron"]

import math
from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context


class Brightness(Component, nn.Module):
    """y = network((x + 1) / 2, context): pixels in [-1, 1] as brightness in [0, 1], as the papers have them.

    Black is then 0 and moves no weight of the first layer. With -1 it moves all of them, and saturates tanh
    units that see pictures which are mostly black.

    Arguments:
        network: of the brightness.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b ..."]:
        return self.network((x + 1) / 2, context)


class Perceptron(Component, nn.Module):
    """x [B, *shape_in] to [B, *shape_out], with tanh between the layers.

    Arguments:
        shape_in, shape_out: shapes of one row.
        widths: units of each hidden layer.
        vector: width of `context.vector`, which is concatenated with x (0: unconditional).
    """

    def __init__(
        self,
        shape_in: tuple[int, ...],
        shape_out: tuple[int, ...],
        widths: tuple[int, ...] = (500,),
        vector: int = 0,
    ):
        super().__init__()
        self.shape_in, self.shape_out = tuple(shape_in), tuple(shape_out)
        self.widths, self.vector = tuple(widths), vector
        sizes = [math.prod(shape_in) + vector, *widths, math.prod(shape_out)]
        self.body = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        for name, parameter in self.named_parameters():  # Glorot & Bengio 2010
            (nn.init.zeros_ if name.endswith("bias") else nn.init.xavier_uniform_)(parameter)

    @torch.no_grad()
    def start_at(self, y: Float[Tensor, "..."]) -> None:
        """Set b_L, so that the output is near y, of shape `shape_out`, before training."""
        self.body[-1].get_parameter("bias").copy_(y.flatten())

    def forward(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b ..."]:
        h = x.flatten(1)
        if self.vector:
            given = None if context is None else context.vector
            h = torch.cat([h, h.new_zeros(len(h), self.vector) if given is None else given], 1)
        *hidden, last = self.body
        for layer in hidden:
            h = layer(h).tanh()
        return last(h).reshape(len(x), *self.shape_out)
