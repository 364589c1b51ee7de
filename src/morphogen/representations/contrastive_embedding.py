r"""The embedding of a trained contrastive model as a representation, for priors over embeddings.

    x = sqrt(E) f(medium),     |f(medium)| = 1        so that the E entries of x have mean square 1

Many pictures have the same x: it is encoded only, and a later model draws a picture of it.

Reference: Hierarchical text-conditional image generation with CLIP latents (DALL-E 2), Ramesh, Dhariwal,
Nichol, Chu & Chen, 2022, section 2.2.
"""

__all__ = ["ContrastiveEmbedding"]

import math
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation, Unsupported
from morphogen.media import Medium
from morphogen.modes import evaluating
from morphogen.numerics.randomness import Rng


class ContrastiveEmbedding(Representation):
    """x = sqrt(E) f(medium) [B, E], f the picture tower of a contrastive model (Ramesh et al. 2022).

    The model is a `Boundary`, which another training never changes.

    Arguments:
        contrastive: a trained contrastive Model, such as `clip`.

    Errors: ConfigError for another model; Unsupported in `decode` and for the change of measure.
    """

    discrete = False

    def __init__(self, contrastive: Any):
        super().__init__()
        if not hasattr(contrastive.objective, "embed"):
            kind = type(contrastive.objective).__name__
            raise ConfigError(f"ContrastiveEmbedding requires a contrastive model, not {kind}: give a clip")
        self.contrastive: Any = contrastive
        self.shape = (contrastive.objective.features,)
        self.medium_discrete = bool(contrastive.representation.medium_discrete)

    @property
    def medium(self) -> Medium:  # type: ignore[override]
        """The medium of the contrastive model."""
        return self.contrastive.representation.medium

    @property
    def source(self) -> Representation:
        return self.contrastive.representation.source

    def encode(self, medium: Shaped[Tensor, "b ..."], rng: Rng, measure: bool = True) -> Encoded:
        if measure:
            raise Unsupported(
                "an embedding does not determine the picture, so that its prior gives pictures no "
                "probability: evaluate a model of the pictures themselves"
            )
        with torch.no_grad(), evaluating(self.contrastive):
            encoded = self.contrastive.representation.encode(medium, rng, measure)
            x = math.sqrt(*self.shape) * self.contrastive.objective.embed(encoded.x)
        return replace(encoded, x=x, log_weight=torch.full_like(encoded.dims, torch.nan), exact=False)

    def decode(self, x: Float[Tensor, "b e"]) -> Shaped[Tensor, "b ..."]:
        raise Unsupported(
            "an embedding is not a picture: sample the system that draws pictures of embeddings, such as "
            "dalle2, or draw embeddings with sample_batch"
        )

    def present(self, medium: Shaped[Tensor, "b ..."]) -> list[Any]:
        return self.contrastive.representation.present(medium)
