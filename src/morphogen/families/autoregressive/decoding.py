r"""Drawing a sequence symbol by symbol from p(x_i | x_<i), or from a law that rules have bent.

    x_i = min { v : sum_(w <= v) p(w | x_<i) >= u_i }

A symbol is the inverse of the cumulative distribution at a uniform number keyed by (seed, row, position), so that a row's sequence does
not depend on its batch, nor on how it is cut into passes. `Decoding` owns the loop, `Writing` what stands so far; `Ancestral` and `Greedy`
are how one symbol is picked, `rules_of` makes rules under the names of transformers' GenerationConfig.

    >>> Ancestral(rules_of(temperature=0.8, top_p=0.9))
    Ancestral(rules=(Temperature(temperature=0.8), TopP(top_p=0.9)))
    >>> logits = torch.tensor([[2.0, 1.0, 0.0, -1.0]])
    >>> Ancestral().pick(logits, torch.tensor([0.6])), Ancestral().pick(logits, torch.tensor([0.7])), Greedy().pick(logits, None)
    (tensor([0]), tensor([1]), tensor([0]))
"""

__all__ = ["Ancestral", "Decoding", "Greedy", "Writing", "agreeing", "over", "rules_of", "unsharpened"]

import itertools
from abc import abstractmethod
from collections.abc import Iterator, Sequence
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Memory, Sampler
from morphogen.families.autoregressive.cache import read, remember
from morphogen.families.autoregressive.penalties import FrequencyPenalty, NoRepeatNgram, PresencePenalty, RepetitionPenalty
from morphogen.families.autoregressive.rules import LogitBias, MinP, Rule, Suppress, Temperature, TopK, TopP, bend
from morphogen.families.autoregressive.span import Ending, MaxNew, MinNew, prompts
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.numerics.tensors import unraster


class Decoding(Sampler):
    """One symbol after another, each given those before it; `context.prefix [B, P]` says how each sequence begins. No paper: the loop.

    A row is over behind the objective's `end`, and where a rule says so; -1 stands behind. The loop ends with the last of its rows.

    Arguments:
        rules: applied to the logits of each new symbol, in their order.

    Raises:
        ConfigError: if two rules contradict each other, or a prompt does not fit.
    """

    def __init__(self, rules: tuple[Rule, ...] = ()):
        self.rules = agreeing(rules)

    @abstractmethod
    def pick(self, logits: Float[Tensor, "b v"], u: Float[Tensor, " b"] | None) -> Int[Tensor, " b"]:
        """One symbol a row of the bent logits; u: uniform numbers, for those who draw."""

    @torch.no_grad()
    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Int[Tensor, "b ..."]:
        writing = Writing(self, objective, shape, context, rng)
        for _ in self.write(writing):
            pass
        return unraster(writing.symbols, shape)

    @torch.no_grad()
    def stream(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Iterator[Int[Tensor, " b"]]:
        """The same, a column at a time as it is written: from behind the shortest prompt on; -1 in rows that are over."""
        yield from self.write(Writing(self, objective, shape, context, rng))

    def write(self, writing: "Writing") -> Iterator[Int[Tensor, " b"]]:
        """Go on until all rows are over."""
        if writing.done:
            return
        memory = writing.memory()
        logits = read(memory, writing.read)
        while True:
            yield writing.add(logits)
            if writing.done:
                return
            logits = memory.step(writing.last)


class Ancestral(Decoding):
    """Each symbol drawn from its law (ancestral sampling: a variable after those that it depends on; Koller & Friedman 2009, 12.1).

    Arguments:
        rules: as of `Decoding`.
    """

    def __init__(self, rules: tuple[Rule, ...] = ()):
        super().__init__(rules)
        idle = [rule for rule in rules if rule.sharpens and not isinstance(rule, Temperature)]
        if idle and any(isinstance(rule, Temperature) and rule.temperature == 0 for rule in rules):
            raise ConfigError(
                f"temperature 0 takes the most likely symbol, so that {type(idle[0]).__name__} says nothing: leave one of them out"
            )

    def pick(self, logits: Float[Tensor, "b v"], u: Float[Tensor, " b"] | None) -> Int[Tensor, " b"]:
        assert u is not None
        return invert_cdf(logits, u)


class Greedy(Decoding):
    """The most likely symbol at every place, the lowest id where several are. No paper: temperature 0.

    Arguments:
        rules: as of `Decoding`, without those that only sharpen.
    """

    def __init__(self, rules: tuple[Rule, ...] = ()):
        super().__init__(rules)
        unsharpened(rules, "Greedy")

    def pick(self, logits: Float[Tensor, "b v"], u: Float[Tensor, " b"] | None) -> Int[Tensor, " b"]:
        return logits.argmax(-1)


class Writing:
    """The rows under way (No paper: a page): `symbols` [B, N], -1 where nothing stands, of which the first `position` columns are decided.

    Arguments:
        decoding: who picks, by which rules.
        objective: whose law it is.
        shape: of one x.
        context: with the prompts, of B rows.
        rng: of the B rows.
    """

    def __init__(self, decoding: Decoding, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng):
        rows, length = len(rng), torch.Size(shape).numel()
        told = prompts(objective, context, rows, length).to(rng.rows.device)
        self.decoding, self.objective, self.shape, self.context = decoding, objective, shape, context
        self.given = (told >= 0).sum(1)
        self.symbols = torch.full((rows, length), -1, device=told.device)
        self.symbols[:, : told.shape[1]] = told
        self.finished = self.given >= length
        self.position, self.longest = int(self.given.amin()) if rows else length, told.shape[1]
        self.draws = rng.fork("symbols").uniform(length)  # one block: a keyed draw costs more than a cached step
        self.some_finished = bool(self.finished.any())

    @property
    def done(self) -> bool:
        """Whether nothing is left to write."""
        return self.position == self.symbols.shape[1] or (self.some_finished and bool(self.finished.all()))

    @property
    def read(self) -> Int[Tensor, "b t"]:
        """What stands, as a network can read it: rows that are over go on with a symbol that nobody sees."""
        return self.symbols[:, : self.position].clamp_min(0)

    @property
    def last(self) -> Int[Tensor, " b"]:
        """The newest symbols, to be read."""
        newest = self.symbols[:, self.position - 1]
        return newest.clamp_min(0) if self.some_finished else newest

    def memory(self, able: type = Memory) -> Any:
        """An empty memory for the rows, `able` to do what `remember` knows."""
        return remember(self.objective.network, len(self.symbols), self.shape, self.context, able)

    def add(self, logits: Float[Tensor, "b v"]) -> Int[Tensor, " b"]:
        """Decide the next column from its logits: given where the prompt goes on, -1 where a row is over, else picked."""
        i, rules = self.position, self.decoding.rules
        self.position += 1
        rows: Any = slice(None)
        if i < self.longest or self.some_finished:  # else every row draws: the common case pays for no look at them
            rows = ((self.symbols[:, i] < 0) & ~self.finished).nonzero()[:, 0]
            if not len(rows):
                return self.symbols[:, i]
        so_far, given = self.symbols[rows, : i + 1], self.given[rows]
        picked = self.decoding.pick(bend(rules, logits[rows], so_far[:, :i], given), self.draws[rows, i])
        self.symbols[rows, i] = so_far[:, i] = picked
        if (ended := over(rules, self.objective, so_far, given)) is not None:
            self.finished[rows] = ended
            self.some_finished = bool(self.finished.any())
        return self.symbols[:, i]


def rules_of(
    temperature: float = 1.0, top_k: int = 0, top_p: float = 1.0, min_p: float = 0.0, repetition_penalty: float = 1.0,
    presence_penalty: float = 0.0, frequency_penalty: float = 0.0, no_repeat_ngram_size: int = 0,
    sequence_bias: tuple[tuple[int, float], ...] = (), suppress_tokens: tuple[int, ...] = (),
) -> tuple[Rule, ...]:  # fmt: skip
    """The rules that these numbers ask for, in the order of transformers' GenerationConfig and by its names; the defaults ask for none.

    Arguments:
        temperature, top_k, top_p, min_p: of `Temperature`, `TopK` (0: all stay), `TopP`, `MinP`.
        repetition_penalty, presence_penalty, frequency_penalty, no_repeat_ngram_size: of the penalties.
        sequence_bias, suppress_tokens: of `LogitBias`, `Suppress`.
    """
    asked: list[tuple[bool, Any, Any]] = [
        (bool(sequence_bias), LogitBias, sequence_bias),
        (repetition_penalty != 1, RepetitionPenalty, repetition_penalty),
        (presence_penalty != 0, PresencePenalty, presence_penalty),
        (frequency_penalty != 0, FrequencyPenalty, frequency_penalty),
        (no_repeat_ngram_size != 0, NoRepeatNgram, no_repeat_ngram_size),
        (bool(suppress_tokens), Suppress, suppress_tokens),
        (temperature != 1, Temperature, temperature),
        (top_k != 0, TopK, top_k),
        (top_p != 1, TopP, top_p),
        (min_p != 0, MinP, min_p),
    ]
    return tuple(rule(value) for wanted, rule, value in asked if wanted)


def agreeing(rules: tuple[Rule, ...]) -> tuple[Rule, ...]:
    """The rules.

    Raises:
        ConfigError: for two of one kind, more new symbols at least than at most, or one that cuts the tail before another strikes symbols.
    """
    kinds = {type(rule): rule for rule in rules}
    if len(kinds) < len(rules):
        twice = next(rule for i, rule in enumerate(rules) if type(rule) in map(type, rules[:i]))
        raise ConfigError(f"{type(twice).__name__} is given twice: leave one out")
    bending = [rule for rule in rules if not isinstance(rule, Ending)]
    for first, second in itertools.pairwise(bending):
        if first.sharpens and not second.sharpens:
            raise ConfigError(f"{type(first).__name__} stands before {type(second).__name__}: put the rules that only sharpen last")
    least, most = kinds.get(MinNew), kinds.get(MaxNew)
    if isinstance(least, MinNew) and isinstance(most, MaxNew) and least.min_new_tokens > most.max_new_tokens:
        raise ConfigError(f"min_new_tokens={least.min_new_tokens} is above max_new_tokens={most.max_new_tokens}: give fewer or more")
    return rules


def unsharpened(rules: tuple[Rule, ...], who: str) -> tuple[Rule, ...]:
    """The rules. Errors: ConfigError for one that only sharpens what `who` does not draw from."""
    if idle := [rule for rule in rules if rule.sharpens]:
        raise ConfigError(f"{who} draws nothing, so that {type(idle[0]).__name__} says nothing: leave it out, or sample by ancestral")
    return rules


def over(rules: Sequence[Rule], objective: Any, so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Bool[Tensor, " b"] | None:
    """Rows that end with their newest symbol: it is the objective's `end`, or a rule says so. None: there is no such rule."""
    end = getattr(objective, "end", None)
    found = [rule.over(so_far, given) for rule in rules if type(rule).over is not Rule.over]
    if end is not None:
        found.append(so_far[:, -1] == end)
    return torch.stack(found).any(0) if found else None
