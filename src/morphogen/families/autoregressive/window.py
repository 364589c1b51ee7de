r"""Decoding beyond the window: the network sees the newest tokens, and the older ones are dropped.

    p(x_n | x_start(n) .. x_(n-1)),     start(n) = s ceil((n - W + 1) / s) from n = W on, 0 before it

A network of W positions predicts W tokens. When they are decided, the window moves on by s = W // 2 tokens,
so that the network always sees W - s to W - 1 of them. The tokens that are kept have new positions, for which
their features are computed again. As start(n) depends on the position alone, rows, batches, beams and drafts
see the same tokens, and nothing changes for sequences that fit into the window.

No paper: GPT-2's sampling code crops the text at every token, which costs a whole pass each.
"""

__all__ = ["SlidingCache", "sequence_length"]

from collections.abc import Callable, Sequence
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.contract import Context, Prefills
from morphogen.families.autoregressive.processors import LogitsProcessor
from morphogen.families.autoregressive.stopping import MaxNewTokens


def sequence_length(
    processors: Sequence[LogitsProcessor], shape: tuple[int, ...], context: Context | None
) -> int:
    """Largest number of tokens of a sequence: the window, or more for token sequences with `MaxNewTokens`.

    Arguments:
        processors: of the decoding method.
        shape: shape of one x, (W,) for token sequences.
        context: context of the rows, whose prompts count.
    """
    window = torch.Size(shape).numel()
    most = [each.max_new_tokens for each in processors if isinstance(each, MaxNewTokens)]
    if not most or len(shape) > 1:
        return window
    prompt = 0 if context is None or context.prefix is None else context.prefix.shape[1]
    return max(window, prompt + most[0])


class SlidingCache:
    """A decoding cache for sequences longer than the window; it implements the protocols of its parts.

    Arguments:
        make_cache: an empty cache of the network, (rows, context) -> cache.
        rows: batch size B.
        window: W.
        context: context of the B rows.
    """

    def __init__(
        self,
        make_cache: Callable[[int, Context | None], Any],
        rows: int,
        window: int,
        context: Context | None,
    ):
        self.make_cache, self.rows, self.window, self.context = make_cache, rows, window, context
        self.stride = max(1, window // 2)
        self.length = self.start = 0
        self.tokens: Tensor | None = None
        self.cache = make_cache(rows, context)
        self._fresh = True

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous token (None: at the first position); returns the logits of the next."""
        if previous is not None:
            return self.prefill(previous[:, None])[:, 0]
        self._fresh = False
        return self.cache.step(None)

    def prefill(self, tokens: Int[Tensor, "b t"]) -> Float[Tensor, "b t v"]:
        """Append T tokens; returns the logits after each of them."""
        known = tokens[:, :0] if self.tokens is None else self.tokens[:, : self.length]
        self.tokens, end, logits = torch.cat([known, tokens], 1), self.length + tokens.shape[1], []
        while self.length < end:
            first = self.length
            if (start := self._start(first + 1)) != self.start:
                self.start, first = start, start
                self.cache, self._fresh = self.make_cache(self.rows, self.context), True
            stop = min(end, start + self.window - 1)
            after = self._append(self.tokens[:, first:stop])
            logits.append(after[:, self.length - first :])
            self.length = stop
        return torch.cat(logits, 1)

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Replace row i by the former row rows[i]."""
        self.rows, self.context = len(rows), None if self.context is None else self.context[rows]
        self.tokens = None if self.tokens is None else self.tokens[rows]
        self.cache.reorder(rows)

    def truncate(self, length: int) -> None:
        """Keep the first `length` tokens."""
        self.length = length
        if length < self.start:
            self.start = -1  # the next token begins a new cache
        else:
            self.cache.truncate(length - self.start)

    def _start(self, count: int) -> int:
        """The first of `count` tokens that the network still sees."""
        return max(0, -(-(count - self.window + 1) // self.stride) * self.stride)

    def _append(self, tokens: Tensor) -> Tensor:
        """Logits after each of the tokens, in one pass if the cache supports it."""
        if isinstance(self.cache, Prefills):
            return self.cache.prefill(tokens)
        if self._fresh:
            self.cache.step(None)
        self._fresh = False
        return torch.stack([self.cache.step(previous) for previous in tokens.unbind(1)], 1)
