r"""Text as symbols: int64 ids [B, T], each the id of some bytes of the text, and how much of the text each stands for.

    Bytes          256 symbols, one a UTF-8 byte                                         any text; bits per byte
    Characters     the symbols of an alphabet, one a character                           texts of that alphabet; bits per character
    Tokens         pieces of several bytes, learned of a text (`tokenizer.Tokenizer`)    any text; bits per byte

The symbols of a row, put together, are the text, so the units of a row are the sum of its symbols' own,

    dims(x) = sum_i size(x_i),     size = 1 of a byte and of a character, the bytes of a piece, and 1 of the end symbol

and bits per dim are bits per byte whatever the pieces are: a window of 64 tokens counts the 200 bytes that it spells. The end
symbol, where there is one, counts as one byte, as the line end would that it stands for. A text can be cut into pieces in more
than one way and a model is asked for one, so p(x) <= p(text): the likelihood of tokens is a lower bound.

A row that ends early holds the end symbol and then -1, which is no symbol: it is not scored, and nothing is written for it.
"""

__all__ = ["Bytes", "Characters", "Text", "Tokens"]

from abc import abstractmethod
from collections.abc import Sequence
from functools import cached_property
from typing import Any

import numpy as np
import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.numerics.randomness import Rng
from morphogen.representations.tokenizer import Tokenizer


class Text(Representation):
    """Blocks of `length` symbols; the medium is the ids themselves, int64 [B, T], -1 behind the end of a row.

    Arguments:
        length: symbols of one block (the context of a language model).

    Attributes:
        vocabulary: V, how many symbols there are.
        pieces: the bytes that each symbol spells.
        end: the symbol that ends a text; None: texts are cut, not ended.
        unit: what `dims` counts, "byte" or "character".

    Raises ConfigError for a length below 1.
    """

    discrete = True
    medium_discrete = True
    vocabulary: int
    pieces: Sequence[bytes]
    end: int | None = None
    exact = True
    unit = "byte"

    def __init__(self, length: int):
        super().__init__()
        if length < 1:
            raise ConfigError(f"length {length}: a block needs at least one symbol")
        self.length, self.shape = length, (length,)
        self.register_buffer("sizes", self._sizes(), persistent=False)

    sizes: Int[Tensor, " v"]

    @abstractmethod
    def read(self, text: str) -> Int[Tensor, " l"]:
        """The ids of a text. Errors: ConfigError for a text that has none."""

    def ids(self, text: str) -> list[int]:
        """The ids of a text, as a list."""
        return self.read(text).tolist()

    def content(self, ids: Sequence[int]) -> bytes:
        """The bytes that ids spell, up to the first -1 or the end symbol. Errors: ConfigError for an id that is none."""
        stops = {-1, self.end}
        last = next((i for i, symbol in enumerate(ids) if symbol in stops), len(ids))
        if wrong := [symbol for symbol in ids[:last] if not 0 <= symbol < self.vocabulary]:
            raise ConfigError(f"id {wrong[0]}: there is no such symbol; ids go from 0 to {self.vocabulary - 1}")
        return b"".join([self.pieces[symbol] for symbol in ids[:last]])

    def words(self, ids: Sequence[int]) -> str:
        """The text that ids spell; bytes that are no UTF-8 (a window may begin inside a character) show as U+FFFD."""
        return self.content(ids).decode("utf8", errors="replace")

    def octets(self, medium: Int[Tensor, "b t"]) -> Int[Tensor, "b o"]:
        """The bytes that each row spells, -1 behind its last: where texts are compared whatever their symbols."""
        rows = [self.content(row) for row in medium.tolist()]
        found = torch.full((len(rows), max(map(len, rows), default=0)), -1)
        for row, content in zip(found, rows, strict=True):
            row[: len(content)] = torch.frombuffer(bytearray(content), dtype=torch.uint8) if content else row[:0]
        return found

    def count(self, medium: Int[Tensor, "b t"]) -> Int[Tensor, " b"]:
        """How many units of text each row stands for."""
        return (self.sizes[medium.clamp_min(0)] * (medium >= 0)).sum(1)

    def encode(self, medium: Int[Tensor, "b t"], rng: Rng) -> Encoded:
        dims = self.count(medium).float()
        return Encoded(medium, dims * 0, dims, self.exact, medium >= 0)

    def decode(self, x: Int[Tensor, "b t"]) -> Int[Tensor, "b t"]:
        return x

    def present(self, medium: Int[Tensor, "b t"]) -> list[Any]:
        """Strings."""
        return [self.words(row) for row in medium.tolist()]

    def _sizes(self) -> Tensor:
        return torch.ones(self.vocabulary, dtype=torch.int64)


class Bytes(Text):
    """UTF-8, one symbol a byte: any text of any language, and the yardstick of the others.

    Arguments:
        length: bytes of one block.
    """

    vocabulary = 256
    pieces = tuple(bytes([byte]) for byte in range(256))

    def read(self, text: str) -> Int[Tensor, " l"]:
        return torch.from_numpy(np.frombuffer(_utf8(text), np.uint8).astype(np.int64))


class Characters(Text):
    """One symbol a character of an alphabet; bits are per character.

    Arguments:
        alphabet: the characters, each once; `Characters.of(text, length)` takes those of a text.
        length: characters of one block.

    Raises ConfigError for an alphabet that is empty or names a character twice, and, when it reads, for a character outside.
    """

    unit = "character"

    def __init__(self, alphabet: str, length: int):
        if not alphabet or len(set(alphabet)) < len(alphabet):
            twice = next((c for i, c in enumerate(alphabet) if c in alphabet[:i]), "")
            why = f"has {twice!r} twice" if twice else "is empty"
            raise ConfigError(f"alphabet {alphabet[:20]!r} {why}; give each character once, as in Characters.of(text, length)")
        self.pieces = tuple(_utf8(character) for character in alphabet)
        self.alphabet, self.vocabulary = alphabet, len(alphabet)
        super().__init__(length)

    @classmethod
    def of(cls, text: str, length: int) -> "Characters":
        """With the characters of a text as the alphabet, in Unicode's order."""
        return cls("".join(sorted(set(text))), length)

    @cached_property
    def _places(self) -> tuple[np.ndarray, np.ndarray]:
        """The code points of the alphabet, ascending, and the id of each."""
        points = _code_points(self.alphabet)
        order = points.argsort()
        return points[order], order

    def read(self, text: str) -> Int[Tensor, " l"]:
        _utf8(text)
        asked, (points, ids) = _code_points(text), self._places
        place = points.searchsorted(asked).clip(max=len(points) - 1)
        if len(strange := (points[place] != asked).nonzero()[0]):
            unknown = text[strange[0]]
            raise ConfigError(
                f"{unknown!r} (U+{ord(unknown):04X}), character {strange[0]} of the text, is not in the alphabet of {self.vocabulary}; "
                "leave it out, or train on bytes or tokens, which spell any text"
            )
        return torch.from_numpy(ids[place].astype(np.int64))


class Tokens(Text):
    """Pieces of a tokenizer; bits are per byte, and an upper bound.

    Arguments:
        tokenizer: whose pieces; it is saved beside the config.
        length: tokens of one block.
    """

    exact = False

    def __init__(self, tokenizer: Tokenizer, length: int):
        self.tokenizer, self.pieces, self.vocabulary, self.end = tokenizer, tokenizer.pieces, len(tokenizer.pieces), tokenizer.last
        super().__init__(length)

    def read(self, text: str) -> Int[Tensor, " l"]:
        _utf8(text)
        return torch.tensor(self.tokenizer.ids(text), dtype=torch.int64)

    def _sizes(self) -> Tensor:
        sizes = torch.tensor([len(piece) for piece in self.pieces])
        if self.end is not None:
            sizes[self.end] = 1
        return sizes


def _utf8(text: str) -> bytes:
    """Errors: ConfigError for a half of a surrogate pair, which a str can hold and no text does."""
    try:
        return text.encode("utf8")
    except UnicodeEncodeError as error:
        half = f"U+{ord(text[error.start]):04X}"
        raise ConfigError(f"character {error.start} of the text is {half}, half of a pair, which is no UTF-8; leave it out") from None


def _code_points(text: str) -> np.ndarray:
    return np.frombuffer(text.encode("utf-32-le"), np.uint32)
