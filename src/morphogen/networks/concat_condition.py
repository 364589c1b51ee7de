"""Spatial conditioning by concatenation: the condition as additional input channels of a network.

    network([x, context.spatial])[:C]

Reference: Palette: image-to-image diffusion models, Saharia et al., 2022.
"""

__all__ = ["ConcatCondition"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class ConcatCondition(Component, nn.Module):
    """Concatenate the spatial condition to x: (x [B, C, ...], t [B], context) -> [B, C, ...].

    Saharia et al. 2022; for images or signals.

    Arguments:
        network: maps C + S channels to C + S channels; the last S output channels are discarded.
        channels: S, channels of `context.spatial`; zeros are used without a condition.
    """

    def __init__(self, network: nn.Module, channels: int):
        super().__init__()
        self.network, self.channels = network, channels

    def forward(
        self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b c *n"]:
        """Errors: ConfigError for a condition of another shape."""
        expected = [len(x), self.channels, *x.shape[2:]]
        given = None if context is None else context.spatial
        condition = x.new_zeros(expected) if given is None else given
        if list(condition.shape) != expected:
            raise ConfigError(
                f"the spatial condition has shape {list(condition.shape)}: it must match x, {expected}"
            )
        return self.network(torch.cat([x, condition.to(x.dtype)], 1), t, context)[:, : x.shape[1]]
