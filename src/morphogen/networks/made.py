r"""MADE: a multilayer perceptron whose outputs for entry i depend on the entries before i only.

    h = relu((M_1 * W_1) x + U c + b),  ...,  y_i = (M_L * W_L) h + V c + b',   M a mask of 0 and 1

Every hidden unit has a degree m in 1 .. D - 1; it sees the entries, or units, of degree at most m, and entry
i of the output sees the units of degree below i. One pass gives the parameters of all conditionals p(x_i |
x_<i).

Reference: MADE, masked autoencoder for distribution estimation, Germain, Gregor, Murray & Larochelle, 2015.
"""

__all__ = ["MADE"]

from itertools import pairwise

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class MADE(Component, nn.Module):
    """x [B, D] to `outputs` parameters of each entry, concatenated: [B, outputs D]; 0 at initialisation.

    Arguments:
        dims: number of entries D.
        outputs: parameters of each entry, such as 2 for a shift and a scale.
        width: hidden units, at least D - 1, so that every degree occurs.
        layers: hidden layers.
        vector: width of `context.vector`, which every layer receives (0: unconditional).

    Errors: ConfigError for fewer than D - 1 hidden units.
    """

    def __init__(self, dims: int, outputs: int, width: int, layers: int, vector: int = 0):
        super().__init__()
        if width < dims - 1:
            raise ConfigError(f"MADE: width={width}: {dims} entries require at least {dims - 1} hidden units")
        self.dims, self.outputs, self.width, self.layers, self.vector = dims, outputs, width, layers, vector
        entries, units = torch.arange(1, dims + 1), torch.arange(width) % max(dims - 1, 1) + 1
        degrees = [entries] + [units] * layers
        masks = [after[:, None] >= before for before, after in pairwise(degrees)]
        masks.append((entries[:, None] > degrees[-1]).repeat(outputs, 1))
        self.body = nn.ModuleList(_MaskedLinear(mask, vector) for mask in masks)
        for parameter in self.body[-1].parameters():
            nn.init.zeros_(parameter)

    def forward(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b e"]:
        vector = context.vector if self.vector and context is not None else None
        first, *others = self.body
        h = first(x, vector)
        for layer in others:
            h = layer(F.relu(h), vector)
        return h


class _MaskedLinear(nn.Linear):
    """A linear map with a fixed mask of its weights, plus an unmasked map of the condition vector."""

    mask: Tensor

    def __init__(self, mask: Tensor, vector: int):
        super().__init__(mask.shape[1], mask.shape[0])
        self.register_buffer("mask", mask, persistent=False)
        self.condition = nn.Linear(vector, mask.shape[0], bias=False) if vector else None

    def forward(self, x: Tensor, vector: Tensor | None) -> Tensor:  # type: ignore[override]
        h = F.linear(x, self.weight * self.mask, self.bias)
        return h if self.condition is None or vector is None else h + self.condition(vector)
