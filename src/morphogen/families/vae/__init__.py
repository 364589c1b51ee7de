"""Variational autoencoders: latent-variable models with an amortized posterior."""

__all__ = [
    "ELBO", "VAE", "VQVAE", "AdversarialReconstruction", "Bernoulli", "Bound", "CategoricalLevels",
    "Codebook", "DiagonalGaussian", "DiscreteVAE", "DiscretizedLogistic", "DiscretizedLogisticMixture",
    "FeatureDistance", "Gaussian", "HierarchicalVAE", "ImportanceWeighted", "InverseAutoregressive",
    "Joint", "LatentDecoding", "LatentVariableModel", "LearnedGaussian", "LearnedLikelihood",
    "LearnedPrior", "MixedColumns", "ObservationModel", "Posterior", "PosteriorDraw", "Prior", "Quantizer",
    "ResidualQuantizer", "RowSampler", "SharedScaleLogistic", "Softmax", "StandardNormal", "TwoLevelVQVAE",
    "UniformCodes", "VAESampler", "VampPrior", "VariationalModel", "likelihood_of_levels",
]  # fmt: skip

from morphogen.families.vae.adversarial import AdversarialReconstruction
from morphogen.families.vae.bounds import ELBO, Bound, ImportanceWeighted
from morphogen.families.vae.codebooks import Codebook, Quantizer, ResidualQuantizer
from morphogen.families.vae.feature_distance import FeatureDistance
from morphogen.families.vae.grid_likelihoods import (
    Bernoulli,
    CategoricalLevels,
    DiscretizedLogistic,
    DiscretizedLogisticMixture,
    SharedScaleLogistic,
    likelihood_of_levels,
)
from morphogen.families.vae.gumbel import DiscreteVAE
from morphogen.families.vae.hierarchical import HierarchicalVAE
from morphogen.families.vae.latent_variable_model import LatentVariableModel
from morphogen.families.vae.learned_likelihood import LatentDecoding, LearnedLikelihood
from morphogen.families.vae.likelihoods import (
    Gaussian,
    Joint,
    LearnedGaussian,
    ObservationModel,
    Softmax,
)
from morphogen.families.vae.objective import VAE
from morphogen.families.vae.posteriors import (
    DiagonalGaussian,
    InverseAutoregressive,
    Posterior,
    PosteriorDraw,
)
from morphogen.families.vae.priors import LearnedPrior, Prior, StandardNormal, UniformCodes, VampPrior
from morphogen.families.vae.quantized import VQVAE
from morphogen.families.vae.sampler import VAESampler
from morphogen.families.vae.table_rows import MixedColumns, RowSampler
from morphogen.families.vae.two_levels import TwoLevelVQVAE
from morphogen.families.vae.variational import VariationalModel
