"""Diffusion models: forward processes, objectives, samplers, guidance, distillation and editing."""

__all__ = [
    "AbsorbingNoise",
    "AnnealedLangevin",
    "Bound",
    "BoundWeight",
    "CLIPGuided",
    "ClassifierGuided",
    "Composition",
    "ConsistencyDistillation",
    "Corruption",
    "CosineAlphas",
    "D3PM",
    "D3PMSampler",
    "DDIM",
    "DDPM",
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
    "EDM",
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
    "LeadingTimesteps",
    "LinearBetas",
    "LinearOperator",
    "MMPS",
    "Masking",
    "MinSNR",
    "MultistepConsistency",
    "NoiseSchedule",
    "NoisyClassifier",
    "Observation",
    "PNDM",
    "Preconditioned",
    "PredictorCorrector",
    "ProbabilityFlow",
    "ProductOfModels",
    "ProgressiveDistillation",
    "RandomProjection",
    "RePaint",
    "RectifiedFlow",
    "ScaledLinearBetas",
    "Shifted",
    "SubVP",
    "TimestepSpacing",
    "UniformLogSNR",
    "UniformNoise",
    "UniformTimesteps",
    "VE",
    "VP",
    "Weighting",
    "WithoutLast",
    "ZeroBased",
    "ZeroTerminal",
    "ddim_invert",
    "ddim_sample",
    "ddim_translate",
    "inpaint",
    "parse_operator",
    "sdedit",
]

from morphogen.families.diffusion.classifier_guidance import ClassifierGuided, ProductOfModels
from morphogen.families.diffusion.clip_guidance import CLIPGuided
from morphogen.families.diffusion.corruptions import AbsorbingNoise, Corruption, UniformNoise
from morphogen.families.diffusion.discrete import D3PM, D3PMSampler
from morphogen.families.diffusion.distillation import (
    ConsistencyDistillation,
    DistillationLoss,
    ProgressiveDistillation,
)
from morphogen.families.diffusion.editing import (
    ddim_invert,
    ddim_sample,
    ddim_translate,
    inpaint,
    sdedit,
)
from morphogen.families.diffusion.likelihood import (
    Bound,
    DecoderLikelihood,
    DiscretizedGaussian,
    GaussianDecoder,
)
from morphogen.families.diffusion.multistep import PNDM
from morphogen.families.diffusion.noisy_classifier import NoisyClassifier
from morphogen.families.diffusion.objective import Diffusion
from morphogen.families.diffusion.operators import (
    Composition,
    Downsampling,
    GaussianBlur,
    Greyscale,
    LinearOperator,
    Masking,
    RandomProjection,
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
    ScaledLinearBetas,
    Shifted,
    ZeroBased,
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
    LeadingTimesteps,
    TimestepSpacing,
    UniformLogSNR,
    UniformTimesteps,
    WithoutLast,
)
from morphogen.families.diffusion.weightings import BoundWeight, EDMWeight, MinSNR, Weighting
