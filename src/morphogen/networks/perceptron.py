"""Plain multilayer perceptron between arrays of any shape, as in the papers before residual networks.

    Perceptron   h_1 = tanh(W_1 (x, c) + b_1),  ...,  y = W_L h_(L-1) + b_L        (Rumelhart et al. 1986)
    Maxout       h_i = max_k (W_ik x + b_ik), with dropout before each layer        (Goodfellow et al. 2013)

`Brightness` and `InRange` give such a network pixels in [0, 1], and bound its outputs by those in [-1, 1].
"""

__all__ = ["Brightness", "InRange", "Maxout", "Perceptron"]

import math
from collections.abc import Callable
from itertools import pairwise
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context

ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {"tanh": torch.tanh_, "relu": torch.relu_}


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


class InRange(Component, nn.Module):
    """y = tanh(network(x, context)), pixels in (-1, 1): the brightness is the sigmoid of twice the outputs.

    Arguments:
        network: whose outputs are bounded.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b ..."]:
        return self.network(x, context).tanh()


class Perceptron(Component, nn.Module):
    """x [B, *shape_in] to [B, *shape_out], with tanh or ReLU between the layers.

    Arguments:
        shape_in, shape_out: shapes of one row.
        widths: units of each hidden layer.
        vector: width of `context.vector`, which is concatenated with x (0: unconditional).
        activation: "tanh" or "relu".
    """

    def __init__(
        self,
        shape_in: tuple[int, ...],
        shape_out: tuple[int, ...],
        widths: tuple[int, ...] = (500,),
        vector: int = 0,
        activation: Literal["tanh", "relu"] = "tanh",
    ):
        super().__init__()
        self.shape_in, self.shape_out = tuple(shape_in), tuple(shape_out)
        self.widths, self.vector, self.activation = tuple(widths), vector, activation
        sizes = [math.prod(shape_in) + vector, *widths, math.prod(shape_out)]
        self.body = nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(sizes))
        for name, parameter in self.named_parameters():  # Glorot & Bengio 2010
            (nn.init.zeros_ if name.endswith("bias") else nn.init.xavier_uniform_)(parameter)

    @torch.no_grad()
    def start_at(self, y: Float[Tensor, "..."]) -> None:
        """Set b_L, so that the output is near y, of shape `shape_out`, before training."""
        self.body[-1].get_parameter("bias").copy_(y.flatten())

    def forward(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, "b ..."]:
        h = _with_vector(x, context, self.vector)
        *hidden, last = self.body
        for layer in hidden:
            h = ACTIVATIONS[self.activation](layer(h))
        return last(h).reshape(len(x), *self.shape_out)


class Maxout(Component, nn.Module):
    """x [B, *shape_in] to scores [B], each hidden unit the largest of several linear maps.

    Maxout networks, Goodfellow, Warde-Farley, Mirza, Courville & Bengio, 2013: a unit is a convex, piecewise
    linear function, and saturates nowhere. Dropout averages many such networks.

    Arguments:
        shape_in: shape of one row.
        widths: units of each hidden layer.
        pieces: linear maps of a unit.
        dropout: probabilities that an input, and that a hidden unit, is 0 in training.
        vector: width of `context.vector`, which is concatenated with x (0: unconditional).
    """

    def __init__(
        self, shape_in: tuple[int, ...], widths: tuple[int, ...], pieces: int = 5,
        dropout: tuple[float, float] = (0.2, 0.5), vector: int = 0,
    ):  # fmt: skip
        super().__init__()
        self.shape_in, self.widths, self.pieces = tuple(shape_in), tuple(widths), pieces
        self.dropout, self.vector = tuple(dropout), vector
        sizes = [math.prod(shape_in) + vector, *widths]
        self.body = nn.ModuleList(nn.Linear(before, pieces * after) for before, after in pairwise(sizes))
        self.drop = nn.ModuleList(nn.Dropout(dropout[min(i, 1)]) for i in range(len(sizes)))
        self.head = nn.Linear(sizes[-1], 1)

    def forward(self, x: Float[Tensor, "b ..."], context: Context | None = None) -> Float[Tensor, " b"]:
        h = _with_vector(x, context, self.vector)
        for drop, layer in zip(self.drop, self.body, strict=False):
            h = layer(drop(h)).unflatten(1, (-1, self.pieces)).amax(2)
        return self.head(self.drop[-1](h))[:, 0]


def _with_vector(x: Float[Tensor, "b ..."], context: Context | None, vector: int) -> Float[Tensor, "b d"]:
    """Flat rows, with the context's vector if one is expected; without a context it is 0."""
    h = x.flatten(1)
    if not vector:
        return h
    given = None if context is None else context.vector
    return torch.cat([h, h.new_zeros(len(h), vector) if given is None else given], 1)
