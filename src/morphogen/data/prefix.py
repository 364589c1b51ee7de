"""Prefixes that decide what data are: `hf:owner/name` is of the hub, `text:notes.csv` is of that medium."""

__all__ = ["HUB", "split_prefix"]

from morphogen.media import media

HUB = "hf"


def split_prefix(name: str) -> tuple[str, str]:
    """The prefix of a name or path of data, without its colon, and the rest; "" if there is none.

    >>> split_prefix("text:notes.csv"), split_prefix("hf:owner/name:config"), split_prefix("notes.csv")
    (('text', 'notes.csv'), ('hf', 'owner/name:config'), ('', 'notes.csv'))
    """
    prefix, _, rest = name.partition(":")
    return (prefix, rest) if prefix == HUB or (rest and prefix in media()) else ("", name)
