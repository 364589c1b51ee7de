"""Autoregressive models: the chain rule, exact likelihood, one symbol after another."""

__all__ = ["Ancestral", "Autoregressive", "LogisticMixture", "Recompute", "nucleus", "remember", "temper", "top"]

from morphogen.families.autoregressive.cache import Recompute, remember
from morphogen.families.autoregressive.decoding import Ancestral, nucleus, temper, top
from morphogen.families.autoregressive.laws import LogisticMixture
from morphogen.families.autoregressive.objective import Autoregressive
