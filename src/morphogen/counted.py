"""Counts of things in messages: "1 picture", "1,024 pictures", "2 classes", "3 copies". No paper: English.

One place decides between singular and plural, so that no message says "1 pictures".
"""

__all__ = ["counted", "plural"]

SIBILANTS = ("s", "x", "ch", "sh")


def counted(n: int, noun: str) -> str:
    """The number and the noun, in the plural unless the number is 1.

    Arguments:
        n: how many.
        noun: in the singular; of several words, the last one is inflected.
    """
    return f"{n:,} {noun if n == 1 else plural(noun)}"


def plural(noun: str) -> str:
    """The plural of a regular noun: classes, copies, pictures."""
    if noun.endswith(SIBILANTS):
        return f"{noun}es"
    if noun.endswith("y") and noun[-2:-1] not in tuple("aeiou"):
        return f"{noun[:-1]}ies"
    return f"{noun}s"
