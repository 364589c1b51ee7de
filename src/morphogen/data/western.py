"""Western European text in one byte per character: whether an encoding gives words of one language.

In the right encoding, letters have the accents of one language and signs stand between words; in a wrong one,
there are signs inside of words: "Gr”áe" is "Größe" of DOS (cp850), read as Windows-1252.
"""

__all__ = ["DOS", "WINDOWS", "Fit"]

import re
from typing import NamedTuple

WINDOWS, DOS = "cp1252", "cp850"
ALPHABETS = (  # non-ASCII letters of a language, with those of loan words
    *("äöüßëïéèêáç", "àâçèéêëîïôùûüœæÿ", "áéíóúñüç", "àèéìíîòóù", "àáâãçéêíóôõúü", "àçèéíïòóúü"),
    *("åäöæøéüß", "áðéíóúýþæö"),
)
SIGNS = {*"ªºµ"}  # which Unicode calls letters
MISFIT = re.compile(  # a sign inside or at the end of a word, a word mostly of accents, a line or block
    r"[^\W\d_](?:[^\w\s\0-\x7f’·–—…](?=[^\W\d_])|[‚„¡¿])|[^\W\d_a-zA-Z]{3}|[─-▟]"
)


class Fit(NamedTuple):
    """How well an encoding fits.

    Arguments:
        share: of the non-ASCII characters that are where words have them; 0 if the bytes are invalid.
        one_language: whether all letters are those of one language.
    """

    share: float
    one_language: bool

    @classmethod
    def of(cls, content: bytes, encoding: str) -> "Fit":
        """The fit of an encoding.

        Arguments:
            content: with non-ASCII bytes.
            encoding: of one byte per character.
        """
        try:
            text = content.decode(encoding)
        except UnicodeDecodeError:
            return cls(0.0, False)
        others = re.findall(r"[^\0-\x7f]", text)
        letters = {letter.lower() for letter in others if letter.isalpha()} - SIGNS
        share = 1 - len(MISFIT.findall(text)) / len(others)
        return cls(share, any(letters <= {*alphabet} for alphabet in ALPHABETS))

    @property
    def complete(self) -> bool:
        """Whether nothing speaks against the encoding."""
        return self.share == 1 and self.one_language
