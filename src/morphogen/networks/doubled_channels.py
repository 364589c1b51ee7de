"""A network with two output channels per input channel, built from one with twice the channels.

    network([x, x])

Nichol & Dhariwal (2021) double the channels of the last convolution only. Here those of the first are doubled
as well, so that any network can be used.
"""

__all__ = ["DoubledChannels"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context


class DoubledChannels(Component, nn.Module):
    """Two predictions per entry of x: (x [B, C, ...], t [B], context) -> [B, 2 C, ...].

    After Nichol & Dhariwal 2021, section 3.1, who predict eps and the variance of the reverse step.

    Arguments:
        network: maps 2 C channels to 2 C channels.
    """

    def __init__(self, network: nn.Module):
        super().__init__()
        self.network = network

    def forward(
        self, x: Float[Tensor, "b c ..."], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b d ..."]:
        return self.network(torch.cat([x, x], 1), t, context)
