r"""Beam search: approximate search for the most likely sequence.

    score(x) = sum_i log p(x_i | x_<i) / n^alpha,     n: number of new tokens, the end token included

Each row keeps `width` running hypotheses. At each step every hypothesis is extended by every token, and the
most likely extensions are kept; finished hypotheses are stored with their score. A row stops when no running
hypothesis can exceed a finished one: log p only decreases, so the score of a hypothesis is at most its
current log p over the largest n. The bound is exact, and early stopping doesn't change the result. With a
beam that holds all hypotheses, the search is exhaustive.

References: The Harpy speech recognition system, Lowerre, 1976; length penalty alpha: Google's neural machine
translation system, Wu et al., 2016 (section 7; their (5 + n)^alpha / 6^alpha is n^alpha here, as in
transformers).
"""

__all__ = ["Beam"]

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Reorders, Sampler
from morphogen.families.autoregressive.cache import cache_for, prefill
from morphogen.families.autoregressive.decoding import (
    check_consistent,
    check_no_warpers,
    finished_rows,
    trimmed,
    within,
)
from morphogen.families.autoregressive.processors import LogitsProcessor, process_logits
from morphogen.families.autoregressive.stopping import prompt_tokens
from morphogen.families.autoregressive.window import sequence_length
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import unraster


class Beam(Sampler):
    """Beam search (Lowerre 1976): sample i is the hypothesis of rank i mod n_best of its prompt.

    Arguments:
        width: number of running hypotheses per row.
        length_penalty: alpha; 0 ranks by log p, 1 by the mean log p per token; larger values favour longer
            sequences.
        n_best: number of best hypotheses that the samples cycle through.
        processors: logits processors, applied before the log-softmax; warpers (temperature, top-k, top-p,
            min-p) are refused.

    Raises:
        ConfigError: if width is below 1, n_best is not in 1 .. width, or length_penalty is not finite.
    """

    requires = "token_log_probs"

    def __init__(
        self,
        width: int = 4,
        length_penalty: float = 1.0,
        n_best: int = 1,
        processors: LogitsProcessor | Sequence[LogitsProcessor] = (),
    ):
        self.width, self.length_penalty, self.n_best = width, length_penalty, n_best
        self.processors = check_no_warpers(check_consistent(processors), "Beam")
        if not 1 <= n_best <= width or not -torch.inf < length_penalty < torch.inf:
            raise ConfigError(
                f"Beam({width=}, {length_penalty=}, {n_best=}): "
                "use 1 <= n_best <= width and a finite length_penalty"
            )

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Int[Tensor, "b ..."]:
        self.check(objective)
        tokens, _ = self.search(objective, shape, context, rng)
        rank = (rng.rows % self.n_best).cpu()
        best = tokens[torch.arange(len(tokens)), rank]
        prompt = prompt_tokens(objective, context, len(rng), tokens.shape[2])
        best = trimmed(self.processors, best, (prompt >= 0).sum(1))
        return unraster(best, shape if len(shape) > 1 else tuple(best.shape[1:]))

    @torch.no_grad()
    def search(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> tuple[Int[Tensor, "b k n"], Float[Tensor, "b k"]]:
        """The `width` best hypotheses of each row, in descending order, and their scores.

        Hypotheses are padded with -1 after their end. The score is -inf where a row has fewer hypotheses.
        """
        rows, length = len(rng), sequence_length(self.processors, shape, context)
        prompt = prompt_tokens(objective, context, rows, length).to(rng.rows.device)
        beams = _Beams(self, prompt, length)
        first = int(beams.prompt_length.amin()) if rows else length
        if first < length:
            cache = cache_for(objective.predict, rows, shape, context, Reorders, length)
            logits = prefill(cache, prompt[:, :first])
            expanded = torch.arange(rows, device=prompt.device).repeat_interleave(self.width)
            cache.reorder(expanded)
            logits = logits[expanded]
        for i in range(first, length):
            parents = beams.extend(logits, i, objective)
            if i + 1 == length or beams.settled(i + 1):
                break
            cache.reorder(parents)
            logits = cache.step(beams.running.tokens[..., i].flatten().clamp_min(0))
        return beams.best()


class _Hypotheses(NamedTuple):
    """K hypotheses per row: tokens [B, K, N], and log p or score [B, K]; -inf marks an empty slot."""

    tokens: Tensor
    value: Tensor

    def top(self, k: int) -> tuple["_Hypotheses", Tensor]:
        """The k best hypotheses of each row, and their indices [B, k]."""
        value, index = self.value.topk(k, 1)
        tokens = self.tokens.gather(1, index[..., None].expand(-1, -1, self.tokens.shape[2]))
        return _Hypotheses(tokens, value), index


class _Beams:
    """Running and finished hypotheses of each row."""

    def __init__(self, beam: Beam, prompt: Tensor, length: int):
        rows, width = len(prompt), beam.width
        self.beam, self.length, self.prompt_length = beam, length, (prompt >= 0).sum(1)
        self.processors = within(beam.processors, length, self.prompt_length)
        self.prompt = torch.full((rows, length), -1, device=prompt.device)
        self.prompt[:, : prompt.shape[1]] = prompt
        empty = torch.full((rows, width), -torch.inf, device=prompt.device)
        self.running = _Hypotheses(
            self.prompt[:, None].repeat(1, width, 1),
            empty.index_fill(1, torch.tensor([0], device=prompt.device), 0.0),
        )
        self.finished = _Hypotheses(torch.full_like(self.running.tokens, -1), empty)

    def extend(self, logits: Tensor, i: int, objective: Any) -> Tensor:
        """Decide token i of every hypothesis from its logits [B K, V].

        Returns the cache rows [B K] of the hypotheses that were extended.
        """
        in_prompt, (rows, width) = self.prompt[:, i] >= 0, self.running.value.shape
        log_p, vocabulary = self._log_p(logits, i, ~in_prompt), logits.shape[-1]
        total = (self.running.value[..., None] + log_p.view(rows, width, -1)).flatten(1)
        value, index = total.topk(min(2 * width, total.shape[1]), 1)
        parent, token = index // vocabulary, index % vocabulary
        tokens = self.running.tokens.gather(1, parent[..., None].expand(-1, -1, self.length)).clone()
        tokens[..., i] = token
        ended = self._ended(tokens, value, i, objective)
        ended_value = value.masked_fill(~ended, -torch.inf)[:, :width]
        score = ended_value / self._new_tokens(i + 1)[:, None] ** self.beam.length_penalty
        self.finished, _ = _cat(self.finished, _Hypotheses(tokens[:, :width], score)).top(width)
        continued = _Hypotheses(tokens, value.masked_fill(ended, -torch.inf))
        running, index = _pad(continued, width).top(width)
        same = torch.arange(width, device=index.device).expand(rows, -1)
        parent = parent.gather(1, index.clamp_max(parent.shape[1] - 1))
        parent = torch.where(in_prompt[:, None], same, parent)
        self.running = _Hypotheses(
            torch.where(in_prompt[:, None, None], self.running.tokens, running.tokens),
            torch.where(in_prompt[:, None], self.running.value, running.value),
        )
        return (parent + width * torch.arange(rows, device=index.device)[:, None]).flatten()

    def settled(self, position: int) -> bool:
        """Whether no running hypothesis of any row can exceed its finished ones, or none is left."""
        largest_n = self._new_tokens(self.length if self.beam.length_penalty > 0 else position + 1)
        best = self.running.value[:, 0]
        bound = best / largest_n**self.beam.length_penalty
        return bool(((bound <= self.finished.value[:, -1]) | (best == -torch.inf)).all())

    def best(self) -> tuple[Tensor, Tensor]:
        """The best of the finished hypotheses and of those that fill the sequence, in descending order."""
        full = self.running.tokens[..., -1] >= 0 if self.length else self.running.value == 0
        score = self.running.value / self._new_tokens(self.length)[:, None] ** self.beam.length_penalty
        full_length = _Hypotheses(self.running.tokens, score.masked_fill(~full, -torch.inf))
        return _cat(self.finished, full_length).top(self.beam.width)[0]

    def _new_tokens(self, position: int) -> Tensor:
        """Number of new tokens per row after `position` columns; at least 1, for a full-length prompt."""
        return (position - self.prompt_length).clamp_min(1).to(self.running.value.dtype)

    def _log_p(self, logits: Tensor, i: int, generated: Tensor) -> Tensor:
        """log p of token i, [B K, V]; -inf for empty slots and for rows that are inside their prompt."""
        active = (generated[:, None] & (self.running.value > -torch.inf)).flatten().nonzero()[:, 0]
        prompt_length = self.prompt_length.repeat_interleave(self.beam.width)[active]
        log_p = torch.full(logits.shape, -torch.inf, device=logits.device)
        if len(active):
            token_ids = self.running.tokens.flatten(0, 1)[active, :i]
            processed = process_logits(self.processors, logits[active], token_ids, prompt_length)
            log_p[active] = processed.log_softmax(-1).float()
        return log_p

    def _ended(self, tokens: Tensor, value: Tensor, i: int, objective: Any) -> Tensor:
        """Mask of the extensions [B, C] that end with token i."""
        possible = (value > -torch.inf).flatten().nonzero()[:, 0]
        prompt_length = self.prompt_length.repeat_interleave(value.shape[1])[possible]
        ended = torch.zeros(value.numel(), dtype=torch.bool, device=value.device)
        if len(possible):
            token_ids = tokens.flatten(0, 1)[possible, : i + 1]
            rows = finished_rows(self.processors, objective, token_ids, prompt_length)
            if rows is not None:
                ended[possible] = rows
        return ended.view(value.shape)


def _cat(first: _Hypotheses, second: _Hypotheses) -> _Hypotheses:
    """The hypotheses of both, per row."""
    return _Hypotheses(torch.cat([first.tokens, second.tokens], 1), torch.cat([first.value, second.value], 1))


def _pad(hypotheses: _Hypotheses, width: int) -> _Hypotheses:
    """Pad with empty slots to at least `width` per row: a small vocabulary has fewer extensions."""
    missing = width - hypotheses.value.shape[1]
    if missing <= 0:
        return hypotheses
    tokens = torch.cat([hypotheses.tokens, hypotheses.tokens[:, :1].expand(-1, missing, -1)], 1)
    return _Hypotheses(tokens, torch.nn.functional.pad(hypotheses.value, (0, missing), value=-torch.inf))
