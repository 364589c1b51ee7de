"""Variational autoencoders: latent-variable models with an amortized posterior."""

__all__ = ["VAE", "DiscretizedLogistic", "Gaussian", "ObservationModel", "VAESampler"]

from morphogen.families.vae.likelihoods import DiscretizedLogistic, Gaussian, ObservationModel
from morphogen.families.vae.objective import VAE, VAESampler
