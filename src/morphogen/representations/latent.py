"""Latents of a trained autoencoder as a representation.

log p(medium) >= log p(z) + log p(medium | z) - log q(z | medium)
"""

__all__ = ["Latent"]

import math
from collections.abc import Mapping
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Autoencoder, Encoded, Representation, Unsupported
from morphogen.media import Medium
from morphogen.numerics.randomness import Rng


class Latent(Representation):
    """Representation x = z ~ q(z | medium) by a trained first stage.

    The first stage is a `Boundary`, so its parameters belong to another model and are not trained. With the
    first stage's own prior on z, the bound equals that of the first stage (a law of `testing.check_model`).
    Its decoder is evaluated for likelihoods and samples only, not in training.

    Arguments:
        first_stage: the first stage, an unconditional Model whose objective is an `Autoencoder`.
        latent: name of one of several latents; None: x is z, by name if there are several.

    Attributes:
        vocabulary: number of values of a discrete latent; None for real numbers; by name like the shape.

    Errors: ConfigError for a first stage that is not an autoencoder, and for an unknown latent.
    """

    def __init__(self, first_stage: Any, latent: str | None = None):
        super().__init__()
        self.first_stage: Any = first_stage
        self.latent = latent
        objective: Any = first_stage.objective
        if not isinstance(objective, Autoencoder):
            raise ConfigError(
                f"Latent requires an autoencoder, not {type(objective).__name__}; give a model such as a VAE"
            )
        shape: Any = objective.latent_shape
        self.names = tuple(shape) if isinstance(shape, Mapping) else ()
        if latent is not None and latent not in self.names:
            known = f"known: {', '.join(self.names)}" if self.names else "it has a single one, without a name"
            raise ConfigError(f"{type(objective).__name__} has no latent {latent!r}; {known}")
        self.shape = self._select(shape)
        self.vocabulary = self._select(objective.latent_vocabulary)
        sizes = self.vocabulary.values() if isinstance(self.vocabulary, Mapping) else [self.vocabulary]
        self.discrete = any(size is not None for size in sizes)
        self.medium_discrete = bool(first_stage.representation.medium_discrete)

    @property
    def medium(self) -> Medium:  # type: ignore[override]
        """The medium of the first stage."""
        return self.first_stage.representation.medium

    @property
    def source(self) -> Representation:
        return self.first_stage.representation.source

    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng, measure: bool = True) -> Encoded:
        """Sample z. Errors: Unsupported for the measure of one of several latents."""
        if measure:
            self._require_all("the change of measure")
        first, objective = self.first_stage.representation, self.first_stage.objective
        with torch.no_grad():
            encoded = first.encode(medium, rng, measure)
            _refuse_mask(encoded)
            z, log_q = objective.encode(encoded.x, rng.fork("posterior"))
            if measure:
                log_weight = encoded.log_weight + objective.log_conditional(encoded.x, z) - log_q
            else:
                log_weight = torch.full_like(log_q, math.nan)
        return Encoded(self._select(z), log_weight, encoded.dims, exact=False)

    def decode(self, x: Any) -> Shaped[Tensor, "b ..."]:
        """Decode z, all latents by name if there are several. Errors: Unsupported for one of several."""
        if not isinstance(x, Mapping):
            self._require_all("decoding")
        return self.first_stage.representation.decode(self.first_stage.objective.decode(x))

    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        return self.first_stage.representation.present(medium)

    def _select(self, values: Any) -> Any:
        """This latent's part of something that is given for each of them."""
        return values if self.latent is None else values[self.latent]

    def _require_all(self, operation: str) -> None:
        if self.latent is not None and len(self.names) > 1:
            raise Unsupported(
                f"{operation} requires all latents ({', '.join(self.names)}), not {self.latent} alone: "
                "use Latent(first_stage), whose x has all of them by name"
            )


def _refuse_mask(encoded: Encoded) -> None:
    """Errors: Unsupported for examples of different sizes."""
    if encoded.mask is not None:
        raise Unsupported(
            "Latent does not accept examples of different sizes: give examples of one size, "
            "or train on them without a first stage"
        )
