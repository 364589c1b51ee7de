"""Contrastive learning: encoders whose embeddings match for pairs that belong together."""

__all__ = ["Contrastive"]

from morphogen.families.contrastive.objective import Contrastive
