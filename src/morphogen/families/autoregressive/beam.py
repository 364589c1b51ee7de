r"""Beam search: the likeliest text rather than a likely one.

    score(x) = sum_i log p(x_i | x_<i) / n^alpha,     n: new symbols, the end among them

`width` beginnings stand side by side; each is continued by every symbol, and the likeliest of all continuations stay. Those that are over
wait apart with their score. A row stops when no beginning can overtake what waits: log p only falls, so that a beginning's best is its
log p now over the longest n (the bound is exact; stopping changes nothing). With a beam of all beginnings it is an exhaustive search.

Reference: The Harpy speech recognition system, Lowerre, 1976; the length penalty alpha: Google's neural machine translation system, Wu et
al., 2016 (section 7, whose (5 + n)^alpha / 6^alpha is n^alpha here, as in transformers).
"""

__all__ = ["Beam"]

from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler, Selects
from morphogen.families.autoregressive.cache import read, remember
from morphogen.families.autoregressive.decoding import agreeing, over, unsharpened
from morphogen.families.autoregressive.rules import Rule, bend
from morphogen.families.autoregressive.span import prompts
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import unraster


class Beam(Sampler):
    """The texts of the highest score that a beam finds (Lowerre 1976); sample i is the (i mod n_best)-th best of its prompt.

    Arguments:
        width: beginnings side by side.
        length_penalty: alpha; 0: the likeliest text, above 0: the likeliest per symbol, the more the longer.
        n_best: how many of them the samples go through.
        rules: applied to the logits, before they are log p; none that only sharpens.

    Raises:
        ConfigError: for a width below 1, or n_best above it.
    """

    def __init__(self, width: int = 4, length_penalty: float = 1.0, n_best: int = 1, rules: tuple[Rule, ...] = ()):
        self.width, self.length_penalty, self.n_best = width, length_penalty, n_best
        self.rules = unsharpened(agreeing(rules), "Beam")
        if not 1 <= n_best <= width or not -torch.inf < length_penalty < torch.inf:
            raise ConfigError(f"Beam({width=}, {length_penalty=}, {n_best=}): give 1 <= n_best <= width, and a number as length_penalty")

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Int[Tensor, "b ..."]:
        found, _ = self.search(objective, shape, context, rng)
        return unraster(found[torch.arange(len(found)), (rng.rows % self.n_best).cpu()], shape)

    @torch.no_grad()
    def search(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> tuple[Int[Tensor, "b k n"], Float[Tensor, "b k"]]:
        """All `width` texts of each row, the best first, -1 behind their ends; and their scores, -inf where there are fewer."""
        rows, length = len(rng), torch.Size(shape).numel()
        told = prompts(objective, context, rows, length).to(rng.rows.device)
        beams = _Beams(self, told, length)
        first = int(beams.given.amin()) if rows else length
        if first < length:
            memory = remember(objective.network, rows, shape, context, Selects)
            logits = read(memory, told[:, :first])
            spread = torch.arange(rows, device=told.device).repeat_interleave(self.width)
            memory.select(spread)
            logits = logits[spread]
        for i in range(first, length):
            parents = beams.extend(logits, i, objective)
            if i + 1 == length or beams.settled(i + 1):
                break
            memory.select(parents)
            logits = memory.step(beams.running.symbols[..., i].flatten().clamp_min(0))
        return beams.best()


class _Texts(NamedTuple):
    """K texts a row, [B, K, N], and their log p or score, [B, K]; -inf: there is none."""

    symbols: Tensor
    value: Tensor

    def top(self, k: int) -> tuple["_Texts", Tensor]:
        """The k best, and where they were."""
        value, place = self.value.topk(k, 1)
        return _Texts(self.symbols.gather(1, place[..., None].expand(-1, -1, self.symbols.shape[2])), value), place


class _Beams:
    """The beginnings of each row, and the texts that are over."""

    def __init__(self, beam: Beam, told: Tensor, length: int):
        rows, width = len(told), beam.width
        self.beam, self.length, self.given = beam, length, (told >= 0).sum(1)
        self.told = torch.full((rows, length), -1, device=told.device)
        self.told[:, : told.shape[1]] = told
        nothing = torch.full((rows, width), -torch.inf, device=told.device)
        self.running = _Texts(self.told[:, None].repeat(1, width, 1), nothing.index_fill(1, torch.tensor([0], device=told.device), 0.0))
        self.waiting = _Texts(torch.full_like(self.running.symbols, -1), nothing)

    def extend(self, logits: Tensor, i: int, objective: Any) -> Tensor:
        """Decide symbol i of every beginning from its logits [B K, V]; the rows of a memory [B K] that they went on from."""
        forced, (rows, width) = self.told[:, i] >= 0, self.running.value.shape
        log_p, vocabulary = self._log_p(logits, i, ~forced), logits.shape[-1]
        total = (self.running.value[..., None] + log_p.view(rows, width, -1)).flatten(1)
        found, place = total.topk(min(2 * width, total.shape[1]), 1)
        parent, symbol = place // vocabulary, place % vocabulary
        symbols = self.running.symbols.gather(1, parent[..., None].expand(-1, -1, self.length)).clone()
        symbols[..., i] = symbol
        ended = self._ended(symbols, found, i, objective)
        score = found.masked_fill(~ended, -torch.inf)[:, :width] / self._count(i + 1)[:, None] ** self.beam.length_penalty
        pool = _Texts(torch.cat([self.waiting.symbols, symbols[:, :width]], 1), torch.cat([self.waiting.value, score], 1))
        self.waiting, _ = pool.top(width)
        on, place = _padded(_Texts(symbols, found.masked_fill(ended, -torch.inf)), width).top(width)
        same = torch.arange(width, device=place.device).expand(rows, -1)
        parent = torch.where(forced[:, None], same, parent.gather(1, place.clamp_max(parent.shape[1] - 1)))
        keep = forced[:, None, None]
        self.running = _Texts(
            torch.where(keep, self.running.symbols, on.symbols), torch.where(forced[:, None], self.running.value, on.value)
        )
        return (parent + width * torch.arange(rows, device=place.device)[:, None]).flatten()

    def settled(self, position: int) -> bool:
        """Whether no beginning can overtake the texts that are over; at the end of the sequence nothing is left to run."""
        longest = self._count(self.length if self.beam.length_penalty > 0 else position + 1)
        bound = self.running.value[:, 0] / longest**self.beam.length_penalty
        return bool(((bound <= self.waiting.value[:, -1]) | (self.running.value[:, 0] == -torch.inf)).all())

    def best(self) -> tuple[Tensor, Tensor]:
        """The texts that are over and those that reached the end of the sequence, the best first."""
        full = self.running.symbols[..., -1] >= 0 if self.length else self.running.value == 0
        score = self.running.value / self._count(self.length)[:, None] ** self.beam.length_penalty
        score = score.masked_fill(~full, -torch.inf)
        both = _Texts(torch.cat([self.waiting.symbols, self.running.symbols], 1), torch.cat([self.waiting.value, score], 1))
        return both.top(self.beam.width)[0]

    def _count(self, position: int) -> Tensor:
        """New symbols of each row when `position` columns stand; 1 at least, for a prompt that fills the sequence."""
        return (position - self.given).clamp_min(1).to(self.running.value.dtype)

    def _log_p(self, logits: Tensor, i: int, drawn: Tensor) -> Tensor:
        """log p of the next symbols [B K, V], where a beginning runs and its row is not told what comes."""
        alive = (drawn[:, None] & (self.running.value > -torch.inf)).flatten().nonzero()[:, 0]
        given = self.given.repeat_interleave(self.beam.width)[alive]
        log_p = torch.full(logits.shape, -torch.inf, device=logits.device)
        if len(alive):
            bent = bend(self.beam.rules, logits[alive], self.running.symbols.flatten(0, 1)[alive, :i], given)
            log_p[alive] = bent.log_softmax(-1).float()
        return log_p

    def _ended(self, symbols: Tensor, found: Tensor, i: int, objective: Any) -> Tensor:
        """Which continuations [B, C] are over with symbol i."""
        there = (found > -torch.inf).flatten().nonzero()[:, 0]
        given = self.given.repeat_interleave(found.shape[1])[there]
        ended = torch.zeros(found.numel(), dtype=torch.bool, device=found.device)
        if len(there) and (rows := over(self.beam.rules, objective, symbols.flatten(0, 1)[there, : i + 1], given)) is not None:
            ended[there] = rows
        return ended.view(found.shape)


def _padded(texts: _Texts, width: int) -> _Texts:
    """At least `width` texts a row: a small vocabulary has fewer continuations."""
    missing = width - texts.value.shape[1]
    if missing <= 0:
        return texts
    symbols = torch.cat([texts.symbols, texts.symbols[:, :1].expand(-1, missing, -1)], 1)
    return _Texts(symbols, torch.nn.functional.pad(texts.value, (0, missing), value=-torch.inf))
