r"""Text as token ids, int64 [B, T]; each token spells one or more bytes of the text.

    Bytes         256 tokens, one per UTF-8 byte                               any text; bits per byte
    Characters    one token per character of an alphabet                       texts in it; bits per character
    Tokens        pieces of several bytes, learned from texts (`Tokenizer`)    any text; bits per byte

The tokens of a row concatenate to its text, so the number of units (bytes or characters) of a row is the sum
over its tokens,

    dims(x) = sum_i size(x_i),     size = 1 (byte, character, end token) or the bytes of the piece

and bits/dim are bits per byte whatever the tokenizer: a window of 64 tokens that spells 200 bytes has 200
dims. The end token counts as one byte, like the newline that it replaces. A text can be split into pieces in
more than one way, and a model gives the probability of one of them, so p(x) <= p(text): the likelihood of
`Tokens` is a lower bound.

A row that ends early has the end token and then padding of -1, which is neither scored nor decoded.
"""

__all__ = ["Bytes", "Characters", "Text", "Tokens"]

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import ConditionSpec, Encoded, Representation
from morphogen.media.text import TEXT
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import check_shape, tensor_of
from morphogen.representations.tokenizer import Tokenizer


class Text(Representation, ConditionSpec):
    """Base class of text representations: windows of `length` tokens.

    The medium is the ids themselves, int64 [B, T], padded with -1.

    Arguments:
        length: tokens per window (the context of a language model).

    Attributes:
        vocabulary: V, the number of tokens.
        pieces: the bytes that each token spells.
        end: id of the end token; None: there is none, and a text is cut into windows without an end.
        unit: the unit of `dims`, "byte" or "character".
        space_prefix: whether the first token of a text spells a space that is not part of the text.

    Raises ConfigError for a length below 1.
    """

    plural, medium = "texts", TEXT
    discrete = True
    medium_discrete = True
    vocabulary: int
    pieces: Sequence[bytes]
    end: int | None = None
    exact = True
    space_prefix = False

    def __init__(self, length: int):
        super().__init__()
        if length < 1:
            raise ConfigError(f"length {length}: a window needs at least one token")
        self.length, self.shape = length, (length,)
        self.register_buffer("sizes", self._sizes(), persistent=False)

    sizes: Int[Tensor, " v"]

    @abstractmethod
    def tokenize(self, text: str) -> Int[Tensor, " l"]:
        """The ids of a text. Errors: ConfigError for a text that cannot be tokenized."""

    def parse(self, text: str) -> Int[Tensor, " l"]:
        return self.tokenize(text)

    def stack(self, rows: Sequence[Any]) -> Int[Tensor, "b t"]:
        return nn.utils.rnn.pad_sequence(list(rows), batch_first=True, padding_value=-1)

    def ids(self, text: str) -> list[int]:
        """The ids of a text, as a list."""
        return self.tokenize(text).tolist()

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        """The bytes of the ids up to the first -1 or end token. Errors: ConfigError for an invalid id."""
        stops = {-1, self.end}
        end = next((i for i, token in enumerate(ids) if token in stops), len(ids))
        if invalid := [token for token in ids[:end] if not 0 <= token < self.vocabulary]:
            raise ConfigError(f"id {invalid[0]}: no such token; ids range from 0 to {self.vocabulary - 1}")
        return b"".join([self.pieces[token] for token in ids[:end]])

    def detokenize(self, ids: Sequence[int]) -> str:
        """The text that ids spell; invalid UTF-8 (a window may start inside a character) becomes U+FFFD."""
        return self.decode_bytes(ids).decode("utf8", errors="replace")

    def utf8_bytes(self, medium: Int[Tensor, "b t"]) -> Int[Tensor, "b o"]:
        """The bytes that each row spells, padded with -1, to compare texts of different tokenizers."""
        rows = [self.decode_bytes(row) for row in medium.tolist()]
        padded = torch.full((len(rows), max(map(len, rows), default=0)), -1)
        for row, content in zip(padded, rows, strict=True):
            if content:
                row[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8)
        return padded

    def count(self, medium: Int[Tensor, "b t"]) -> Int[Tensor, " b"]:
        """Number of units (bytes or characters) that each row spells."""
        return (self.sizes[medium.clamp_min(0)] * (medium >= 0)).sum(1)

    def check(self, medium: Any) -> Int[Tensor, "b t"]:
        """Token ids, or texts, which are tokenized and padded with -1. Errors: ConfigError."""
        ids = tensor_of(self.read(medium), "texts")
        if ids.dtype not in (torch.int64, torch.int32, torch.int16, torch.uint8):
            raise ConfigError(f"texts are {ids.dtype}: give token ids, integers [N, T], or texts")
        check_shape(ids, (None,), "texts")
        if not ids.shape[1]:
            raise ConfigError("texts are all empty: give texts of one token or more")
        if int(ids.min()) < -1 or int(ids.max()) >= self.vocabulary:
            raise ConfigError(
                f"texts have ids from {int(ids.min())} to {int(ids.max())}, the model takes 0 to "
                f"{self.vocabulary - 1}, and -1 after the end: tokenize with the model's representation"
            )
        return ids.long()

    def encode(self, medium: Int[Tensor, "b t"], rng: Rng, measure: bool = True) -> Encoded:
        dims, valid = self.count(medium).float(), medium >= 0
        return Encoded(medium, dims * 0, dims, self.exact, None if bool(valid.all()) else valid)

    def decode(self, x: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        return x

    def present(self, medium: Int[Tensor, "b t"]) -> list[Any]:
        """A string per row."""
        return [self.detokenize(row) for row in medium.tolist()]

    def _sizes(self) -> Tensor:
        return torch.ones(self.vocabulary, dtype=torch.int64)


class Bytes(Text):
    """Byte-level text: one token per UTF-8 byte, for any language.

    Arguments:
        length: bytes per window.
    """

    vocabulary = 256
    pieces = tuple(bytes([byte]) for byte in range(256))

    def tokenize(self, text: str) -> Int[Tensor, " l"]:
        return torch.from_numpy(np.frombuffer(_utf8(text), np.uint8).astype(np.int64))


class Characters(Text):
    """Character-level text: one token per character of an alphabet; bits are per character.

    Arguments:
        alphabet: the characters, each once; `Characters.of(text, length)` takes those of a text.
        length: characters per window.

    Raises ConfigError for an alphabet that is empty or has a duplicate, and, in `tokenize`, for a character
    outside of it.
    """

    unit = "character"

    def __init__(self, alphabet: str, length: int):
        if not alphabet or len(set(alphabet)) < len(alphabet):
            duplicate = next((c for i, c in enumerate(alphabet) if c in alphabet[:i]), "")
            why = f"has {duplicate!r} twice" if duplicate else "is empty"
            raise ConfigError(
                f"alphabet {alphabet[:20]!r} {why}; "
                "give each character once, or use Characters.of(text, length)"
            )
        self.pieces = tuple(_utf8(character) for character in alphabet)
        self.alphabet, self.vocabulary = alphabet, len(alphabet)
        super().__init__(length)

    @classmethod
    def of(cls, text: str, length: int) -> "Characters":
        """Take the characters of a text as the alphabet, in the order of their code points."""
        return cls("".join(sorted(set(text))), length)

    @cached_property
    def _lookup(self) -> tuple[np.ndarray, np.ndarray]:
        """The code points of the alphabet in ascending order, and the id of each."""
        points = _code_points(self.alphabet)
        order = points.argsort()
        return points[order], order

    def tokenize(self, text: str) -> Int[Tensor, " l"]:
        _utf8(text)
        characters, (points, ids) = _code_points(text), self._lookup
        index = points.searchsorted(characters).clip(max=len(points) - 1)
        if len(mismatches := (points[index] != characters).nonzero()[0]):
            unknown = text[mismatches[0]]
            raise ConfigError(
                f"{unknown!r} (U+{ord(unknown):04X}), character {mismatches[0]} of the text, is not one of "
                f"the {self.vocabulary} characters of the alphabet; remove it, or use bytes or bpe, which "
                "take any text"
            )
        return torch.from_numpy(ids[index].astype(np.int64))


class Tokens(Text):
    """Sub-word text: the pieces of a tokenizer; bits are per byte, and an upper bound.

    Arguments:
        tokenizer: its file is saved next to the config.
        length: tokens per window.
    """

    exact = False

    def __init__(self, tokenizer: Tokenizer, length: int):
        self.tokenizer, self.pieces, self.end = tokenizer, tokenizer.pieces, tokenizer.end_id
        self.vocabulary, self.space_prefix = len(tokenizer.pieces), tokenizer.space_prefix
        super().__init__(length)

    def tokenize(self, text: str) -> Int[Tensor, " l"]:
        _utf8(text)
        return torch.tensor(self.tokenizer.ids(text), dtype=torch.int64)

    def decode_bytes(self, ids: Sequence[int]) -> bytes:
        spelled = super().decode_bytes(ids)
        return spelled.removeprefix(b" ") if self.space_prefix else spelled

    def _sizes(self) -> Tensor:
        sizes = torch.tensor([len(piece) for piece in self.pieces])
        if self.end is not None:
            sizes[self.end] = 1
        return sizes


def _utf8(text: str) -> bytes:
    """Encode as UTF-8. Errors: ConfigError for an unpaired surrogate, valid in a str but not in UTF-8."""
    try:
        return text.encode("utf8")
    except UnicodeEncodeError as error:
        surrogate = f"U+{ord(text[error.start]):04X}"
        raise ConfigError(
            f"character {error.start} of the text is {surrogate}, an unpaired surrogate; remove it, "
            "because UTF-8 cannot encode it"
        ) from None


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)
