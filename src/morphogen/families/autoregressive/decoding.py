r"""Decoding: sampling of token sequences from p(x_i | x_<i), with logits processors and stopping criteria.

    x_i = min { v : sum_(w <= v) p(w | x_<i) >= u_i }

A token is the inverse cumulative distribution at a uniform random number keyed by (seed, row, position). A
row's sequence therefore depends neither on its batch nor on how the positions are divided into forward
passes. `Decoding` owns the loop and `DecodingState` the sequences; `Ancestral` and `Greedy` choose the token.
`logits_processors` creates processors from the options of transformers' GenerationConfig.

    >>> Ancestral(logits_processors(temperature=0.8, top_p=0.9))
    Ancestral(processors=(Temperature(temperature=0.8), TopP(top_p=0.9)))
    >>> logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    >>> [Ancestral().next_token(logits, torch.tensor([u])) for u in (0.6, 0.7)]
    [tensor([0]), tensor([1])]
    >>> Greedy().next_token(logits, None)
    tensor([0])
"""

__all__ = [
    "Ancestral",
    "Decoding",
    "DecodingState",
    "Greedy",
    "check_consistent",
    "check_no_warpers",
    "finished_rows",
    "logits_processors",
    "trimmed",
    "within",
]

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, DecodingCache, DrawsTokens, Sampler
from morphogen.families.autoregressive.cache import cache_for, prefill
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
    process_logits,
)
from morphogen.families.autoregressive.stopping import (
    MaxNewTokens,
    MinNewTokens,
    StoppingCriterion,
    prompt_tokens,
)
from morphogen.families.autoregressive.window import sequence_length
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.numerics.tensors import unraster
from morphogen.wrong_calls import explains_calls


class Decoding(Sampler):
    """Base class of token-by-token decoding; `context.prefix [B, P]` holds the prompts.

    A row ends with the objective's `end` token or when a stopping criterion is met, and is padded with -1.
    The loop ends when all rows have ended. No paper: this is the generation loop that the decoding methods
    share.

    Arguments:
        processors: logits processors and stopping criteria, one or several, applied in this order.

    Raises:
        ConfigError: if two processors contradict each other, or if a prompt is invalid.
    """

    requires = "token_log_probs"

    def __init__(self, processors: LogitsProcessor | Sequence[LogitsProcessor] = ()):
        self.processors = check_consistent(processors)

    @property
    def temperature(self) -> float | None:
        """Of the softmax of which all tokens are drawn, if nothing else matters; 0: the most likely ones."""
        return None

    @abstractmethod
    def next_token(self, logits: Float[Tensor, "b v"], u: Float[Tensor, " b"] | None) -> Int[Tensor, " b"]:
        """Choose one token per row from the processed logits; u: uniform random numbers, for sampling."""

    @torch.no_grad()
    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Int[Tensor, "b ..."]:
        self.check(objective)
        state = DecodingState(self, objective, shape, context, rng)
        if not state.drawn_at_once():
            for _ in self.generate(state):
                pass
        tokens = trimmed(self.processors, state.tokens, state.prompt_length)
        return unraster(tokens, tuple(tokens.shape[1:]) if len(shape) == 1 else shape)

    @torch.no_grad()
    def stream(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Iterator[Int[Tensor, " b"]]:
        """Yield the tokens [B] of each position after the shortest prompt; -1 in finished rows.

        The tokens of a stop string are among them.
        """
        yield from self.generate(DecodingState(self, objective, shape, context, rng))

    def generate(self, state: "DecodingState") -> Iterator[Int[Tensor, " b"]]:
        """Decode until all rows are finished, yielding the tokens of each position."""
        if state.done:
            return
        cache = state.make_cache()
        logits = prefill(cache, state.input_ids)
        while True:
            yield state.append(logits)
            if state.done:
                return
            logits = cache.step(state.last_tokens)


class Ancestral(Decoding):
    """Ancestral sampling: draw each token given the previous ones (Koller & Friedman 2009, section 12.1).

    Arguments:
        processors: see `Decoding`.
    """

    def __init__(self, processors: LogitsProcessor | Sequence[LogitsProcessor] = ()):
        super().__init__(processors)
        temperatures = [p.temperature for p in self.processors if isinstance(p, Temperature)]
        truncations = [p for p in self.processors if p.is_warper and not isinstance(p, Temperature)]
        if truncations and 0 in temperatures:
            raise ConfigError(
                "temperature 0 selects the most likely token, which makes "
                f"{type(truncations[0]).__name__} redundant: remove one of them"
            )

    @property
    def temperature(self) -> float | None:
        if not self.processors:
            return 1.0
        only = self.processors[0]
        return only.temperature if isinstance(only, Temperature) and len(self.processors) == 1 else None

    def next_token(self, logits: Float[Tensor, "b v"], u: Float[Tensor, " b"] | None) -> Int[Tensor, " b"]:
        assert u is not None
        return invert_cdf(logits, u)


class Greedy(Decoding):
    """Greedy decoding: the most likely token at every position, the lowest id in a tie.

    No paper: this is the mode of each conditional, the limit of sampling at temperature 0.

    Arguments:
        processors: see `Decoding`; warpers (temperature, top-k, top-p, min-p) are refused.
    """

    def __init__(self, processors: LogitsProcessor | Sequence[LogitsProcessor] = ()):
        super().__init__(processors)
        check_no_warpers(self.processors, "Greedy")

    @property
    def temperature(self) -> float | None:
        return None if self.processors else 0.0

    def next_token(self, logits: Float[Tensor, "b v"], u: Float[Tensor, " b"] | None) -> Int[Tensor, " b"]:
        return logits.argmax(-1)


class DecodingState:
    """Decoding state of a batch: `tokens` [B, N], of which the first `position` columns are decided.

    Undecided positions hold -1. No paper: this is the bookkeeping of prompts of different lengths.

    Arguments:
        decoding: the decoding method, which chooses the tokens.
        objective: the autoregressive objective.
        window: shape of one x; token sequences may be longer, see `window.py`.
        context: context of the B rows, with their prompts.
        rng: random stream of the B rows.
    """

    def __init__(
        self, decoding: Decoding, objective: Any, window: tuple[int, ...], context: Context | None, rng: Rng
    ):
        rows, length = len(rng), sequence_length(decoding.processors, window, context)
        prompt = prompt_tokens(objective, context, rows, length).to(rng.rows.device)
        self.decoding, self.objective, self.window, self.context = decoding, objective, window, context
        self.processors = within(decoding.processors, length, (prompt >= 0).sum(1))
        self.prompt_length = (prompt >= 0).sum(1)
        self.longest_prompt = prompt.shape[1]
        self.tokens = torch.full((rows, length), -1, device=prompt.device)
        self.tokens[:, : prompt.shape[1]] = prompt
        self.finished = self.prompt_length >= length
        self.position = int(self.prompt_length.amin()) if rows else length
        # drawn as one block, because one keyed draw costs more than a cached decoding step
        self.uniforms = rng.fork("symbols").uniform(length)
        self.any_finished = bool(self.finished.any())

    @property
    def done(self) -> bool:
        """Whether all rows are finished."""
        return self.position == self.tokens.shape[1] or (self.any_finished and bool(self.finished.all()))

    def drawn_at_once(self) -> bool:
        """Decide all tokens in one call, if the prediction and the decoding method allow it."""
        predict, temperature = self.objective.predict, self.decoding.temperature
        fits = self.tokens.shape[1] <= torch.Size(self.window).numel()
        if temperature is None or not fits or not isinstance(predict, DrawsTokens):
            return False
        tokens, end = self.tokens.clone(), getattr(self.objective, "end", None)
        if not predict.draw(tokens, self.uniforms, temperature, self.context, end):
            return False
        self.tokens, self.position = tokens, tokens.shape[1]
        return True

    @property
    def input_ids(self) -> Int[Tensor, "b t"]:
        """The decided tokens as network input; padding of finished rows is replaced by token 0."""
        return self.tokens[:, : self.position].clamp_min(0)

    @property
    def last_tokens(self) -> Int[Tensor, " b"]:
        """The tokens of the last decided position as network input; 0 in finished rows."""
        newest = self.tokens[:, self.position - 1]
        return newest.clamp_min(0) if self.any_finished else newest

    def make_cache(self, protocol: type = DecodingCache) -> Any:
        """An empty cache for the batch that implements `protocol`; see `cache_for`."""
        rows, length = self.tokens.shape
        return cache_for(self.objective.predict, rows, self.window, self.context, protocol, length)

    def append(self, logits: Float[Tensor, "b v"]) -> Int[Tensor, " b"]:
        """Decide the tokens of the next position from its logits.

        Rows inside their prompt keep the prompt token, finished rows keep -1, and the others choose a token.
        """
        i, processors = self.position, self.processors
        self.position += 1
        rows: Any = slice(None)  # the common case: every row chooses a token
        if i < self.longest_prompt or self.any_finished:
            rows = ((self.tokens[:, i] < 0) & ~self.finished).nonzero()[:, 0]
            if not len(rows):
                return self.tokens[:, i]
        token_ids, prompt_length = self.tokens[rows, : i + 1], self.prompt_length[rows]
        processed = process_logits(processors, logits[rows], token_ids[:, :i], prompt_length)
        self.tokens[rows, i] = token_ids[:, i] = self.decoding.next_token(processed, self.uniforms[rows, i])
        ended = finished_rows(processors, self.objective, token_ids, prompt_length)
        if ended is not None:
            self.finished[rows] = ended
            self.any_finished = bool(self.finished.any())
        return self.tokens[:, i]


@explains_calls
def logits_processors(
    temperature: float = 1.0,
    top_k: int = 0,
    top_p: float = 1.0,
    min_p: float = 0.0,
    repetition_penalty: float = 1.0,
    presence_penalty: float = 0.0,
    frequency_penalty: float = 0.0,
    no_repeat_ngram_size: int = 0,
    sequence_bias: tuple[tuple[int, float], ...] = (),
    suppress_tokens: tuple[int, ...] = (),
) -> tuple[LogitsProcessor, ...]:
    """Create logits processors from options of transformers' GenerationConfig, in its order; by default none.

    Arguments:
        temperature, top_k, top_p, min_p: of `Temperature`, `TopK` (0: off), `TopP`, `MinP`.
        repetition_penalty, presence_penalty, frequency_penalty, no_repeat_ngram_size: of the penalties.
        sequence_bias, suppress_tokens: of `LogitBias`, `SuppressTokens`.
    """
    for name, count, off in (("top_k", top_k, "all"), ("no_repeat_ngram_size", no_repeat_ngram_size, "off")):
        if count < 0:
            raise ConfigError(f"{name}={count}: must be 0 ({off}) or more")
    options: list[tuple[bool, Any, Any]] = [
        (bool(sequence_bias), LogitBias, sequence_bias),
        (repetition_penalty != 1, RepetitionPenalty, repetition_penalty),
        (presence_penalty != 0, PresencePenalty, presence_penalty),
        (frequency_penalty != 0, FrequencyPenalty, frequency_penalty),
        (no_repeat_ngram_size != 0, NoRepeatNgram, no_repeat_ngram_size),
        (bool(suppress_tokens), SuppressTokens, suppress_tokens),
        (temperature != 1, Temperature, temperature),
        (top_k != 0, TopK, top_k),
        (top_p != 1, TopP, top_p),
        (min_p != 0, MinP, min_p),
    ]
    return tuple(processor(value) for enabled, processor, value in options if enabled)


def check_consistent(
    given: LogitsProcessor | Sequence[LogitsProcessor],
) -> tuple[LogitsProcessor, ...]:
    """The processors, of one or several.

    Raises:
        ConfigError: if there are two of one class, if a minimum number of new tokens exceeds the maximum, or
            if a warper precedes a processor that can exclude tokens.
    """
    processors = (given,) if isinstance(given, LogitsProcessor) else tuple(given)
    by_class = {type(processor): processor for processor in processors}
    if len(by_class) < len(processors):
        classes = [type(processor) for processor in processors]
        duplicate = next(cls for i, cls in enumerate(classes) if cls in classes[:i])
        raise ConfigError(f"{duplicate.__name__} is given twice: remove one")
    modifying = [processor for processor in processors if not isinstance(processor, StoppingCriterion)]
    for first, second in itertools.pairwise(modifying):
        if first.is_warper and not second.is_warper:
            raise ConfigError(
                f"{type(first).__name__} comes before {type(second).__name__}: "
                "put temperature, top-k, top-p and min-p last"
            )
    least, most = by_class.get(MinNewTokens), by_class.get(MaxNewTokens)
    if (
        isinstance(least, MinNewTokens)
        and isinstance(most, MaxNewTokens)
        and least.min_new_tokens > most.max_new_tokens
    ):
        raise ConfigError(
            f"min_new_tokens={least.min_new_tokens} exceeds max_new_tokens={most.max_new_tokens}: "
            "lower the minimum or raise the maximum"
        )
    return processors


def check_no_warpers(processors: tuple[LogitsProcessor, ...], decoding: str) -> tuple[LogitsProcessor, ...]:
    """Return the processors. Errors: ConfigError for a warper, which has no effect without sampling."""
    if warpers := [processor for processor in processors if processor.is_warper]:
        name = type(warpers[0]).__name__
        raise ConfigError(f"{decoding} does not sample, so {name} has no effect: remove it, or use Ancestral")
    return processors


def finished_rows(
    processors: Sequence[LogitsProcessor],
    objective: Any,
    token_ids: Int[Tensor, "b t"],
    prompt_length: Int[Tensor, " b"],
) -> Bool[Tensor, " b"] | None:
    """Mask of the rows that end with their last token, by the objective's `end` or a stopping criterion.

    None if there is neither an end token nor a stopping criterion.
    """
    end = getattr(objective, "end", None)
    masks = [
        processor.finished(token_ids, prompt_length)
        for processor in processors
        if type(processor).finished is not LogitsProcessor.finished
    ]
    if end is not None:
        masks.append(token_ids[:, -1] == end)
    return torch.stack(masks).any(0) if masks else None


def trimmed(
    processors: Sequence[LogitsProcessor], token_ids: Int[Tensor, "b n"], prompt_length: Int[Tensor, " b"]
) -> Int[Tensor, "b m"]:
    """The decided sequences without what ended them, such as stop strings."""
    for processor in processors:
        token_ids = processor.trim(token_ids, prompt_length)
    return token_ids


def within(
    processors: Sequence[LogitsProcessor], length: int, prompt_length: Int[Tensor, " b"]
) -> tuple[LogitsProcessor, ...]:
    """The processors for sequences of at most `length` tokens; see `LogitsProcessor.within`."""
    most = [each.max_new_tokens for each in processors if isinstance(each, MaxNewTokens)]
    return tuple(each.within(length, most[0] if most else None, prompt_length) for each in processors)
