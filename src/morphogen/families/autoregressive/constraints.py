r"""Constraints: only texts of a regular language, or JSON of a schema, by striking out every symbol that would leave it.

    p(x_i = v | x_<i) > 0  only if some text of the language begins with x_(P+1) .. x_(i-1) v

What may follow is computed by `llguidance` (extra `constraints`), a parser that walks the vocabulary as a tree of bytes. A text without an
end symbol is over when nothing may follow; one with an end symbol also when it is drawn where the text is complete.

Reference: Efficient guided generation for large language models, Willard & Louf, 2023.
"""

__all__ = ["Constraint", "JsonSchema", "Regex"]

import json
from abc import abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.families.autoregressive.rules import Rule


class Constraint(Rule):
    """What is drawn is a text of a language (Willard & Louf 2023); the prompt is free.

    How far each row has come is remembered by what stands in it, not by its place: rows may be reordered, repeated and shortened.

    Arguments:
        text: the representation, whose `pieces` are the bytes of each symbol.

    Raises:
        ConfigError: for a language that cannot be read, that is empty, or that the symbols cannot write.
        Unsupported: where llguidance is not installed.
    """

    def __init__(self, text: Any):
        self.text = text
        if not hasattr(text, "pieces"):
            raise ConfigError(f"a constraint needs the representation of a text, not {type(text).__name__}")
        self._read: dict[tuple[int, ...], Any] = {}
        fault = self._library.LLMatcher.validate_grammar(self.grammar, self._vocabulary)
        if not fault:
            first = self._begin()
            fault = "" if _allowed(first, self._symbols).any() and not first.is_error() else "the symbols of this text cannot write it"
        if fault:
            raise ConfigError(f"{type(self).__name__} cannot be met: {' '.join(fault.split())}")

    @property
    @abstractmethod
    def grammar(self) -> str:
        """The language, as llguidance writes it."""

    def __call__(self, logits: Float[Tensor, "b v"], so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Float[Tensor, "b v"]:
        matchers = self._matchers(so_far, given)
        allowed = np.stack([_allowed(matcher, self._symbols) for matcher in matchers])[:, : logits.shape[1]]
        return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)

    def over(self, so_far: Int[Tensor, "b t"], given: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        ended = [matcher.is_stopped() for matcher in self._matchers(so_far, given)]
        return torch.tensor(ended, device=so_far.device)

    @cached_property
    def _library(self) -> Any:
        try:
            import llguidance
        except ImportError:
            raise Unsupported("constraints need llguidance: pip install 'morphogen[constraints]'") from None
        return llguidance

    @property
    def _end(self) -> int:
        """The id that ends a text; one past the last where there is none."""
        end = getattr(self.text, "end", None)
        return self.text.vocabulary if end is None else end

    @property
    def _symbols(self) -> int:
        """How many ids there are, the end among them wherever it stands."""
        return max(self.text.vocabulary, self._end + 1)

    @cached_property
    def _vocabulary(self) -> Any:
        spellings = list(self.text.pieces)
        end = self._end
        spellings[end : end + 1] = [b"<end>"]
        return self._library.LLTokenizer(self._library.TokenizerWrapper(_Spelled(spellings, end)), n_vocab=len(spellings), slices=[])

    def _begin(self) -> Any:
        return self._library.LLMatcher(self._vocabulary, self.grammar, log_level=0)

    def _matchers(self, so_far: Tensor, given: Tensor) -> list[Any]:
        """How far each row has come; of texts met before only those that these rows go on from are remembered."""
        texts = [tuple(symbol for symbol in row[count:] if symbol >= 0) for row, count in zip(so_far.tolist(), given.tolist(), strict=True)]
        known = {**self._read}
        for text in texts:
            if text not in known:
                known[text] = self._after(known.get(text[:-1]) if text else None, text)
        self._read = {text: known[text] for text in texts} | {text[:-1]: known[text[:-1]] for text in texts if text[:-1] in known}
        return [known[text] for text in texts]

    def _after(self, before: Any, text: tuple[int, ...]) -> Any:
        """The matcher behind a text, from the one before its last symbol if there is one."""
        matcher = self._begin() if before is None else before.deep_copy()
        for symbol in text if before is None else text[-1:]:
            if not matcher.consume_token(symbol):
                raise ConfigError(f"id {symbol} is not allowed by the {type(self).__name__} here")
        return matcher


class Regex(Constraint):
    """All that is drawn matches a regular expression, from its first symbol on.

    Arguments:
        regex: in the syntax of Rust's regex; no look-around, no references.
        text: as of `Constraint`.
    """

    def __init__(self, regex: str, text: Any):
        self.regex = regex
        super().__init__(text)

    @property
    def grammar(self) -> str:
        return self._library.LLMatcher.grammar_from_regex(self.regex)


class JsonSchema(Constraint):
    """All that is drawn is one JSON value of a schema, without white space between its parts.

    Arguments:
        json_schema: the schema, JSON itself; written as text, since a schema is data of its own.
        text: as of `Constraint`.
    """

    def __init__(self, json_schema: str, text: Any):
        self.json_schema = json_schema
        try:
            schema = json.loads(json_schema)
        except ValueError as error:
            raise ConfigError(f"the JSON schema is no JSON: {error}") from None
        if not isinstance(schema, Mapping):
            raise ConfigError(f"the JSON schema is {json.dumps(schema)[:40]}: give an object, as {{'type': 'object'}}")
        super().__init__(text)

    @property
    def grammar(self) -> str:
        return self._library.LLMatcher.grammar_from_json_schema(self.json_schema, defaults={"whitespace_flexible": False})


class _Spelled:
    """A vocabulary as llguidance asks for it."""

    bos_token_id = None

    def __init__(self, tokens: list[bytes], end: int):
        self.tokens, self.eos_token_id, self.special_token_ids = tokens, end, [end]
        self.ids = {spelling: i for i, spelling in reversed(list(enumerate(tokens))) if i != end}

    def __call__(self, text: bytes | str) -> list[int]:
        """Any spelling will do: it is only asked for what a grammar names outright."""
        data = text if isinstance(text, bytes) else text.encode()
        return [self.ids[data[i : i + 1]] for i in range(len(data)) if data[i : i + 1] in self.ids]


def _allowed(matcher: Any, count: int) -> Any:
    """Which of `count` ids may stand next, bool [count]."""
    bits = np.unpackbits(np.frombuffer(matcher.compute_bitmask(), np.uint8), bitorder="little")
    return np.pad(bits, (0, max(0, count - len(bits))))[:count].astype(bool)
