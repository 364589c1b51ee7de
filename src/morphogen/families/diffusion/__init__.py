"""Diffusion: noise taken away step by step."""

__all__ = [
    "DDIM", "DDPM", "CosineAlphas", "Diffusion", "DiffusionSampler", "DiscretizedGaussian", "GaussianReadout", "LinearBetas",
    "NoiseSchedule", "Readout",
]  # fmt: skip

from morphogen.families.diffusion.likelihood import DiscretizedGaussian, GaussianReadout, Readout
from morphogen.families.diffusion.objective import Diffusion
from morphogen.families.diffusion.samplers import DDIM, DDPM, DiffusionSampler
from morphogen.families.diffusion.schedules import CosineAlphas, LinearBetas, NoiseSchedule
