r"""The header of a GGUF file: metadata, and where each tensor is.

    "GGUF"  version u32  tensors u64  pairs u64
    pairs   key, type u32, value                                   metadata
    infos   name, dims u32, dims x u64, format u32, offset u64     fastest dimension first; offset in the data
    padding to general.alignment (32), then the data

Values are little-endian; a string is its length u64 and its UTF-8 bytes. Versions 2 and 3 are supported
(everything read here is the same in both). The file is untrusted: every count and length is checked against
the remaining bytes before memory is allocated, so that a damaged file raises an error and doesn't exhaust the
memory.

Reference: the specification of GGUF in ggml's documentation (Gerganov and others, 2023).
"""

__all__ = ["Header", "TensorInfo", "read_header"]

import mmap
import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import prod
from pathlib import Path
from typing import Any

import numpy as np

from morphogen.component import ConfigError
from morphogen.interop.gguf_blocks import FORMATS, NAMES, Format

SUFFIX = ".gguf"
MAGIC, LFS_POINTER = b"GGUF", b"version https://git-lfs"
SCALARS = {  # type codes of metadata values -> format characters of `struct`
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
STRING, ARRAY = 8, 9
PIECE = re.compile(r"[-_.](part|split)[-_.]?\w+$")  # names of the pieces of a file that was cut anywhere
MAX_DIMENSIONS = 4  # ggml's limit
ALIGNMENTS = tuple(2**k for k in range(3, 21))


@dataclass(frozen=True)
class TensorInfo:
    """Entry of a tensor in the file: shape (slowest dimension first, as in torch), format and first byte.

    `content` is the memory-mapped file.
    """

    name: str
    shape: tuple[int, ...]
    format: Format
    start: int
    content: mmap.mmap = field(repr=False)

    @property
    def size(self) -> int:
        """Size in bytes."""
        return prod(self.shape) // self.format.elements * self.format.size


@dataclass(frozen=True)
class Header:
    """Version, metadata by key and tensors by name."""

    version: int
    metadata: Mapping[str, Any]
    tensors: Mapping[str, TensorInfo]


def read_header(path: Path) -> Header:
    """Read the header of a file, which is memory-mapped.

    Errors: ConfigError if the file is missing, is not a GGUF file, is damaged or has an unsupported format;
    the message begins with the path.
    """
    if not path.is_file():
        raise ConfigError(f"{path} does not exist: give the path of a .gguf file")
    with path.open("rb") as file:
        if not file.read(1):
            raise ConfigError(f"{path}: the file is empty; give a .gguf file")
        cursor = _Cursor(path, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    version, tensors, pairs = _read_counts(cursor)
    metadata = _read_metadata(cursor, pairs)
    return Header(version, metadata, _read_infos(cursor, tensors, metadata.get("general.alignment", 32)))


class _Cursor:
    """A read position in the file, with bounds checks."""

    def __init__(self, path: Path, content: mmap.mmap):
        self.path, self.content, self.position, self.end = path, content, 0, len(content)

    def error(self, what: str) -> ConfigError:
        """An error with its position in the file."""
        return ConfigError(f"{self.path}: {what} (at byte {self.position}); {_remedy(self.path)}")

    def take(self, size: int, what: str) -> bytes:
        """The next `size` bytes."""
        if size > self.end - self.position:
            raise self.error(f"end of file within {what}")
        self.position += size
        return self.content[self.position - size : self.position]

    def number(self, letter: str, what: str) -> Any:
        """One number; `letter` is its `struct` format."""
        return struct.unpack(f"<{letter}", self.take(struct.calcsize(f"<{letter}"), what))[0]

    def count(self, min_size: int, what: str) -> int:
        """A number of elements, each of at least `min_size` bytes."""
        n = self.number("Q", f"the number of {what}")
        if n * min_size > self.end - self.position:
            raise self.error(f"{n} {what} exceed the rest of the file")
        return n

    def string(self, what: str) -> str:
        """A length-prefixed UTF-8 string."""
        raw = self.take(self.count(1, f"bytes of {what}"), what)
        try:
            return raw.decode("utf8")
        except UnicodeDecodeError:
            raise self.error(f"invalid UTF-8 in {what}") from None


def _remedy(path: Path, magic: bytes = MAGIC) -> str:
    if path.suffix.lower() != SUFFIX and magic != MAGIC and not PIECE.search(path.name):
        return f"give a file that ends with {SUFFIX}, such as one that a model hub offers for llama.cpp"
    if PIECE.search(path.name):
        return "it seems to be a piece of a file: join all pieces in order, cat PIECES > MODEL.gguf"
    return "the file is damaged, download it again"


def _read_counts(cursor: _Cursor) -> tuple[int, int, int]:
    """Version, number of tensors, number of metadata pairs."""
    if cursor.content[: len(LFS_POINTER)] == LFS_POINTER:
        raise ConfigError(f"{cursor.path}: a Git LFS pointer, not the file itself; run git lfs pull")
    if (magic := cursor.content[:4]) != MAGIC:
        raise ConfigError(
            f"{cursor.path}: not a GGUF file (begins with {magic!r} instead of {MAGIC!r}); "
            + _remedy(cursor.path, magic)
        )
    cursor.take(4, "the header")
    version = cursor.number("I", "the header")
    if version and version & 0xFFFF == 0:
        raise ConfigError(
            f"{cursor.path}: the file is big-endian; convert the model again on a little-endian machine"
        )
    if version not in (2, 3):
        raise ConfigError(
            f"{cursor.path}: unsupported GGUF version {version}; convert the model again to version 2 or 3"
        )
    return version, cursor.count(24, "tensors"), cursor.count(13, "pairs")


def _read_metadata(cursor: _Cursor, number: int) -> dict[str, Any]:
    metadata: dict[str, Any] = {}
    for _ in range(number):
        key = cursor.string("a key")
        if key in metadata:
            raise cursor.error(f"duplicate key {key[:60]!r}")
        metadata[key] = _read_value(cursor, repr(key[:60]))
    return metadata


def _read_value(cursor: _Cursor, key: str) -> Any:
    """A number, a string, a list of strings or a numpy array of numbers."""
    kind = cursor.number("I", key)
    if kind in SCALARS:
        return cursor.number(SCALARS[kind], key)
    if kind == STRING:
        return cursor.string(key)
    if kind != ARRAY:
        raise cursor.error(f"unknown type {kind} of {key}")
    inner = cursor.number("I", key)
    if inner == STRING:
        return [cursor.string(key) for _ in range(cursor.count(8, f"strings of {key}"))]
    if inner not in SCALARS:
        raise cursor.error(f"unsupported element type {inner} of the array {key}")
    dtype = np.dtype(SCALARS[inner]).newbyteorder("<")
    size = cursor.count(dtype.itemsize, f"numbers of {key}") * dtype.itemsize
    return np.frombuffer(cursor.take(size, key), dtype)


def _read_infos(cursor: _Cursor, number: int, alignment: Any) -> dict[str, TensorInfo]:
    """The entries of all tensors, each entirely inside the file and apart from the others."""
    if not isinstance(alignment, int) or alignment not in ALIGNMENTS:
        raise cursor.error(f"general.alignment {str(alignment)[:40]!r} is not a power of 2 from 8 to 2^20")
    entries = [_read_entry(cursor) for _ in range(number)]
    data = -(-cursor.position // alignment) * alignment
    infos: dict[str, TensorInfo] = {}
    for name, shape, code, offset in entries:
        info = TensorInfo(name, shape, _format(cursor, name, shape, code), data + offset, cursor.content)
        if name in infos:
            raise cursor.error(f"duplicate tensor {name[:60]!r}")
        if offset % alignment or info.start + info.size > cursor.end:
            end = info.start + info.size
            raise cursor.error(f"tensor {name[:60]!r} ends at byte {end} of {cursor.end}, or is not aligned")
        infos[name] = info
    ordered = sorted(infos.values(), key=lambda info: info.start)
    for info, following in pairwise(ordered):
        if info.start + info.size > following.start:
            raise cursor.error(f"tensors {info.name[:60]!r} and {following.name[:60]!r} overlap")
    return infos


def _read_entry(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """Name, shape, format code and offset of a tensor."""
    name = cursor.string("a tensor's name")
    quoted = repr(name[:60])
    dimensions = cursor.number("I", quoted)
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise cursor.error(f"{quoted} has {dimensions} dimensions")
    shape = tuple(cursor.number("Q", quoted) for _ in range(dimensions))[::-1]
    return name, shape, cursor.number("I", quoted), cursor.number("Q", quoted)


def _format(cursor: _Cursor, name: str, shape: tuple[int, ...], code: int) -> Format:
    """The format of a code. Errors: ConfigError if it is not supported or doesn't fit the shape."""
    known = FORMATS.get(code)
    if known is None:
        supported = ", ".join(sorted(known.name for known in FORMATS.values()))
        raise ConfigError(
            f"{cursor.path}: {name[:60]} has the unsupported format {NAMES.get(code, code)}; "
            f"use a file with {supported}"
        )
    if 0 in shape or shape[-1] % known.elements:
        raise cursor.error(f"shape {shape} of {name[:60]!r} is impossible in the format {known.name}")
    return known
