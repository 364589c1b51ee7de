"""Variational autoencoders: latent-variable models with an amortized posterior."""

__all__ = [
    "VAE",
    "Categorical",
    "DiscretizedLogistic",
    "Gaussian",
    "Joint",
    "ObservationModel",
    "VAESampler",
]

from morphogen.families.vae.likelihoods import (
    Categorical,
    DiscretizedLogistic,
    Gaussian,
    Joint,
    ObservationModel,
)
from morphogen.families.vae.objective import VAE, VAESampler
