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
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Unsupported
from morphogen.families.autoregressive.processors import LogitsProcessor


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
        error = self._library.LLMatcher.validate_grammar(self.grammar, self._tokenizer)
        if not error:
            start = self._new_matcher()
            if not _allowed(start, self._ids).any() or start.is_error():
                error = "no token of the vocabulary can begin such a text"
        if error:
            raise ConfigError(f"{type(self).__name__} cannot be satisfied: {' '.join(error.split())}")

    @property
    @abstractmethod
    def grammar(self) -> str:
        """The language, as an llguidance grammar."""

    def __call__(
        self, logits: Float[Tensor, "b v"], token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]
    ) -> Float[Tensor, "b v"]:
        matchers = self._matchers(token_ids, prompt_length)
        allowed = np.stack([_allowed(matcher, self._ids) for matcher in matchers])[:, : logits.shape[1]]
        return logits.masked_fill(~torch.from_numpy(allowed).to(logits.device), -torch.inf)

    def finished(self, token_ids: Int[Tensor, "b t"], prompt_length: Int[Tensor, " b"]) -> Bool[Tensor, " b"]:
        ended = [matcher.is_stopped() for matcher in self._matchers(token_ids, prompt_length)]
        return torch.tensor(ended, device=token_ids.device)

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
        pieces = list(self.text.pieces)
        end = self._end
        pieces[end : end + 1] = [b"<end>"]
        return self._library.LLTokenizer(
            self._library.TokenizerWrapper(_ByteTokenizer(pieces, end)), n_vocab=len(pieces), slices=[]
        )

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
    """The generated text matches a regular expression, from its first token to its end.

    Arguments:
        regex: in the syntax of Rust's regex crate, without look-around and backreferences.
        text: see `Constraint`.
    """

    def __init__(self, regex: str, text: Any):
        self.regex = regex
        super().__init__(text)

    @property
    def grammar(self) -> str:
        return self._library.LLMatcher.grammar_from_regex(self.regex)


class JsonSchema(Constraint):
    """The generated text is one JSON value that satisfies a schema, without optional white space.

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
        super().__init__(text)

    @property
    def grammar(self) -> str:
        return self._library.LLMatcher.grammar_from_json_schema(
            self.json_schema, defaults={"whitespace_flexible": False}
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
