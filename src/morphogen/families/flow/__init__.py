"""Normalizing flows: invertible maps from data to Gaussian noise, with an exact density."""

__all__ = [
    "ActNorm",
    "Additive",
    "Affine",
    "Bijection",
    "Chain",
    "Composite",
    "Coupling",
    "Elementwise",
    "FactorOut",
    "Flatten",
    "Flow",
    "FlowSampler",
    "FlowSteps",
    "InvertibleConv",
    "TopPrior",
    "MixedFlow",
    "MixedFlowSampler",
    "MultiScale",
    "Scales",
    "SigmoidAffine",
    "SingleScale",
    "SplitCoupling",
    "Squeeze",
]

from morphogen.families.flow.bijection import Bijection, Chain, Composite
from morphogen.families.flow.coupling import ActNorm, Coupling
from morphogen.families.flow.elementwise import Additive, Affine, Elementwise, SigmoidAffine
from morphogen.families.flow.flatten import Flatten
from morphogen.families.flow.flow_steps import FlowSteps
from morphogen.families.flow.invertible_conv import InvertibleConv
from morphogen.families.flow.mixed import MixedFlow, MixedFlowSampler
from morphogen.families.flow.multiscale import FactorOut, MultiScale, Scales, SingleScale, Squeeze
from morphogen.families.flow.objective import Flow, FlowSampler
from morphogen.families.flow.split_coupling import SplitCoupling, TopPrior
