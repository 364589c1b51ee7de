r"""Logits processors: functions that modify the logits of the next token before it is chosen.

    temperature  p_k^(1/T); T = 0: the most likely token only
    top-k        the k most likely tokens
    top-p        the fewest most likely tokens of total probability p (nucleus sampling)
    min-p        tokens with p_k >= p max_j p_j

A processor is a pure function of the logits [B, V], the token ids [B, T] of prompt and continuation, and the
prompt lengths [B]; excluded tokens get -inf. `process_logits` applies several in order and raises an error if
no token remains. Ties: top-k keeps all tokens that tie with the k-th; top-p prefers the lower id; T = 0 takes
the lowest id. Names and semantics follow transformers' GenerationConfig.

References: Hierarchical neural story generation, Fan et al., 2018 (top-k); The curious case of neural text
degeneration, Holtzman et al., 2020 (top-p); Turning up the heat: min-p sampling for creative and coherent LLM
outputs, Nguyen et al., 2024.

    >>> logits, token_ids = torch.tensor([[2.0, 1.0, 0.0, -1.0]]), torch.zeros(1, 0, dtype=torch.int64)
    >>> def probabilities(*processors):
    ...     p = process_logits(processors, logits, token_ids, torch.tensor([0])).softmax(-1)
    ...     return [f"{p_k:.2f}" for p_k in p[0].tolist()]
    >>> probabilities(), probabilities(Temperature(0.5)), probabilities(TopK(2))
    (['0.64', '0.24', '0.09', '0.03'], ['0.86', '0.12', '0.02', '0.00'], ['0.73', '0.27', '0.00', '0.00'])
    >>> probabilities(TopP(0.9)), probabilities(MinP(0.2))  # 0.64 + 0.24 < 0.9; 0.09 < 0.2 x 0.64 = 0.13
    (['0.67', '0.24', '0.09', '0.00'], ['0.73', '0.27', '0.00', '0.00'])
"""

__all__ = [
    "LogitBias",
    "LogitsProcessor",
    "MinP",
    "SuppressTokens",
    "Temperature",
    "TopK",
    "TopP",
    "check_token_id",
    "process_logits",
    "within_range",
]

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import ClassVar

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import Component, ConfigError


class LogitsProcessor(Component, ABC):
    """Base class of logits processors and stopping criteria.

    No paper: this is the interface that the methods of this module and of `penalties.py` share.
    """

    is_warper: ClassVar[bool] = (
        False  # never changes the most likely token, so it has no effect without sampling
    )

    @abstractmethod
    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        """Modified logits of the next token; -inf for excluded tokens.

        Arguments:
            logits: logits of token T of each row, [B, V].
            token_ids: the T tokens before it, [B, T]; -1 after the end of a row.
            prompt_length: number of them that belong to the prompt, [B].
        """

    def finished(self, token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        """Mask of the rows [B] that are complete and must not be continued."""
        return token_ids.new_zeros(len(token_ids), dtype=torch.bool)

    def within(
        self, length: int, max_new_tokens: int | None, prompt_length: Int[Tensor, " b"]
    ) -> "LogitsProcessor":
        """This processor for a batch whose sequences end after a number of tokens; most are unchanged.

        Arguments:
            length: largest number of tokens of a sequence, its prompt included.
            max_new_tokens: largest number of tokens after the prompt; None: to `length`.
            prompt_length: number of tokens of each prompt, [B].

        Errors: ConfigError if no valid text fits.
        """
        return self

    def trim(self, token_ids: Int[Tensor, "b n"], prompt_length: Int[Tensor, " b"]) -> Int[Tensor, "b m"]:
        """The decided sequences without what ended them; padding -1 may be added."""
        return token_ids


class Temperature(LogitsProcessor):
    """Temperature: p^(1/T), sharper for T < 1 and flatter for T > 1.

    Ackley, Hinton & Sejnowski 1985, "A learning algorithm for Boltzmann machines".

    Arguments:
        temperature: T >= 0; 1 leaves the distribution unchanged, 0 selects the most likely token.
    """

    is_warper = True

    def __init__(self, temperature: float):
        _check_range("temperature", temperature, 0 <= temperature < torch.inf, "0 or more")
        self.temperature = temperature

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        limits = torch.finfo(logits.dtype)
        best = logits.argmax(-1, keepdim=True)
        greedy = torch.full_like(logits, -torch.inf).scatter(-1, best, 0.0)
        if self.temperature < limits.tiny:
            return greedy
        scaled = logits / min(self.temperature, limits.max)
        return torch.where(
            scaled.amax(-1, keepdim=True).isfinite(), scaled, greedy
        )  # greedy, if they overflow


class TopK(LogitsProcessor):
    """Top-k sampling: keep the k most likely tokens (Fan et al. 2018).

    Arguments:
        top_k: number of tokens kept, at least 1; tokens that tie with the k-th are kept too.
    """

    is_warper = True

    def __init__(self, top_k: int):
        _check_range("top_k", top_k, top_k >= 1, "1 or more")
        self.top_k = top_k

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        threshold = logits.topk(min(self.top_k, logits.shape[-1]), -1).values[:, -1:]
        return logits.masked_fill(logits < threshold, -torch.inf)


class TopP(LogitsProcessor):
    """Nucleus sampling: keep the most likely tokens until their total probability reaches p.

    The most likely token is always kept (Holtzman et al. 2020).

    Arguments:
        top_p: probability mass to keep, in (0, 1].
    """

    is_warper = True

    def __init__(self, top_p: float):
        _check_range("top_p", top_p, 0 < top_p <= 1, "above 0 and at most 1")
        self.top_p = top_p

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        ordered, index = logits.sort(dim=-1, descending=True, stable=True)
        mass = ordered.double().softmax(-1)
        excluded = mass.cumsum(-1) - mass >= self.top_p  # the more likely tokens already reach p
        return logits.masked_fill(excluded.scatter(-1, index, excluded), -torch.inf)


class MinP(LogitsProcessor):
    """Min-p sampling: keep tokens at least min_p times as likely as the most likely one (Nguyen et al. 2024).

    Arguments:
        min_p: minimum ratio to the largest probability, in [0, 1].
    """

    is_warper = True

    def __init__(self, min_p: float):
        _check_range("min_p", min_p, 0 <= min_p <= 1, "0 to 1")
        self.min_p = min_p

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        p = logits.softmax(-1)
        return logits.masked_fill(p < self.min_p * p.amax(-1, keepdim=True), -torch.inf)


class LogitBias(LogitsProcessor):
    """Additive bias on the logits of some tokens: l_k + b_k.

    No paper: this is the `sequence_bias` of transformers and the logit bias of chat APIs, for single tokens.

    Arguments:
        sequence_bias: pairs (token id, bias added to its logit); -inf forbids the token.
    """

    def __init__(self, sequence_bias: tuple[tuple[int, float], ...]):
        self.sequence_bias = sequence_bias
        if any(not bias < torch.inf for _, bias in sequence_bias):
            raise ConfigError(f"sequence_bias={sequence_bias}: every bias must be a number below inf")

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        total = torch.zeros_like(logits[0], dtype=torch.float64)
        for token, bias in self.sequence_bias:
            total[check_token_id(token, logits)] += bias
        return within_range(logits + total.to(logits.dtype), logits).masked_fill(
            total == -torch.inf, -torch.inf
        )


class SuppressTokens(LogitsProcessor):
    """Exclude some tokens.

    No paper: this sets p_k = 0, as `suppress_tokens` of transformers does.

    Arguments:
        suppress_tokens: ids of the excluded tokens.
    """

    def __init__(self, suppress_tokens: tuple[int, ...]):
        self.suppress_tokens = suppress_tokens

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        ids = [check_token_id(token, logits) for token in self.suppress_tokens]
        excluded = torch.tensor(ids, dtype=torch.int64, device=logits.device)
        return logits.index_fill(-1, excluded, -torch.inf)


def process_logits(
    processors: Sequence[LogitsProcessor],
    logits: Float[Tensor, "b v"],
    token_ids: Int[Tensor, "b t"],
    prompt_length: Int[Tensor, " b"],
) -> Float[Tensor, "b v"]:
    """Apply all processors in order, in single precision at least.

    Arguments:
        processors: the processors.
        logits, token_ids, prompt_length: see `LogitsProcessor.__call__`.

    Raises:
        ConfigError: if a row of logits contains NaN or inf, or if the processors exclude all tokens of a row.
    """
    if logits.dtype not in (torch.float32, torch.float64):
        logits = logits.float()
    _check_usable(
        logits, "the network", "the model may have diverged, or its dtype may be too low a precision"
    )
    for processor in processors:
        logits = processor(logits, token_ids, prompt_length)
    if processors:
        names = ", ".join(type(processor).__name__ for processor in processors)
        _check_usable(logits, names, "relax or remove one of them")
    return logits


def within_range(modified: Float[Tensor, "b v"], logits: Float[Tensor, "b v"]) -> Float[Tensor, "b v"]:
    """The modified logits with the largest finite numbers in place of overflows; -inf where `logits` are."""
    limits = torch.finfo(logits.dtype)
    return modified.clamp(limits.min, limits.max).masked_fill(logits == -torch.inf, -torch.inf)


def check_token_id(token: int, logits: Float[Tensor, "b v"]) -> int:
    """Return a token id of the vocabulary. Errors: ConfigError if it is outside 0 .. V - 1."""
    if not 0 <= token < logits.shape[-1]:
        raise ConfigError(f"unknown token id {token}: ids must be 0 to {logits.shape[-1] - 1}")
    return token


def _check_range(name: str, value: float, valid: bool, requirement: str) -> None:
    if not valid:
        raise ConfigError(f"{name}={value}: must be {requirement}")


def _check_usable(logits: Tensor, source: str, advice: str) -> None:
    """Raise ConfigError for a row without a possible token, found by one reduction.

    The largest logit of a row is NaN or inf if any logit is, and -inf if all are.
    """
    largest = logits.amax(-1)
    if not bool(largest.isfinite().all()):
        row = int((~largest.isfinite()).nonzero()[0, 0])
        value = largest[row].item()
        problem = "no possible token" if value == -torch.inf else f"logits that are {value}"
        raise ConfigError(f"row {row}: {source} gave {problem} for the next token; {advice}")
