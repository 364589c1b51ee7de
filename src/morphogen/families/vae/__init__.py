"""Variational autoencoders: a latent law made tractable by a learned posterior."""

__all__ = ["VAE", "DiscretizedLogistic", "Gaussian", "Observation", "Prior"]

from morphogen.families.vae.likelihoods import DiscretizedLogistic, Gaussian, Observation
from morphogen.families.vae.objective import VAE, Prior
