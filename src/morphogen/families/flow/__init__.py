"""Normalizing flows: invertible maps from data to Gaussian noise, with an exact density."""

__all__ = [
    "ActNorm",
    "Additive",
    "Affine",
    "Bijection",
    "Chain",
    "Composite",
    "Continuous",
    "Coupling",
    "DormandPrince",
    "Elementwise",
    "ExactTrace",
    "FactorOut",
    "Flatten",
    "Flow",
    "FlowSampler",
    "FlowSteps",
    "Hutchinson",
    "Inverse",
    "InverseAutoregressiveFlow",
    "InvertibleConv",
    "LULinear",
    "MaskedAutoregressive",
    "MaskedAutoregressiveFlow",
    "MixedFlow",
    "MixedFlowSampler",
    "MultiScale",
    "NoiseFlow",
    "OdeSolver",
    "Permuted",
    "RationalQuadraticSpline",
    "Rearranged",
    "RungeKutta",
    "Scales",
    "SigmoidAffine",
    "SingleScale",
    "SplitCoupling",
    "Squeeze",
    "TopPrior",
    "Trace",
    "Whitening",
    "keyed",
    "reverse",
]

from morphogen.families.flow.bijection import Bijection, Chain, Composite, Inverse
from morphogen.families.flow.continuous import Continuous
from morphogen.families.flow.coupling import ActNorm, Coupling
from morphogen.families.flow.elementwise import Additive, Affine, Elementwise, SigmoidAffine
from morphogen.families.flow.flatten import Flatten
from morphogen.families.flow.flow_steps import FlowSteps
from morphogen.families.flow.invertible_conv import InvertibleConv
from morphogen.families.flow.lu_linear import LULinear
from morphogen.families.flow.masked_autoregressive import (
    InverseAutoregressiveFlow,
    MaskedAutoregressive,
    MaskedAutoregressiveFlow,
)
from morphogen.families.flow.mixed import MixedFlow, MixedFlowSampler
from morphogen.families.flow.multiscale import FactorOut, MultiScale, Scales, SingleScale, Squeeze
from morphogen.families.flow.noise_flow import NoiseFlow
from morphogen.families.flow.objective import Flow, FlowSampler
from morphogen.families.flow.ode_solvers import DormandPrince, OdeSolver, RungeKutta
from morphogen.families.flow.permuted import Permuted, keyed, reverse
from morphogen.families.flow.rearranged import Rearranged
from morphogen.families.flow.spline import RationalQuadraticSpline
from morphogen.families.flow.split_coupling import SplitCoupling
from morphogen.families.flow.top_prior import TopPrior
from morphogen.families.flow.traces import ExactTrace, Hutchinson, Trace
from morphogen.families.flow.whitening import Whitening
