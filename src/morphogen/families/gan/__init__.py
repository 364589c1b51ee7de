"""Generative adversarial networks: a generator trained against a critic, without a likelihood."""

__all__ = ["GANSampler", "GradientPenalty", "Penalty", "Wasserstein"]

from morphogen.families.gan.objective import GANSampler, Wasserstein
from morphogen.families.gan.penalties import GradientPenalty, Penalty
