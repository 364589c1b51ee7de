"""Captions that hold their own translations: an untranslated text, then a line for each language.

    A penguin.                        the caption
    de.utf8=Ein Pinguin.              its translations, left out: a model would learn to mix the languages
    pt_BR=Um pinguim.

The names are those of POSIX locales, language[_TERRITORY][.encoding][@modifier] (ISO/IEC 15897); Debian's
picture collections are written so. A line such as `max=3` is not a translation: lines are translations if one
of the names has a territory, an encoding or a modifier, or if there are several and Python knows the language
of each. No paper: a file format.
"""

__all__ = ["Untranslated", "untranslated"]

import locale
import re
from collections.abc import Sequence
from typing import NamedTuple

ENGLISH = "en"  # taken where each line names its language
LINE = re.compile(
    r"(?P<language>[a-z]{2,3})(?P<more>(?:_[A-Z][A-Za-z]+)?(?:\.[\w-]+)?(?:@\w+)?(?:\.[\w-]+)?)"
    r"\s*=(?P<text>.*)"
)
LANGUAGES = frozenset(re.split(r"[_.@]", name)[0] for name in locale.locale_alias)


class Untranslated(NamedTuple):
    """A caption, and the languages of the translations that were left out, () if there were none."""

    text: str
    languages: tuple[str, ...] = ()


def untranslated(text: str) -> Untranslated:
    r"""The caption without its translations; a text of another kind is returned as it is.

    Arguments:
        text: of a file, its line ends already `\n`.
    """
    lines = [line.strip() for line in text.strip().split("\n") if line.strip()]
    found = [LINE.fullmatch(line) for line in lines]
    translations = [match for match in found if match is not None]
    if None in found[1:] or len(lines) < 2 or not _are_locales(translations):
        return Untranslated(text.strip())
    languages = tuple(match["language"] + match["more"].split(".")[0] for match in translations)
    if found[0] is None:
        return Untranslated(lines[0], languages)
    kept = languages.index(ENGLISH) if ENGLISH in languages else 0
    return Untranslated(translations[kept]["text"].strip(), languages[:kept] + languages[kept + 1 :])


def _are_locales(named: Sequence[re.Match[str]]) -> bool:
    """Whether lines are named by locales and hold words, rather than by other short words, as in `id=5`."""
    known = all(match["more"] or match["language"] in LANGUAGES for match in named)
    has_words = len(named) > 1 and all(any(map(str.isalpha, match["text"])) for match in named)
    return known and (has_words or any(match["more"] for match in named))
