"""Normalizing flows: x is an invertible picture of Gaussian noise, so its density is known exactly."""

__all__ = [
    "ActNorm", "Bijection", "Chain", "Composite", "Coupling", "Factored", "Flow", "Inverse", "MultiScale", "SingleScale",
    "Squeezed",
]  # fmt: skip

from morphogen.families.flow.bijection import Bijection, Chain, Composite
from morphogen.families.flow.coupling import ActNorm, Coupling
from morphogen.families.flow.multiscale import Factored, MultiScale, SingleScale, Squeezed
from morphogen.families.flow.objective import Flow, Inverse
