r"""Rules: what bends the law of the next symbol, and what says that a text is over.

    temperature  p_k^(1/T)                          T = 0: the most likely symbol alone
    top-k        the k most likely symbols          Fan et al. 2018, "Hierarchical neural story generation"
    top-p        the fewest symbols with mass p     Holtzman et al. 2020, "The curious case of neural text degeneration" (nucleus)
    min-p        those with p_k >= p max_j p_j      Nguyen et al. 2024, "Turning up the heat: min-p sampling"

A rule is a pure function of the logits `[B, V]`, the symbols so far `[B, T]` and how many of them were given, `[B]`; symbols struck out
get -inf. `bend` applies several, in their order, and refuses what no symbol can be drawn from. Ties: those with the k-th likeliest stay
too; the nucleus keeps the lower id first; T = 0 takes the lowest. Names and meanings are those of transformers' GenerationConfig.

    >>> logits, so_far, given = torch.tensor([[2.0, 1.0, 0.0, -1.0]]), torch.zeros(1, 0, dtype=torch.int64), torch.tensor([0])
    >>> def shares(*rules): return [f"{p:.2f}" for p in bend(rules, logits, so_far, given).softmax(-1)[0].tolist()]
    >>> shares(), shares(Temperature(0.5)), shares(TopK(2))
    (['0.64', '0.24', '0.09', '0.03'], ['0.86', '0.12', '0.02', '0.00'], ['0.73', '0.27', '0.00', '0.00'])
    >>> shares(TopP(0.9)), shares(MinP(0.2))  # 0.64 + 0.24 do not reach 0.9 yet, with 0.09 they do; 0.2 x 0.64 = 0.13
    (['0.67', '0.24', '0.09', '0.00'], ['0.73', '0.27', '0.00', '0.00'])
"""

__all__ = ["LogitBias", "MinP", "Rule", "Suppress", "Temperature", "TopK", "TopP", "bend", "known"]

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import Component, ConfigError


class Rule(Component, ABC):
    """Logits of the next symbol to logits; and whether a row is over. No paper: the sum of what the papers of this page do."""

    sharpens: ClassVar[bool] = False  # leaves the likeliest symbol the likeliest: idle where nothing is drawn

    @abstractmethod
    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        """The logits, bent; those of struck symbols are -inf.

        Arguments:
            logits: [B, V] of symbol T of each row.
            so_far: [B, T], those before it; -1 behind a row's end.
            given: [B], how many of them are the prompt.
        """

    def over(self, so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        """Rows [B] to which nothing is to be added."""
        return so_far.new_zeros(len(so_far), dtype=torch.bool)


class Temperature(Rule):
    """The law p^(1/T), sharper below 1 and flatter above (Ackley, Hinton & Sejnowski 1985, "A learning algorithm for Boltzmann machines").

    Arguments:
        temperature: T >= 0; 1 is the law itself, 0 its most likely symbol.
    """

    sharpens = True

    def __init__(self, temperature: float):
        _within("temperature", temperature, 0 <= temperature < torch.inf, "0 or more")
        self.temperature = temperature

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        if self.temperature > 0:
            return logits / self.temperature
        best = logits.argmax(-1, keepdim=True)
        return torch.full_like(logits, -torch.inf).scatter(-1, best, 0.0)


class TopK(Rule):
    """The k most likely symbols (Fan et al. 2018).

    Arguments:
        top_k: how many stay; ties with the k-th stay too.
    """

    sharpens = True

    def __init__(self, top_k: int):
        _within("top_k", top_k, top_k >= 1, "1 or more")
        self.top_k = top_k

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        least = logits.topk(min(self.top_k, logits.shape[-1]), -1).values[:, -1:]
        return logits.masked_fill(logits < least, -torch.inf)


class TopP(Rule):
    """The nucleus: the fewest most likely symbols whose mass reaches p; the most likely always stays (Holtzman et al. 2020).

    Arguments:
        top_p: mass that stays, in (0, 1].
    """

    sharpens = True

    def __init__(self, top_p: float):
        _within("top_p", top_p, 0 < top_p <= 1, "above 0 and at most 1")
        self.top_p = top_p

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        ordered, index = logits.sort(dim=-1, descending=True, stable=True)
        mass = ordered.double().softmax(-1)
        struck = mass.cumsum(-1) - mass >= self.top_p  # those before it suffice
        return logits.masked_fill(struck.scatter(-1, index, struck), -torch.inf)


class MinP(Rule):
    """Symbols at least a share as likely as the most likely one (Nguyen et al. 2024).

    Arguments:
        min_p: the share, in [0, 1].
    """

    sharpens = True

    def __init__(self, min_p: float):
        _within("min_p", min_p, 0 <= min_p <= 1, "0 to 1")
        self.min_p = min_p

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        p = logits.softmax(-1)
        return logits.masked_fill(p < self.min_p * p.amax(-1, keepdim=True), -torch.inf)


class LogitBias(Rule):
    """Some symbols made likelier or rarer: l_k + b_k. No paper: the interface of the chat services.

    Arguments:
        sequence_bias: pairs of an id and what is added to its logit; -inf forbids it.
    """

    def __init__(self, sequence_bias: tuple[tuple[int, float], ...]):
        self.sequence_bias = sequence_bias
        if any(not bias < torch.inf for _, bias in sequence_bias):
            raise ConfigError(f"sequence_bias={sequence_bias}: a bias is a number below inf")

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        bias = torch.zeros_like(logits[0])
        for symbol, of_it in self.sequence_bias:
            bias[known(symbol, logits)] += of_it
        return logits + bias


class Suppress(Rule):
    """Symbols that are never drawn. No paper: p_k = 0.

    Arguments:
        suppress_tokens: their ids.
    """

    def __init__(self, suppress_tokens: tuple[int, ...]):
        self.suppress_tokens = suppress_tokens

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        struck = torch.tensor([known(symbol, logits) for symbol in self.suppress_tokens], dtype=torch.int64, device=logits.device)
        return logits.index_fill(-1, struck, -torch.inf)


def bend(rules: Sequence[Rule], logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
    """The logits after all rules, in single precision at least. Arguments: as of `Rule.__call__`.

    Raises:
        ConfigError: if a row of logits is NaN or inf, or the rules strike out all of its symbols.
    """
    if logits.dtype not in (torch.float32, torch.float64):
        logits = logits.float()
    _refuse(logits, "the network gives", "it has diverged, or was loaded in too low a precision")
    for rule in rules:
        logits = rule(logits, so_far, given)
    if rules:
        _refuse(logits, f"{', '.join(type(rule).__name__ for rule in rules)} leave", "give looser rules")
    return logits


def known(symbol: int, logits: Float[Tensor, "b v"]) -> int:
    """The id of a symbol that there is. Errors: ConfigError for another."""
    if not 0 <= symbol < logits.shape[-1]:
        raise ConfigError(f"id {symbol}: the symbols are 0 to {logits.shape[-1] - 1}")
    return symbol


def _within(name: str, value: float, right: bool, what: str) -> None:
    if not right:
        raise ConfigError(f"{name}={value}: give a number that is {what}")


def _refuse(logits: Tensor, who: str, remedy: str) -> None:
    """One reduction sees all three: the largest of a row is NaN, inf, or -inf where nothing is left."""
    largest = logits.amax(-1)
    if not math.isfinite(largest.sum().item()):
        row = int((~largest.isfinite()).nonzero()[0, 0])
        what = "no symbol at all" if largest[row] == -torch.inf else f"logits that are {largest[row].item()}"
        raise ConfigError(f"{who} {what} for the next symbol of row {row}; {remedy}")
