"""Prefixes that decide what data are: `hf:owner/name` is of the hub, `text:notes.csv` is of that medium."""

__all__ = ["HUB", "other_media", "prefixed", "split_prefix"]

from collections.abc import Mapping, Sequence
from pathlib import Path

from morphogen.data.walk import without_captions
from morphogen.media import Medium, media

HUB = "hf"
ALSO, ENOUGH = 0.1, 100  # share of the files of a folder, and number of them, that make a medium worth a note
FEWEST = 3  # files of a data set


def split_prefix(name: str) -> tuple[str, str]:
    """The prefix of a name or path of data, without its colon, and the rest; "" if there is none.

    >>> split_prefix("text:notes.csv"), split_prefix("hf:owner/name:config"), split_prefix("notes.csv")
    (('text', 'notes.csv'), ('hf', 'owner/name:config'), ('', 'notes.csv'))
    """
    prefix, _, rest = name.partition(":")
    return (prefix, rest) if prefix == HUB or (rest and prefix in media()) else ("", name)


def other_media(path: Path, confidence: Mapping[Medium, float]) -> Sequence[Medium]:
    """The media that a folder holds besides the one that is read.

    Arguments:
        path: of the folder; of a file, there are none.
        confidence: how certainly it holds each medium; the first is read.
    """
    if not path.is_dir():
        return []
    _, *others = confidence
    return [each for each in others if confidence[each] >= ALSO or _count(path, each) >= ENOUGH]


def prefixed(name: str, medium: Medium) -> str | None:
    """The name of data with the prefix of a medium, if it is a path that can be read as that; else None."""
    prefix, path = split_prefix(name)[0], Path(name).expanduser()
    if prefix or not path.exists():
        return None
    holds = _count(path, medium) >= FEWEST if path.is_dir() else medium.confidence(path) > 0
    return f"{medium}:{name}" if holds else None


def _count(folder: Path, medium: Medium) -> int:
    return sum(file.suffix.lower() in medium.suffixes for file in without_captions(folder))
