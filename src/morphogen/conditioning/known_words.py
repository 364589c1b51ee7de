"""The words of training captions, so that a prompt can be told which of its words a model has never seen.

A tokenizer spells any word, also one that no caption had: the model then draws something, and nothing says
that it is a guess. Words are compared without their case; a Chinese or Japanese character is a word.

No paper: the texts of the data.
"""

__all__ = ["KnownWords", "UnknownWord"]

import re
import unicodedata
from collections.abc import Iterable
from functools import cached_property

from morphogen.component import Asset, Component
from morphogen.similar_names import did_you_mean

UNSPACED = "\u3040-\u30ff\u3400-\u9fff"  # characters of languages without spaces
WORD = re.compile(rf"[{UNSPACED}]|(?:(?![{UNSPACED}])[^\W_])+")
FILE = "words.txt"


class UnknownWord(UserWarning):
    """A prompt has a word that no caption of the training data has."""


class KnownWords(Component):
    """The words of texts, a file of one a line.

    Arguments:
        file: the words, in UTF-8.

        >>> KnownWords.of(["A red circle", "a blue square"]).unknown("A teal, blue circle")
        ['teal']
    """

    def __init__(self, file: Asset):
        self.file = file

    @classmethod
    def of(cls, texts: Iterable[str]) -> "KnownWords":
        """The words of these texts."""
        words = sorted({word for text in texts for word in _words(text)})
        return cls(Asset(FILE, "\n".join(words).encode()))

    @cached_property
    def words(self) -> frozenset[str]:
        """All words."""
        return frozenset(self.file.content.decode("utf8").split("\n"))

    def unknown(self, text: str) -> list[str]:
        """The words of a text that are none of these, in its order."""
        return [word for word in dict.fromkeys(_words(text)) if word not in self.words]

    def note(self, text: str) -> str | None:
        """What a person has to know of a prompt; None: all its words are known."""
        unknown = self.unknown(text)
        if not unknown:
            return None
        one, *others = unknown
        which = f"the words {', '.join(unknown)}" if others else f"the word {one}"
        near = "" if others else did_you_mean(one, self.words)
        return f"no training caption has {which} of the caption {text!r:.80}: {near}what is drawn is a guess"


def _words(text: str) -> list[str]:
    """The words of a text, without their case."""
    return WORD.findall(unicodedata.normalize("NFC", text).casefold())
