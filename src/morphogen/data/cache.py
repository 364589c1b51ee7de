"""Local cache of downloaded data files, each identified by the sha256 of its decompressed content.

$MORPHOGEN_DATA/NAME/FILE, or ~/.cache/morphogen/NAME/FILE
"""

__all__ = ["cache_directory", "cached", "keep", "pinned"]

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from morphogen.data.dataset import DataError


def cache_directory() -> Path:
    """The folder of the cache; it need not exist."""
    configured = os.environ.get("MORPHOGEN_DATA")
    return Path(configured).expanduser() if configured else Path.home() / ".cache" / "morphogen"


def cached(name: str, files: Iterable[str]) -> bool:
    """Whether all files of a data set are in the cache; the checksum is verified only when a file is read."""
    return all((cache_directory() / name / file).is_file() for file in files)


def pinned(name: str, file: str, sha256: str) -> bytes:
    """The content of a cached file. Errors: DataError if it is missing or its checksum is wrong."""
    path = cache_directory() / name / file
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        raise DataError(f"data {name!r}: {path} is missing; download it: morphogen data get {name}") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise DataError(
            f"data {name!r}: {path} has the wrong sha256; download it again: morphogen data get {name}"
        )
    return content


def keep(name: str, file: str, content: bytes, sha256: str, origin: str) -> Path:
    """Write a file to the cache atomically. Errors: DataError if its checksum is wrong."""
    if (actual := hashlib.sha256(content).hexdigest()) != sha256:
        raise DataError(
            f"data {name!r}: {file} from {origin} has sha256 {actual[:12]}..., expected {sha256[:12]}...; "
            "it was not cached"
        )
    path = cache_directory() / name / file
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_name(f".{file}.{os.getpid()}.part")
    try:
        part.write_bytes(content)
        os.replace(part, path)
    finally:
        part.unlink(missing_ok=True)
    return path
