"""Latents of a trained autoencoder as a representation.

log p(medium) >= log p(z) + log p(medium | z) - log q(z | medium)
"""

__all__ = ["Latent"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Autoencoder, Encoded, Representation, Unsupported
from morphogen.numerics.randomness import Rng


class Latent(Representation):
    """Representation x = z ~ q(z | medium) by a trained first stage.

    The first stage is a `Boundary`, so its parameters belong to another model and are not trained. With the
    first stage's own prior on z, the bound equals that of the first stage (a law of `testing.check_model`).

    Arguments:
        first_stage: the first stage, an unconditional Model whose objective is an `Autoencoder`.
    """

    def __init__(self, first_stage: Any):
        super().__init__()
        self.first_stage: Any = first_stage
        objective: Any = first_stage.objective
        if not isinstance(objective, Autoencoder):
            raise ConfigError(
                f"Latent requires an autoencoder, not {type(objective).__name__}; give a model such as a VAE"
            )
        self.shape, self.discrete = tuple(objective.latent_shape), objective.discrete_latent
        self.medium_discrete = bool(first_stage.representation.medium_discrete)

    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> Encoded:
        encoded = self.first_stage.representation.encode(medium, rng)
        if encoded.mask is not None:
            raise Unsupported(
                "Latent does not accept examples of different sizes: give examples of one size, "
                "or train on them without a first stage"
            )
        z, log_q = self.first_stage.objective.encode(encoded.x, rng.fork("posterior"))
        log_weight = encoded.log_weight + self.first_stage.objective.log_conditional(encoded.x, z) - log_q
        return Encoded(z.detach(), log_weight.detach(), encoded.dims, exact=False)

    def decode(self, x: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        return self.first_stage.representation.decode(self.first_stage.objective.decode(x))

    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        return self.first_stage.representation.present(medium)
