"""A network that says two things of each number of x, made of one that has twice the channels.

    network([x, x])

Nichol & Dhariwal (2021) double the channels of the last convolution; here those of the first are, too, so that any network serves.
"""

__all__ = ["Twice"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context


class Twice(Component, nn.Module):
    """(x [B, C, ...], t [B], context) -> [B, 2 C, ...] (after Nichol & Dhariwal 2021, section 3.1).

    Arguments:
        network: that reads and writes 2 C channels.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(self, x: Float[Tensor, "b c ..."], t: Float[Tensor, " b"], context: Context | None = None) -> Float[Tensor, "b d ..."]:
        return self.network(torch.cat([x, x], 1), t, context)
