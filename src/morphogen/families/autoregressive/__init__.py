"""Autoregressive models: the chain rule, exact likelihood, one symbol after another, and every way to decode."""

__all__ = [
    "Ancestral", "Autoregressive", "Beam", "Decoding", "End", "FrequencyPenalty", "Greedy", "JsonSchema", "LogisticMixture", "LogitBias",
    "MaxNew", "MinNew", "MinP", "NoRepeatNgram", "PresencePenalty", "PromptGuided", "PromptLookup", "Recompute", "Regex",
    "RepetitionPenalty", "Rule", "Stop", "Suppress", "Temperature", "TopK", "TopP", "remember", "rules_of",
]  # fmt: skip

from morphogen.families.autoregressive.beam import Beam
from morphogen.families.autoregressive.cache import Recompute, remember
from morphogen.families.autoregressive.constraints import JsonSchema, Regex
from morphogen.families.autoregressive.contrast import PromptGuided
from morphogen.families.autoregressive.decoding import Ancestral, Decoding, Greedy, rules_of
from morphogen.families.autoregressive.laws import LogisticMixture
from morphogen.families.autoregressive.objective import Autoregressive
from morphogen.families.autoregressive.penalties import FrequencyPenalty, NoRepeatNgram, PresencePenalty, RepetitionPenalty
from morphogen.families.autoregressive.rules import LogitBias, MinP, Rule, Suppress, Temperature, TopK, TopP
from morphogen.families.autoregressive.span import End, MaxNew, MinNew, Stop
from morphogen.families.autoregressive.speculation import PromptLookup
