"""Classical models, fitted in closed form or by expectation-maximization: no network, no gradient."""

__all__ = ["KneserNey", "MixedMixture", "Mixture", "NGram"]

from morphogen.families.classical.kneser_ney import KneserNey
from morphogen.families.classical.mixed_mixture import MixedMixture
from morphogen.families.classical.mixture import Mixture
from morphogen.families.classical.ngram import NGram
