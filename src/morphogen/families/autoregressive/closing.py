r"""Shortest completions of a constrained text, so that it closes within the remaining tokens.

    v is allowed after x_<i  if  some completion c of x_<i v has at most r - 1 tokens,

r: tokens that remain, the i-th included. Completions that were found once are tried again, because most
tokens do not change how a text ends. New ones are found by breadth-first search over single characters, in
which states that allow the same tokens and continue with the same forced text are merged. The parser checks
every completion, so the merging can only miss a shorter one.

No paper: this is a search for the shortest word of a language after a prefix.
"""

__all__ = ["Completions"]

from collections.abc import Sequence
from typing import Any

import numpy as np

from morphogen.families.autoregressive.stopping import spell

TRIED = 64  # completions that are remembered
STATES = 8_000, 30_000  # parser states visited by one search over plain characters, and over all
EXAMINED = 512  # most likely tokens that are examined in a large vocabulary


class Completions:
    """Short completions of the texts of a language.

    Arguments:
        pieces: the bytes of each token.
        end: id of the end token of the parser.
        allowed: the mask of the ids that a parser state allows.
    """

    def __init__(self, pieces: Sequence[bytes], end: int, allowed: Any):
        self.pieces, self.end, self.allowed = pieces, end, allowed
        self.ids = {piece: i for i, piece in reversed(list(enumerate(pieces))) if piece and i != end}
        single = [i for piece, i in self.ids.items() if len(piece) == 1]
        characters = [i for piece, i in self.ids.items() if 1 < len(piece) < 5 and _is_character(piece)]
        letters = sorted(single if len(single) == 256 else [*single, *characters])
        plain = [i for i in letters if pieces[i].isascii() and pieces[i] != b"\\"]
        self.alphabets = [np.array(ids, dtype=np.int64) for ids in (plain, letters)]
        self.longest = max(map(len, self.ids), default=1)
        self.known: list[tuple[int, ...]] = []
        self.failed: dict[tuple[bytes, int], int] = {}  # the largest number of tokens that was not enough

    def shortest(self, state: Any, most: int) -> tuple[int, ...] | None:
        """A completion of at most `most` tokens; None if none is found."""
        for completion in self.known:
            if len(completion) <= most and self.completes(state, completion):
                return completion
        found = self._search(state, most)
        if found is not None:
            self.remember(found)
        return found

    def completes(self, state: Any, tokens: Sequence[int]) -> bool:
        """Whether the text is complete after these tokens."""
        if not tokens:
            return state.is_accepting()  # a stopped parser accepts no end token
        return state.validate_tokens([*tokens, self.end]) == len(tokens) + 1

    def remember(self, completion: tuple[int, ...]) -> None:
        """Try this completion first."""
        if completion in self.known:
            self.known.remove(completion)
        self.known = [completion, *self.known[: TRIED - 1]]

    def fitting(self, state: Any, allowed: np.ndarray, likely: np.ndarray, most: int) -> np.ndarray:
        """The allowed tokens after which a completion of fewer than `most` tokens remains.

        Arguments:
            state: of the parser.
            allowed: mask of the ids that the language allows.
            likely: the ids in descending order of probability.
            most: tokens that remain.
        """
        fits = np.zeros_like(allowed)
        candidates = [int(token) for token in likely if allowed[token]][:EXAMINED]
        closing = self.shortest(state, most)
        if closing:
            self.remember(closing[1:])
            candidates.append(closing[0])
        place = 0 if closing is None else len(closing)
        for token in candidates:
            fits[token] = token == self.end or self._closes_after(state, token, most - 1, place)
        return fits

    def _closes_after(self, state: Any, token: int, most: int, place: int) -> bool:
        """Whether at most `most` tokens are known to complete the text after one more token.

        Searches that failed are not repeated where the text is as far from its end (`place`).
        """
        for completion in sorted(self.known, key=lambda known: len(known) > most):
            if self.completes(state, (token, *completion)):
                if (fits := len(completion) <= most) and completion is not self.known[0]:
                    self.remember(completion)
                return fits
        after = state.deep_copy()
        after.consume_token(token)
        key = bytes(after.compute_bitmask()), place
        if self.failed.get(key, -1) >= most:
            return False
        if (found := self._search(after, most)) is None:
            self.failed[key] = most
            return False
        self.remember(found)
        return True

    def _search(self, state: Any, most: int) -> tuple[int, ...] | None:
        """Breadth-first search over plain characters, then over all; the fewest tokens spell the result."""
        for letters, states in zip(self.alphabets, STATES, strict=True):
            content = self._shortest_content(state, letters, states, most * self.longest)
            if content is not None:
                tokens = tuple(spell(content, self.ids))
                return tokens if len(tokens) <= most else None
        return None

    def _shortest_content(self, state: Any, letters: np.ndarray, states: int, most: int) -> bytes | None:
        """The shortest content of at most `most` characters that completes the text."""
        layer, visited, depth = {b"": (state, b"")}, 0, 0
        distinct: dict[bytes, list[int]] = {}  # letters that led to different states, by state
        while layer and visited < states and depth <= most:
            if (
                complete := next((c for reached, c in layer.values() if reached.is_accepting()), None)
            ) is not None:
                return complete
            following: dict[bytes, tuple[Any, bytes]] = {}
            for key, (reached, content) in layer.items():
                found: dict[bytes, int] = {}
                for letter in distinct.get(key) or letters[self.allowed(reached)[letters]].tolist():
                    after = reached.deep_copy()
                    if not after.consume_token(letter):
                        continue
                    next_key = bytes(after.compute_bitmask()) + after.compute_ff_bytes()
                    found.setdefault(next_key, letter)
                    following.setdefault(next_key, (after, content + self.pieces[letter]))
                    visited += 1
                distinct[key] = list(found.values())
            layer, depth = following, depth + 1
        return None


def _is_character(piece: bytes) -> bool:
    try:
        return len(piece.decode()) == 1
    except UnicodeDecodeError:
        return False
