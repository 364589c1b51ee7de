"""Where data that no installed package carries lies: a cache of files, each known by the sha256 of its content, decompressed.

$MORPHOGEN_DATA, else ~/.cache/morphogen        NAME/FILE
"""

__all__ = ["cache", "here", "keep", "pinned"]

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from morphogen.data.dataset import DataError


def cache() -> Path:
    """The folder of the cache; it need not exist."""
    given = os.environ.get("MORPHOGEN_DATA")
    return Path(given).expanduser() if given else Path.home() / ".cache" / "morphogen"


def here(name: str, files: Iterable[str]) -> bool:
    """Whether all files of a data set are in the cache; their content is looked at when it is read."""
    return all((cache() / name / file).is_file() for file in files)


def pinned(name: str, file: str, sha256: str) -> bytes:
    """The content of a cached file. Errors: DataError where it is missing, or is not what was pinned."""
    path = cache() / name / file
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"data {name!r}: {path} is not there; fetch it: morphogen data get {name}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(f"data {name!r}: {path} is not the file that was pinned; fetch it again: morphogen data get {name}")
    return content


def keep(name: str, file: str, content: bytes, sha256: str, origin: str) -> Path:
    """Put a file into the cache, whole or not at all. Errors: DataError where the content is not what was pinned."""
    if (found := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(f"data {name!r}: {file} from {origin} has sha256 {found[:12]}..., pinned is {sha256[:12]}...; nothing was kept")
    path = cache() / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{file}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
