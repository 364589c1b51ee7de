"""Variational autoencoders: latent-variable models with an amortized posterior."""

__all__ = [
    "VAE",
    "DiscretizedLogistic",
    "Gaussian",
    "Joint",
    "ObservationModel",
    "Softmax",
    "VAESampler",
]

from morphogen.families.vae.likelihoods import (
    DiscretizedLogistic,
    Gaussian,
    Joint,
    ObservationModel,
    Softmax,
)
from morphogen.families.vae.objective import VAE, VAESampler
