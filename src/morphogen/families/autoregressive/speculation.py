r"""Prompt-lookup speculation: a text that repeats itself is guessed from itself, and several guesses are read in one pass.

Where the last n symbols stood before, what followed them there is a guess of what follows now. One pass of the network over k guesses
gives the law of each of those places; guesses are kept as long as the decoder would have picked the same, for the first wrong one it
has the right symbol already, and the memory forgets the rest. As a draw is keyed by its position, this is exact for drawing as well as
for greedy decoding: the same symbols, in fewer passes.

References: Prompt lookup decoding, Saxena, 2023; Fast inference from transformers via speculative decoding, Leviathan, Kalman & Matias,
2023 (of which keyed draws are the coupled case).
"""

__all__ = ["PromptLookup"]

from collections.abc import Iterator
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Rewinds
from morphogen.families.autoregressive.cache import read
from morphogen.families.autoregressive.decoding import Decoding, Writing


class PromptLookup(Decoding):
    """`decoding`, with guesses looked up in the text so far (Saxena 2023). In a batch all rows go on by the shortest guess that held.

    Arguments:
        decoding: `Greedy`, `Ancestral`; what is written is what it writes.
        n: symbols that must have stood before, at most; fewer are tried down to one.
        k: guesses at a time.

    Raises ConfigError for numbers below 1.
    """

    def __init__(self, decoding: Decoding, n: int = 3, k: int = 10):
        super().__init__(decoding.rules)
        self.decoding, self.n, self.k = decoding, n, k
        if n < 1 or k < 1:
            raise ConfigError(f"PromptLookup({n=}, {k=}): give numbers of 1 or more")

    def pick(self, logits: Any, u: Any) -> Int[Tensor, " b"]:
        return self.decoding.pick(logits, u)

    def write(self, writing: Writing) -> Iterator[Int[Tensor, " b"]]:
        if writing.done:
            return
        memory = writing.memory(Rewinds)
        yield writing.add(read(memory, writing.read))
        while not writing.done:
            guess = self.guess(writing.symbols[:, : writing.position])[:, : writing.symbols.shape[1] - writing.position - 1]
            length = memory.length
            logits = memory.read(torch.cat([writing.last[:, None], guess.clamp_min(0)], 1))
            for j in range(guess.shape[1] + 1):
                column = writing.add(logits[:, j])
                yield column
                if writing.done:
                    return
                if j == guess.shape[1] or not bool(((column == guess[:, j]) | (column < 0)).all()):
                    memory.rewind(length + j + 1)
                    break

    def guess(self, so_far: Int[Tensor, "b t"]) -> Int[Tensor, "b k"]:
        """What followed the last symbols when they stood before, the latest time; -1 where they never did. k columns at most."""
        found = torch.full((len(so_far), self.k), -1, device=so_far.device)
        for row, symbols in enumerate(so_far.tolist()):
            follows = _follows(symbols, self.n)[: self.k] if symbols[-1] >= 0 else []
            found[row, : len(follows)] = torch.tensor(follows, dtype=torch.int64, device=so_far.device)
        return found[:, : int((found >= 0).any(0).sum())]


def _follows(symbols: list[int], n: int) -> list[int]:
    """What stands behind the latest earlier place of the longest ending of at most n symbols."""
    for size in range(min(n, len(symbols) - 1), 0, -1):
        last = symbols[-size:]
        for start in range(len(symbols) - size - 1, -1, -1):
            if symbols[start : start + size] == last:
                return symbols[start + size :]
    return []
