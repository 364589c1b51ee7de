r"""Time conditioning for a network that takes only a condition vector: the time is embedded into that vector.

    network(x, silu(f(t) + W context.vector))

f is the time embedding of Ho et al. (2020, appendix B), which the U-Nets use too.
"""

__all__ = ["TimeConditioned"]

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.positions import TimeEmbedding


class TimeConditioned(Component, nn.Module):
    """Conditions a network of (x, context) on time (Ho et al. 2020).

    Maps (x [B, ...], t [B] in [0, 1], context) to the shape of x.

    Arguments:
        network: a network conditioned on a vector, such as `MLP`, whose output has the shape of x.
        width: width of the vector that the network takes, even.
        vector: width of `context.vector` (0: unconditional).

    Raises ConfigError for an odd width, since half of the time features are sines and half cosines.
    """

    def __init__(self, network: nn.Module, width: int, vector: int = 0):
        super().__init__()
        if width % 2:
            raise ConfigError(f"TimeConditioned: width must be even, got {width}; use {width + 1}")
        self.network, self.width, self.vector = network, width, vector
        self.time = TimeEmbedding(width, width)
        self.condition = nn.Linear(vector, width) if vector else None

    def forward(
        self, x: Float[Tensor, "b ..."], t: Float[Tensor, " b"], context: Context | None = None
    ) -> Float[Tensor, "b ..."]:
        context = Context() if context is None else context
        embedding = self.time(t)
        if self.condition is not None and context.vector is not None:
            embedding = embedding + self.condition(context.vector)
        return self.network(x, replace(context, vector=F.silu(embedding), null=None))
