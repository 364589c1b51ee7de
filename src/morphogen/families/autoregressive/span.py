r"""Where a text begins and ends: prompts of any lengths, the end symbol, stop words, least and most new symbols.

    x = [x_1 .. x_P | x_(P+1) .. x_N  end  -1 .. -1]        given, drawn, over

Prompts of a batch are padded on the right with -1, and each row is drawn from where its own ends: nothing stands in front of anything, so
a row equals itself alone. No paper: what a text is on a page.
"""

__all__ = ["End", "Ending", "MaxNew", "MinNew", "Stop", "prompts"]

from abc import abstractmethod
from typing import Any, Protocol

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Unsupported
from morphogen.families.autoregressive.rules import Rule, known


class Ending(Rule):
    """A rule that ends rows and bends nothing."""

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        return logits

    @abstractmethod
    def over(self, so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Bool[Tensor, " b"]: ...


class End(Ending):
    """Over behind any of these symbols, beside the objective's own end.

    Arguments:
        symbols: their ids.
    """

    def __init__(self, symbols: tuple[int, ...]):
        self.symbols = symbols

    def over(self, so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        return torch.isin(so_far[:, -1], torch.tensor(self.symbols, device=so_far.device)) & (so_far.shape[1] > given)


class MaxNew(Ending):
    """Over after so many new symbols.

    Arguments:
        max_new_tokens: their number, 1 or more.
    """

    def __init__(self, max_new_tokens: int):
        self.max_new_tokens = max_new_tokens
        if max_new_tokens < 1:
            raise ConfigError(f"{max_new_tokens=}: give a number of 1 or more")

    def over(self, so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        return so_far.shape[1] - given >= self.max_new_tokens


class MinNew(Rule):
    """The end is forbidden until so many new symbols stand.

    Arguments:
        min_new_tokens: their number.
        symbols: the ids that end a text.
    """

    def __init__(self, min_new_tokens: int, symbols: tuple[int, ...]):
        self.min_new_tokens, self.symbols = min_new_tokens, symbols
        if min_new_tokens < 0 or not symbols:
            raise ConfigError(f"{min_new_tokens=}, {symbols=}: give a number of 0 or more, and the ids that end a text")

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        ends = torch.zeros_like(logits[0], dtype=torch.bool)
        ends[[known(symbol, logits) for symbol in self.symbols]] = True
        early = so_far.shape[1] - given < self.min_new_tokens
        return logits.masked_fill(ends & early[:, None], -torch.inf)


class Words(Protocol):
    """What knows the words that ids stand for: a text's representation."""

    def words(self, ids: list[int]) -> str:
        """The ids as text."""


class Stop(Ending):
    """Over as soon as the new text has one of these strings, which stays in it.

    Arguments:
        stop_strings: the strings.
        text: the representation, whose `words` are read; the strings may cross its symbols.
    """

    def __init__(self, stop_strings: tuple[str, ...], text: Any):
        self.stop_strings, self.text = stop_strings, text
        if not stop_strings or "" in stop_strings or not hasattr(text, "words"):
            raise ConfigError(f"{stop_strings=}: give one string or more, none of them empty, and the representation of a text")

    def over(self, so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        reach = 8 + max(len(string.encode()) for string in self.stop_strings)  # a symbol has a byte at least, but for a few special ones
        rows = zip(so_far.tolist(), given.tolist(), strict=True)
        tails = [self.text.words([symbol for symbol in row[count:][-reach:] if symbol >= 0]) for row, count in rows]
        return torch.tensor([any(string in tail for string in self.stop_strings) for tail in tails], device=so_far.device)


def prompts(objective: Any, context: Context | None, rows: int, length: int) -> Int[Tensor, "b p"]:
    """The given beginnings of `rows` sequences of `length` places, [B, P]; P is that of the longest, and 0 where nothing is given.

    Raises:
        Unsupported: for an objective that writes no symbols one after another.
        ConfigError: for another number of rows, a prompt longer than the sequence, an id that there is not, one behind the padding; for
            an empty one where the network has no start symbol to begin from.
    """
    if not hasattr(objective, "token_log_probs"):
        raise Unsupported(f"{type(objective).__name__} writes no symbols one after another; sample it by its own sampler")
    if context is None or context.prefix is None:
        return torch.zeros(rows, 0, dtype=torch.int64)
    prefix, vocabulary = context.prefix, getattr(objective, "vocabulary", None)
    if len(prefix) != rows:
        raise ConfigError(f"prompts of {len(prefix)} rows for {rows} samples: give one a sample")
    counts = (prefix >= 0).sum(1)
    longest = int(counts.amax()) if rows else 0
    if longest > length:
        raise ConfigError(f"the prompt of row {int(counts.argmax())} has {longest} symbols: must be at most {length}, the whole sequence")
    if vocabulary is not None and bool((prefix >= vocabulary).any()):
        raise ConfigError(f"the prompt has id {int(prefix.amax())}: the symbols are 0 to {vocabulary - 1}")
    if not torch.equal(prefix >= 0, torch.arange(prefix.shape[1], device=prefix.device) < counts[:, None]) or bool((prefix < -1).any()):
        raise ConfigError("a prompt has a negative id before its end: ids are 0 and more, and -1 stands behind a row's last alone")
    if rows and not int(counts.amin()) and getattr(objective.network, "start", 0) is None:
        raise ConfigError(f"the prompt of row {int(counts.argmin())} is empty, and this network has no start symbol: give one id or more")
    return prefix[:, :longest]
