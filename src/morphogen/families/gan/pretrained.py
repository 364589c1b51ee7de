"""A generator without its critic: what is published of a trained adversarial network.

x = G(z),   z ~ N(0, I)                                                               (Goodfellow et al. 2014)
"""

__all__ = ["PretrainedGenerator"]

from torch import nn

from morphogen.contract import Context, Encoded, Losses, Unsupported
from morphogen.families.gan.implicit import ImplicitModel
from morphogen.numerics.randomness import Rng


class PretrainedGenerator(ImplicitModel):
    """A trained generator x = G(z), which can be sampled but not trained (Goodfellow et al. 2014).

    The critic is not published with most generators, and a game cannot be continued without it.

    Arguments:
        network: the generator, z [B, latent], context -> x.
        latent: dimension of z.

    Errors: Unsupported when it is trained.
    """

    def __init__(self, network: nn.Module, latent: int):
        super().__init__()
        self.network, self.latent = network, latent

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        raise Unsupported(
            "PretrainedGenerator cannot be trained, because it has no critic: give its network to an "
            f"objective that has one, Adversarial(network, critic, {self.latent}, NonSaturating())"
        )
