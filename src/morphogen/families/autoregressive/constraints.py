r"""Constrained decoding: generated text that matches a regular expression or a JSON schema.

    p(x_i = v | x_<i) > 0  only if some text of the language begins with x_(P+1) .. x_(i-1) v

All other tokens are excluded. The allowed tokens are computed by `llguidance` (extra `constraints`), a parser
that traverses the vocabulary as a prefix tree of bytes. Without an end token, a text ends when no token is
allowed. With an end token, it can also end by that token wherever the text is complete.

Reference: Efficient guided generation for large language models, Willard & Louf, 2023.
"""

__all__ = ["Constraint", "JsonSchema", "Regex"]

import json
from abc import abstractmethod
from collections.abc import Mapping
from copy import copy
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.caller import option
from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.families.autoregressive.closing import Completions
from morphogen.families.autoregressive.dialects import ascii_classes, standard_schema
from morphogen.families.autoregressive.processors import LogitsProcessor

REASONS = {  # of the parser, whose remedies are not ours
    "coerce_one_of": "a value may match several branches of a oneOf: write anyOf in its place, or give the "
    "branches different types, or a required property with different const values",
}


class Constraint(LogitsProcessor):
    """Base class of constraints: the generated text belongs to a language (Willard & Louf 2023).

    The prompt is not constrained. Parser states are stored by the generated tokens, not by the row, so rows
    may be reordered, repeated and truncated.

    Arguments:
        text: the text representation, whose `pieces` are the bytes of each token.

    Raises:
        ConfigError: if the language is invalid or empty, or if the vocabulary can't express it.
        Unsupported: if llguidance is not installed.
    """

    def __init__(self, text: Any):
        self.text = text
        if not hasattr(text, "pieces"):
            raise ConfigError(f"a constraint requires a text representation, not {type(text).__name__}")
        self._states: dict[tuple[int, ...], Any] = {}
        self._room: tuple[int, int | None] | None = None
        error = self._library.LLMatcher.validate_grammar(self.grammar, self._tokenizer)
        if not error:
            start = self._new_matcher()
            if not _allowed(start, self._ids).any() or start.is_error():
                error = "no token of the vocabulary can begin such a text"
        if error:
            reason = next(
                (text for found, text in REASONS.items() if found in error), " ".join(error.split())
            )
            raise ConfigError(f"{type(self).__name__} cannot be satisfied: {reason}")

    @property
    @abstractmethod
    def grammar(self) -> str:
        """The language, as an llguidance grammar."""

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        matchers = self._matchers(token_ids, prompt_length)
        rows = [_allowed(matcher, self._ids) for matcher in matchers]
        if self._room is not None:
            order = logits.argsort(dim=-1, descending=True, stable=True).cpu().numpy()
            left = self._remaining(token_ids, prompt_length)
            rows = [self._fitting(*row) for row in zip(matchers, rows, order, left, strict=True)]
        allowed = np.stack(rows)[:, : logits.shape[1]]
        return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)

    def finished(self, token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        rows = zip(
            self._matchers(token_ids, prompt_length), self._remaining(token_ids, prompt_length), strict=True
        )
        return torch.tensor([self._is_over(*row) for row in rows], device=token_ids.device)

    def within(
        self, length: int, max_new_tokens: int | None, prompt_length: Int[Tensor, " b"]
    ) -> "Constraint":
        bound = copy(self)
        bound._room, bound._states = (length, max_new_tokens), {}
        most = min(max_new_tokens or length, length - max(prompt_length.tolist(), default=0))
        start = self._new_matcher()
        if len(prompt_length) and not bound._can_begin(start, most):
            shortest = bound._completions.shortest(start, 4 * length + 1000)
            raise _too_short(f"{type(self).__name__}: {most} new tokens", shortest)
        return bound

    @cached_property
    def _completions(self) -> Completions:
        pieces = [*self.text.pieces, b""][: self._ids]
        return Completions(pieces, self._end, lambda matcher: _allowed(matcher, self._ids))

    def _remaining(self, token_ids: Tensor, prompt_length: Tensor) -> list[int]:
        """Number of tokens that each row may still have; unlimited outside of a batch."""
        if self._room is None:
            return [10**9] * len(token_ids)
        length, most = self._room
        new = [token_ids.shape[1] - prompt for prompt in prompt_length.tolist()]
        return [min(length - token_ids.shape[1], (most or length) - count) for count in new]

    def _can_begin(self, matcher: Any, most: int) -> bool:
        """Whether some token of the vocabulary leads to a text that fits."""
        count = self.text.vocabulary
        return bool(
            self._fitting(matcher, _allowed(matcher, self._ids), np.arange(count), most)[:count].any()
        )

    def _fitting(self, matcher: Any, allowed: Any, order: Any, most: int) -> Any:
        """The allowed tokens after which the text can be completed with the remaining ones."""
        if matcher.is_stopped():
            return allowed
        likely = np.append(order, self._end) if self._end >= len(order) else order
        return self._completions.fitting(matcher, allowed, likely, most)

    def _is_over(self, matcher: Any, most: int) -> bool:
        """Whether a text is complete, and cannot end by an end token or be continued and completed again."""
        if matcher.is_stopped() or self._room is None or getattr(self.text, "end", None) is not None:
            return matcher.is_stopped()
        return most > 0 and matcher.is_accepting() and not self._can_begin(matcher, most)

    @cached_property
    def _library(self) -> Any:
        try:
            import llguidance
        except ImportError:
            raise Unsupported(
                "constraints require llguidance: pip install 'morphogen[constraints]'"
            ) from None
        return llguidance

    @property
    def _end(self) -> int:
        """The end token; without one, the id after the last."""
        end = getattr(self.text, "end", None)
        return self.text.vocabulary if end is None else end

    @property
    def _ids(self) -> int:
        """Number of token ids, including the end token, which may be outside the vocabulary."""
        return max(self.text.vocabulary, self._end + 1)

    @cached_property
    def _tokenizer(self) -> Any:
        return _tokenizer(self._library, self.text.pieces, self._end)

    def _new_matcher(self) -> Any:
        """A parser of the language in its initial state."""
        return self._library.LLMatcher(self._tokenizer, self.grammar, log_level=0)

    def _matchers(self, token_ids: Tensor, prompt_length: Tensor) -> list[Any]:
        """The parser state of each row; states that these rows don't extend are discarded."""
        texts = [
            tuple(token for token in row[length:] if token >= 0)
            for row, length in zip(token_ids.tolist(), prompt_length.tolist(), strict=True)
        ]
        known = {**self._states}
        for text in texts:
            if text not in known:
                known[text] = self._advance(known.get(text[:-1]) if text else None, text)
        parents = {text[:-1]: known[text[:-1]] for text in texts if text[:-1] in known}
        self._states = {text: known[text] for text in texts} | parents
        return [known[text] for text in texts]

    def _advance(self, parent: Any, text: tuple[int, ...]) -> Any:
        """The parser state after a text, from that before its last token (None: from the start)."""
        matcher = self._new_matcher() if parent is None else parent.deep_copy()
        for token in text if parent is None else text[-1:]:
            if not matcher.consume_token(token):
                raise ConfigError(f"{type(self).__name__} does not allow token id {token} at this position")
        return matcher


class Regex(Constraint):
    r"""The generated text matches a regular expression, from its first token to its end.

    Arguments:
        regex: in the syntax of Rust's regex crate, without look-around and backreferences; \d, \w and \s
            are ASCII.
        text: see `Constraint`.
    """

    def __init__(self, regex: str, text: Any):
        self.regex = regex
        super().__init__(text)

    @property
    def grammar(self) -> str:
        return self._library.LLMatcher.grammar_from_regex(ascii_classes(self.regex))


class JsonSchema(Constraint):
    """The generated text is one JSON value that satisfies a schema, without optional white space.

    It closes within the tokens that remain. An unknown `format` is an annotation, which is ignored (`notes`).

    Arguments:
        json_schema: the JSON schema as a string, so that it can be saved with the configuration.
        text: see `Constraint`.
    """

    def __init__(self, json_schema: str, text: Any):
        self.json_schema = json_schema
        try:
            schema = json.loads(json_schema)
        except ValueError as error:
            raise ConfigError(f"the JSON schema is not valid JSON: {error}") from None
        if not isinstance(schema, Mapping):
            raise ConfigError(
                f"the JSON schema is {json.dumps(schema)[:40]}: use an object, such as {{'type': 'object'}}"
            )
        ignored: dict[str, None] = {}
        self._schema = json.dumps(standard_schema(schema, ignored))
        self.notes = tuple(f"format {name!r} is unknown, so that it is ignored" for name in ignored)
        super().__init__(text)

    @property
    def grammar(self) -> str:
        return self._library.LLMatcher.grammar_from_json_schema(
            self._schema, defaults={"whitespace_flexible": False}
        )


class _ByteTokenizer:
    """A tokenizer with the interface that llguidance expects."""

    bos_token_id = None

    def __init__(self, tokens: list[bytes], end: int):
        self.tokens, self.eos_token_id, self.special_token_ids = tokens, end, [end]
        self.ids = {piece: i for i, piece in reversed(list(enumerate(tokens))) if i != end}

    def __call__(self, text: bytes | str) -> list[int]:
        """Tokenize byte by byte; llguidance only needs some tokenization of literals in a grammar."""
        data = text if isinstance(text, bytes) else text.encode()
        return [self.ids[data[i : i + 1]] for i in range(len(data)) if data[i : i + 1] in self.ids]


def _allowed(matcher: Any, count: int) -> Any:
    """Mask of the ids allowed next, bool [count]."""
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    return np.pad(bits, (0, max(0, count - len(bits))))[:count].astype(bool)


def _too_short(budget: str, shortest: tuple[int, ...] | None) -> ConfigError:
    """The error of a budget that holds no valid text."""
    found = f"; the shortest that was found has {len(shortest)} tokens" if shortest else ""
    return ConfigError(
        f"{budget} cannot hold a text that satisfies it{found}: raise {option('max_new_tokens')}, "
        "or simplify the constraint"
    )


def _tokenizer(library: Any, pieces: Any, end: int) -> Any:
    """The parser's view of a vocabulary; an end token outside of it is added."""
    pieces = list(pieces)
    pieces[end : end + 1] = [b"<end>"]
    wrapped = library.TokenizerWrapper(_ByteTokenizer(pieces, end))
    return library.LLTokenizer(wrapped, n_vocab=len(pieces), slices=[])
