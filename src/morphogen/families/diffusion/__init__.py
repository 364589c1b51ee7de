"""Diffusion: noise taken away step by step."""

__all__ = [
    "D3PM", "DDIM", "DDPM", "EDM", "VE", "VP", "Absorbing", "AnnealedLangevin", "Bound", "BoundWeight", "ClassifierGuided",
    "Consistency", "Corruption", "CosineAlphas", "DPMSolver", "DPMSolverSDE", "Denoised", "Denoising", "Diffusion",
    "DiffusionSampler", "DiscretizedGaussian", "DynamicThreshold", "EDMWeight", "Euler", "EulerMaruyama", "Even", "EvenSNR",
    "ForwardProcess", "GaussianReadout", "Halved", "Heun", "InverseBetas", "Karras", "Lesson", "LinearBetas", "MinSNR",
    "MultistepConsistency", "NoiseSchedule", "NoisyClassifier", "Preconditioned", "PredictorCorrector", "ProbabilityFlow",
    "Product", "Readout", "RectifiedFlow", "SubVP", "TimeGrid", "Uniform", "Weighting", "ZeroTerminal", "inpaint", "invert",
    "redraw", "translate",
]  # fmt: skip

from morphogen.families.diffusion.corruptions import Absorbing, Corruption, Uniform
from morphogen.families.diffusion.discrete import D3PM, Denoising
from morphogen.families.diffusion.distillation import Consistency, Halved, Lesson
from morphogen.families.diffusion.editing import inpaint, invert, redraw, translate
from morphogen.families.diffusion.grids import Even, EvenSNR, Karras, TimeGrid
from morphogen.families.diffusion.likelihood import Bound, DiscretizedGaussian, GaussianReadout, Readout
from morphogen.families.diffusion.noisy_classifier import NoisyClassifier
from morphogen.families.diffusion.objective import Diffusion
from morphogen.families.diffusion.probability_flow import ProbabilityFlow
from morphogen.families.diffusion.processes import EDM, VE, VP, ForwardProcess, RectifiedFlow, SubVP
from morphogen.families.diffusion.samplers import DDIM, DDPM, DiffusionSampler, Euler, MultistepConsistency
from morphogen.families.diffusion.schedules import CosineAlphas, InverseBetas, LinearBetas, NoiseSchedule, ZeroTerminal
from morphogen.families.diffusion.solvers import AnnealedLangevin, DPMSolver, DPMSolverSDE, EulerMaruyama, Heun, PredictorCorrector
from morphogen.families.diffusion.steering import ClassifierGuided, Product
from morphogen.families.diffusion.targets import Denoised, Preconditioned
from morphogen.families.diffusion.thresholds import DynamicThreshold
from morphogen.families.diffusion.weightings import BoundWeight, EDMWeight, MinSNR, Weighting
