"""Generative adversarial networks: a generator trained against a critic, without a likelihood."""

__all__ = [
    "R1",
    "Adversarial",
    "ConditionalRows",
    "CycleGAN",
    "DiffAugment",
    "GANSampler",
    "Game",
    "GradientPenalty",
    "Hinge",
    "LeastSquares",
    "Minimax",
    "NonSaturating",
    "Penalty",
    "PretrainedGenerator",
    "TruncationSampler",
    "Wasserstein",
]

from morphogen.families.gan.augment import DiffAugment
from morphogen.families.gan.conditional_rows import ConditionalRows
from morphogen.families.gan.cycle import CycleGAN
from morphogen.families.gan.games import Game, Hinge, LeastSquares, Minimax, NonSaturating, Wasserstein
from morphogen.families.gan.objective import Adversarial
from morphogen.families.gan.penalties import R1, GradientPenalty, Penalty
from morphogen.families.gan.pretrained import PretrainedGenerator
from morphogen.families.gan.sampler import GANSampler
from morphogen.families.gan.truncation import TruncationSampler
