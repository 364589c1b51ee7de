r"""Time for a network that has no ear for it: it is told through the vector that the network does hear.

    network(x, silu(f(t) + W context.vector))

f as in Ho et al. (2020, appendix B), of whom every U-Net here hears the time.
"""

__all__ = ["Timed"]

from dataclasses import replace

from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.networks.positions import TimeEmbedding


class Timed(Component, nn.Module):
    """(x [B, ...], t [B] in [0, 1], context) -> [B, ...], by a network (x, context) that hears a vector, as `MLP` (Ho et al. 2020).

    Arguments:
        network: that answers in the shape of x.
        width: of the vector it hears, even.
        vector: width of `context.vector` (0: the network is unconditional).

    Raises ConfigError for an odd width: half of it are sines, half cosines.
    """

    def __init__(self, network: nn.Module, width: int, vector: int = 0):
        super().__init__()
        if width % 2:
            raise ConfigError(f"Timed: width {width} is odd; take {width + 1}, half of it for sines, half for cosines")
        self.network, self.width, self.vector = network, width, vector
        self.time = TimeEmbedding(width, width)
        self.condition = nn.Linear(vector, width) if vector else None

    def forward(self, x: Float[Tensor, "b ..."], t: Float[Tensor, " b"], context: Context | None = None) -> Float[Tensor, "b ..."]:
        context = Context() if context is None else context
        heard = self.time(t)
        if self.condition is not None and context.vector is not None:
            heard = heard + self.condition(context.vector)
        return self.network(x, replace(context, vector=F.silu(heard), null=None))
