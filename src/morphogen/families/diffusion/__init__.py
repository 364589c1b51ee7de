"""Diffusion models: forward processes, objectives, samplers, guidance, distillation and editing."""

__all__ = [
    "D3PM",
    "DDIM",
    "DDPM",
    "EDM",
    "VE",
    "VP",
    "AbsorbingNoise",
    "AnnealedLangevin",
    "Bound",
    "BoundWeight",
    "ClassifierGuided",
    "Composition",
    "ConsistencyDistillation",
    "Corruption",
    "CosineAlphas",
    "D3PMSampler",
    "DPMSolver",
    "DPMSolverSDE",
    "DPS",
    "DecoderLikelihood",
    "Denoised",
    "Diffusion",
    "DiffusionSampler",
    "DiscretizedGaussian",
    "DistillationLoss",
    "Downsampling",
    "DynamicThreshold",
    "EDMWeight",
    "Euler",
    "EulerMaruyama",
    "ForwardProcess",
    "GaussianBlur",
    "GaussianDecoder",
    "Greyscale",
    "Heun",
    "InverseBetas",
    "KarrasTimesteps",
    "MMPS",
    "Masking",
    "LinearBetas",
    "LinearOperator",
    "MinSNR",
    "MultistepConsistency",
    "NoiseSchedule",
    "NoisyClassifier",
    "Observation",
    "Preconditioned",
    "PredictorCorrector",
    "ProbabilityFlow",
    "ProductOfModels",
    "ProgressiveDistillation",
    "RePaint",
    "Projection",
    "RectifiedFlow",
    "SubVP",
    "TimestepSpacing",
    "UniformLogSNR",
    "UniformNoise",
    "UniformTimesteps",
    "Weighting",
    "ZeroTerminal",
    "ddim_invert",
    "ddim_translate",
    "inpaint",
    "parse_operator",
    "sdedit",
]

from morphogen.families.diffusion.classifier_guidance import ClassifierGuided, ProductOfModels
from morphogen.families.diffusion.corruptions import AbsorbingNoise, Corruption, UniformNoise
from morphogen.families.diffusion.discrete import D3PM, D3PMSampler
from morphogen.families.diffusion.distillation import (
    ConsistencyDistillation,
    DistillationLoss,
    ProgressiveDistillation,
)
from morphogen.families.diffusion.editing import ddim_invert, ddim_translate, inpaint, sdedit
from morphogen.families.diffusion.likelihood import (
    Bound,
    DecoderLikelihood,
    DiscretizedGaussian,
    GaussianDecoder,
)
from morphogen.families.diffusion.noisy_classifier import NoisyClassifier
from morphogen.families.diffusion.objective import Diffusion
from morphogen.families.diffusion.operators import (
    Composition,
    Downsampling,
    GaussianBlur,
    Greyscale,
    LinearOperator,
    Masking,
    Projection,
    parse_operator,
)
from morphogen.families.diffusion.posterior_sampling import DPS, MMPS, Observation, RePaint
from morphogen.families.diffusion.probability_flow import ProbabilityFlow
from morphogen.families.diffusion.processes import EDM, VE, VP, ForwardProcess, RectifiedFlow, SubVP
from morphogen.families.diffusion.samplers import DDIM, DDPM, DiffusionSampler, Euler, MultistepConsistency
from morphogen.families.diffusion.schedules import (
    CosineAlphas,
    InverseBetas,
    LinearBetas,
    NoiseSchedule,
    ZeroTerminal,
)
from morphogen.families.diffusion.solvers import (
    AnnealedLangevin,
    DPMSolver,
    DPMSolverSDE,
    EulerMaruyama,
    Heun,
    PredictorCorrector,
)
from morphogen.families.diffusion.targets import Denoised, Preconditioned
from morphogen.families.diffusion.thresholds import DynamicThreshold
from morphogen.families.diffusion.timesteps import (
    KarrasTimesteps,
    TimestepSpacing,
    UniformLogSNR,
    UniformTimesteps,
)
from morphogen.families.diffusion.weightings import BoundWeight, EDMWeight, MinSNR, Weighting
