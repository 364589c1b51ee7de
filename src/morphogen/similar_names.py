"""Names that a person may have meant: the same in another case, with these words in it, or similar."""

__all__ = ["SHOWN", "did_you_mean", "list_names", "similar_names"]

import re
from collections.abc import Iterable, Sequence
from difflib import get_close_matches

SHOWN = 50  # names that an error lists


def similar_names(text: str, names: Iterable[str]) -> list[str]:
    """Up to three names that a person may have meant.

    >>> similar_names("male", ["FEMALE", "MALE"]), similar_names("gentoo", ["Gentoo penguin", "Adelie"])
    (['MALE'], ['Gentoo penguin'])
    """
    folded = {name: name.casefold() for name in names}
    wanted = text.strip().casefold()
    if same := [name for name, fold in folded.items() if fold == wanted]:
        return same[:3]
    word = re.compile(rf"(?<!\w){re.escape(wanted)}")
    if wanted and (inside := [name for name, fold in folded.items() if word.search(fold)]):
        return inside[:3]
    near = get_close_matches(wanted, set(folded.values()))
    return [name for name, fold in folded.items() if fold in near][:3]


def did_you_mean(text: str, names: Iterable[str]) -> str:
    """The beginning of a remedy, "did you mean 'Species'? "; "" if no name is similar."""
    similar = similar_names(text, names)
    return f"did you mean {' or '.join(map(repr, similar))}? " if similar else ""


def list_names(names: Sequence[str]) -> str:
    """The names with commas, of many the first ones and how many more there are."""
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{', '.join(names[:SHOWN])}{more}"
