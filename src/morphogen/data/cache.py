"""Where data that no installed package carries lies: a cache of files, each known by its sha256.

    $MORPHOGEN_DATA, else ~/.cache/morphogen        NAME/FILE
"""

__all__ = ["cache", "pinned"]

import hashlib
import os
from pathlib import Path

from morphogen.data.dataset import DataError


def cache() -> Path:
    """The folder of the cache; it need not exist."""
    given = os.environ.get("MORPHOGEN_DATA")
    return Path(given) if given else Path.home() / ".cache" / "morphogen"


def pinned(name: str, file: str, sha256: str) -> bytes:
    """The content of a cached file. Errors: DataError where it is missing, or is not what was pinned."""
    path = cache() / name / file
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"data {name!r}: {path} is not there; fetch it: morphogen data get {name}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"data {name!r}: {path} is not the file that was pinned; remove it and fetch it again: morphogen data get {name}")
    return content
