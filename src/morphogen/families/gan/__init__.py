"""Generative adversarial networks: a law known only by its draws, taught by a critic."""

__all__ = ["GradientPenalty", "Penalty", "Push", "Wasserstein"]

from morphogen.families.gan.objective import Push, Wasserstein
from morphogen.families.gan.penalties import GradientPenalty, Penalty
