"""A condition in space as further channels of x, for any network of pictures or lines.

    network([x, context.spatial])[:C]

(Palette: image-to-image diffusion models, Saharia et al. 2022, conditions so by concatenation.)
"""

__all__ = ["Beside"]

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class Beside(Component, nn.Module):
    """(x [B, C, ...], t [B], context) -> [B, C, ...] by a network of C + S channels (Saharia et al. 2022).

    Arguments:
        network: that reads and writes C + S of them; what it writes of the last S is let go.
        channels: S, of `context.spatial`; zeros where none is given.
    """

    def __init__(self, network: nn.Module, channels: int):
        super().__init__()
        self.network, self.channels = network, channels

    def forward(self, x: Float[Tensor, "b c *n"], t: Float[Tensor, " b"], context: Context | None = None) -> Float[Tensor, "b c *n"]:
        """Errors: ConfigError for a condition of another size."""
        wanted = [len(x), self.channels, *x.shape[2:]]
        seen = x.new_zeros(wanted) if context is None or context.spatial is None else context.spatial
        if list(seen.shape) != wanted:
            raise ConfigError(f"the spatial condition is {list(seen.shape)}; give one as large as the picture, {wanted}")
        return self.network(torch.cat([x, seen.to(x.dtype)], 1), t, context)[:, : x.shape[1]]
