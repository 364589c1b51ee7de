"""Another model's latents as a representation: log p(medium) >= log p(z) + log p(medium | z) - log q(z | medium)."""

__all__ = ["Latent"]

from typing import Any

from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Autoencoder, Encoded, Representation
from morphogen.numerics.randomness import Rng


class Latent(Representation):
    """x = z ~ q(z | medium) of a trained first stage, a Boundary: frozen by ownership, not by a flag.

    With the first stage's own prior on z this bound is the first stage's own (a law of `testing.check_model`).

    Arguments:
        first: an unconditional Model whose objective is an `Autoencoder`.
    """

    def __init__(self, first: Any):
        super().__init__()
        self.first: Any = first
        objective: Any = first.objective
        if not isinstance(objective, Autoencoder):
            raise ConfigError(f"Latent needs an autoencoder; {type(objective).__name__} has no latent")
        self.shape, self.discrete = tuple(objective.latent_shape), objective.discrete_latent
        self.medium_discrete = bool(first.representation.medium_discrete)

    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng) -> Encoded:
        of = self.first.representation.encode(medium, rng)
        z, log_q = self.first.objective.encode(of.x, rng.fork("posterior"))
        log_weight = of.log_weight + self.first.objective.log_conditional(of.x, z) - log_q
        return Encoded(z.detach(), log_weight.detach(), of.dims, exact=False)

    def decode(self, x: Shaped[Tensor, "b ..."]) -> Shaped[Tensor, "b ..."]:
        return self.first.representation.decode(self.first.objective.decode(x))

    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        return self.first.representation.present(medium)
