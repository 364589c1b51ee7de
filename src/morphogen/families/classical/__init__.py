"""Classical models, fitted in closed form or by expectation-maximization: no network, no gradient."""

__all__ = [
    "ByClass", "ByClassSampler", "CategoricalEmissions", "CopulaSampler", "FactorMixture", "GaussianCopula",
    "GaussianEmissions", "HiddenChain", "HiddenMarkov", "HiddenMarkovSampler", "KernelDensity",
    "KernelSampler", "KneserNey", "MixedMixture", "Mixture", "NGram", "ProbabilisticPCA",
    "ProbabilisticPCASampler", "StateSpace", "StateSpaceSampler", "TokenChain",
]  # fmt: skip

from morphogen.families.classical.by_class import ByClass, ByClassSampler
from morphogen.families.classical.copula import CopulaSampler, GaussianCopula
from morphogen.families.classical.emissions import CategoricalEmissions, GaussianEmissions
from morphogen.families.classical.factor_mixture import FactorMixture
from morphogen.families.classical.hidden_markov import HiddenMarkov, HiddenMarkovSampler
from morphogen.families.classical.kernel_density import KernelDensity, KernelSampler
from morphogen.families.classical.kneser_ney import KneserNey
from morphogen.families.classical.linear_latent import ProbabilisticPCA, ProbabilisticPCASampler
from morphogen.families.classical.markov_chain import HiddenChain, TokenChain
from morphogen.families.classical.mixed_mixture import MixedMixture
from morphogen.families.classical.mixture import Mixture
from morphogen.families.classical.ngram import NGram
from morphogen.families.classical.state_space import StateSpace, StateSpaceSampler
