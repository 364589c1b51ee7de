r"""Captions as a trained contrastive model sees them: its text tokens, and its embedding of the caption.

    tokens = CLIP's text tower (caption) [B, T, D],     vector = sqrt(E) g(caption),     |g(caption)| = 1

Reference: Hierarchical text-conditional image generation with CLIP latents (DALL-E 2), Ramesh, Dhariwal,
Nichol, Chu & Chen, 2022, section 2.2.
"""

__all__ = ["EmbeddedCaption"]

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.wrapper import WrappedConditioner
from morphogen.contract import Conditioner, Context
from morphogen.modes import evaluating
from morphogen.numerics.randomness import Rng


class EmbeddedCaption(WrappedConditioner):
    """Text tokens and embedding of a caption, by a frozen contrastive model (Ramesh et al. 2022).

    The vector is in the space of `ContrastiveEmbedding`: its inner product with a picture's, over E, is their
    cosine.

    Arguments:
        contrastive: a trained contrastive Model of captioned pictures, such as `clip`.

    Errors: ConfigError for a model without captions.
    """

    def __init__(self, contrastive: Any):
        super().__init__()
        if not hasattr(contrastive.objective, "embed_condition") or contrastive.conditioner is None:
            kind = type(contrastive.objective).__name__
            raise ConfigError(f"EmbeddedCaption requires a contrastive model, not {kind}: give a clip")
        self.contrastive: Any = contrastive

    @property
    def conditioner(self) -> Conditioner:  # type: ignore[override]
        """The text tower."""
        return self.contrastive.conditioner

    @property
    def encoder(self) -> Any:
        """The text tower's encoder of token ids."""
        return self.conditioner.encoder

    @property
    def widths(self) -> Mapping[str, int]:  # type: ignore[override]
        """The tokens have the width of the text tower, the vector that of the embedding."""
        return {**self.conditioner.widths, "vector": self.contrastive.objective.features}

    def forward(self, condition: Int[Tensor, "b l"], rng: Rng | None = None) -> Context:
        with torch.no_grad(), evaluating(self.contrastive):
            context = self.conditioner(condition)
            embedded = self.contrastive.objective.embed_condition(context)
        return replace(context, vector=math.sqrt(embedded.shape[1]) * embedded)
