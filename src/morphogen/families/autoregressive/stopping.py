r"""Prompts and stopping criteria: end tokens, stop strings, minimum and maximum number of new tokens.

    x = [x_1 .. x_P | x_(P+1) .. x_N  end  -1 .. -1]        prompt | generated tokens, padding

The prompts of a batch may differ in length. They are padded on the right with -1, and each row is generated
from the end of its own prompt. No padding precedes a token, so a row doesn't depend on the other rows of the
batch. No paper: these are conventions of text generation; names follow transformers' GenerationConfig.
"""

__all__ = [
    "EndTokens",
    "MaxNewTokens",
    "MinNewTokens",
    "StopStrings",
    "StoppingCriterion",
    "prompt_tokens",
    "spell",
]

from abc import abstractmethod
from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context
from morphogen.families.autoregressive.processors import LogitsProcessor, check_token_id


class StoppingCriterion(LogitsProcessor):
    """Base class of criteria that end rows and leave the logits unchanged."""

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        return logits

    @abstractmethod
    def finished(
        self, token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Bool[Tensor, " b"]: ...


class EndTokens(StoppingCriterion):
    """Stop after any of these tokens, in addition to the objective's `end`.

    Arguments:
        end_tokens: ids of the end tokens.
    """

    def __init__(self, end_tokens: tuple[int, ...]):
        self.end_tokens = end_tokens

    def finished(self, token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        is_end = torch.isin(token_ids[:, -1], torch.tensor(self.end_tokens, device=token_ids.device))
        return is_end & (token_ids.shape[1] > prompt_length)


class MaxNewTokens(StoppingCriterion):
    """Stop after a maximum number of new tokens, beyond the window if they do not fit into it.

    Arguments:
        max_new_tokens: maximum number of tokens after the prompt, at least 1.
    """

    def __init__(self, max_new_tokens: int):
        self.max_new_tokens = max_new_tokens
        if max_new_tokens < 1:
            raise ConfigError(f"{max_new_tokens=}: must be 1 or more")

    def finished(self, token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        return token_ids.shape[1] - prompt_length >= self.max_new_tokens


class MinNewTokens(LogitsProcessor):
    """Exclude the end tokens until a minimum number of new tokens is generated.

    Arguments:
        min_new_tokens: minimum number of tokens after the prompt.
        end_tokens: ids of the end tokens.
    """

    def __init__(self, min_new_tokens: int, end_tokens: tuple[int, ...]):
        self.min_new_tokens, self.end_tokens = min_new_tokens, end_tokens
        if min_new_tokens < 0 or not end_tokens:
            raise ConfigError(
                f"{min_new_tokens=}, {end_tokens=}: must be 0 or more, and at least one end token id"
            )

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        is_end = torch.zeros_like(logits[0], dtype=torch.bool)
        is_end[[check_token_id(token, logits) for token in self.end_tokens]] = True
        too_short = token_ids.shape[1] - prompt_length < self.min_new_tokens
        return logits.masked_fill(is_end & too_short[:, None], -torch.inf)


class StopStrings(StoppingCriterion):
    """Stop at the first of these strings in the generated text; it is left out, and all that follows it.

    Where a string begins inside a token, the bytes of the token before it are spelled by other tokens.

    Arguments:
        stop_strings: the strings; they may begin and end anywhere in a token, and span several.
        text: the text representation, whose `pieces` are the bytes of each token.
    """

    def __init__(self, stop_strings: tuple[str, ...], text: Any):
        self.stop_strings, self.text = stop_strings, text
        if not stop_strings or "" in stop_strings or not hasattr(text, "pieces"):
            raise ConfigError(
                f"{stop_strings=}, text={type(text).__name__}: "
                "pass one or more non-empty strings and a text representation"
            )
        self._bytes = [string.encode() for string in stop_strings]
        self._longest = max(map(len, text.pieces))

    def finished(self, token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        # a token has one byte at least, except for a few special tokens
        window = 8 + max(map(len, self._bytes))
        rows = zip(token_ids.tolist(), prompt_length.tolist(), strict=True)
        endings = [b"".join(self._pieces(row[length:][-window:])) for row, length in rows]
        contains = [any(string in ending for string in self._bytes) for ending in endings]
        return torch.tensor(contains, device=token_ids.device)

    def trim(self, token_ids: Int[Tensor, "b n"], prompt_length: Int[Tensor, " b"]) -> Int[Tensor, "b m"]:
        # other tokens may be more tokens: their number is bounded by the bytes of the one that they replace
        rows, width = token_ids.tolist(), token_ids.shape[1] + max(0, self._longest - 2)
        cut = [
            row[:length] + self._cut([token for token in row[length:] if token >= 0])
            for row, length in zip(rows, prompt_length.tolist(), strict=True)
        ]
        padded = [row + [-1] * (width - len(row)) for row in cut]
        return torch.tensor(padded, dtype=token_ids.dtype, device=token_ids.device).view(len(rows), width)

    def _pieces(self, ids: Sequence[int]) -> list[bytes]:
        """The bytes of each token; b"" for padding and the end."""
        end = getattr(self.text, "end", None)
        return [b"" if token < 0 or token == end else self.text.pieces[token] for token in ids]

    def _cut(self, ids: list[int]) -> list[int]:
        """The ids of the text before the first stop string."""
        pieces = self._pieces(ids)
        content = b"".join(pieces)
        places = [at for string in self._bytes if (at := content.find(string)) >= 0]
        if not places:
            return ids
        kept, rest = 0, min(places)
        while len(pieces[kept]) <= rest:
            rest -= len(pieces[kept])
            kept += 1
        return ids[:kept] + spell(pieces[kept][:rest], self._ids)

    @cached_property
    def _ids(self) -> dict[bytes, int]:
        """The lowest id of each piece."""
        end = getattr(self.text, "end", None)
        return {piece: i for i, piece in reversed(list(enumerate(self.text.pieces))) if piece and i != end}


def spell(content: bytes, ids: Mapping[bytes, int]) -> list[int]:
    """The fewest tokens that spell the bytes; [] if no tokens do.

    Arguments:
        content: the bytes.
        ids: the token id of each piece.
    """
    longest = max(map(len, ids), default=0)
    best: list[list[int] | None] = [[]]
    for end in range(1, len(content) + 1):
        found = [
            [*before, ids[piece]]
            for start in range(max(0, end - longest), end)
            if (piece := content[start:end]) in ids and (before := best[start]) is not None
        ]
        best.append(min(found, key=len, default=None))
    return best[-1] or []


def prompt_tokens(objective: Any, context: Context | None, rows: int, length: int) -> Int[Tensor, "b p"]:
    """The validated prompts of `rows` sequences of at most `length` tokens, [B, P]; P is the longest, or 0.

    Raises:
        ConfigError: if the number of prompts differs from `rows`, if a prompt is longer than the sequence,
            has an id outside the vocabulary or has ids after padding, or if it is empty and the network has
            no start token.
    """
    if context is None or context.prefix is None:
        return torch.zeros(rows, 0, dtype=torch.int64)
    prefix, vocabulary = context.prefix, getattr(objective, "vocabulary", None)
    if len(prefix) != rows:
        raise ConfigError(f"prompts of {len(prefix)} rows for {rows} samples: pass one prompt per sample")
    lengths = (prefix >= 0).sum(1)
    longest = int(lengths.amax()) if rows else 0
    if longest > length:
        raise ConfigError(
            f"the prompt of row {int(lengths.argmax())} has {longest} tokens: "
            f"must be at most {length}, the sequence length; shorten it, or continue it with "
            "sampler=Ancestral(MaxNewTokens(100))"
        )
    if vocabulary is not None and bool((prefix >= vocabulary).any()):
        raise ConfigError(f"the prompt has token id {int(prefix.amax())}: ids must be 0 to {vocabulary - 1}")
    right_padded = torch.arange(prefix.shape[1], device=prefix.device) < lengths[:, None]
    if not torch.equal(prefix >= 0, right_padded) or bool((prefix < -1).any()):
        raise ConfigError(
            "a prompt has a negative id before its end: ids must be 0 or more, with padding -1 on the right"
        )
    if rows and not int(lengths.amin()) and getattr(objective.network, "start", 0) is None:
        raise ConfigError(
            f"the prompt of row {int(lengths.argmin())} is empty, and the network has no start token: "
            "pass one id or more"
        )
    return prefix[:, :longest]
