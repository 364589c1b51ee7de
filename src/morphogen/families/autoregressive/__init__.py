"""Autoregressive models: exact likelihood by the chain rule, and decoding token by token."""

__all__ = [
    "Ancestral",
    "Autoregressive",
    "AutoregressiveColumns",
    "Beam",
    "ColumnSampler",
    "Decoding",
    "EndTokens",
    "FrequencyPenalty",
    "Greedy",
    "JointAutoregressive",
    "JsonSchema",
    "LogisticMixture",
    "LogitBias",
    "LogitsProcessor",
    "MaxNewTokens",
    "MinNewTokens",
    "MinP",
    "NoRepeatNgram",
    "PresencePenalty",
    "PromptGuided",
    "PromptLookup",
    "Recompute",
    "Regex",
    "RepetitionPenalty",
    "StopStrings",
    "SuppressTokens",
    "Temperature",
    "TopK",
    "TopP",
    "cache_for",
    "logits_processors",
]

from morphogen.families.autoregressive.beam import Beam
from morphogen.families.autoregressive.cache import Recompute, cache_for
from morphogen.families.autoregressive.columns import AutoregressiveColumns, ColumnSampler
from morphogen.families.autoregressive.constraints import JsonSchema, Regex
from morphogen.families.autoregressive.decoding import Ancestral, Decoding, Greedy, logits_processors
from morphogen.families.autoregressive.joint import JointAutoregressive
from morphogen.families.autoregressive.logistic_mixture import LogisticMixture
from morphogen.families.autoregressive.objective import Autoregressive
from morphogen.families.autoregressive.penalties import (
    FrequencyPenalty,
    NoRepeatNgram,
    PresencePenalty,
    RepetitionPenalty,
)
from morphogen.families.autoregressive.processors import (
    LogitBias,
    LogitsProcessor,
    MinP,
    SuppressTokens,
    Temperature,
    TopK,
    TopP,
)
from morphogen.families.autoregressive.prompt_guidance import PromptGuided
from morphogen.families.autoregressive.speculation import PromptLookup
from morphogen.families.autoregressive.stopping import EndTokens, MaxNewTokens, MinNewTokens, StopStrings
