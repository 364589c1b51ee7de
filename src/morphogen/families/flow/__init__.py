"""Normalizing flows: invertible maps from data to Gaussian noise, with an exact density."""

__all__ = [
    "ActNorm",
    "Bijection",
    "Chain",
    "Composite",
    "Coupling",
    "FactorOut",
    "Flow",
    "FlowSampler",
    "MixedFlow",
    "MixedFlowSampler",
    "MultiScale",
    "SingleScale",
    "Squeeze",
]

from morphogen.families.flow.bijection import Bijection, Chain, Composite
from morphogen.families.flow.coupling import ActNorm, Coupling
from morphogen.families.flow.mixed import MixedFlow, MixedFlowSampler
from morphogen.families.flow.multiscale import FactorOut, MultiScale, SingleScale, Squeeze
from morphogen.families.flow.objective import Flow, FlowSampler
