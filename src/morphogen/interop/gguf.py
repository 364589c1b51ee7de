r"""GGUF: llama.cpp's single-file model format with weights, tokenizer and metadata.

    "GGUF"  version u32  tensors u64  pairs u64
    pairs   key, type u32, value                                   metadata
    infos   name, dims u32, dims x u64, format u32, offset u64     fastest dimension first; offset in the data
    padding to general.alignment (32), then the data

Values are little-endian; a string is its length u64 and its UTF-8 bytes. Versions 2 and 3 are supported
(everything read here is the same in both). The file is memory-mapped: a tensor is read only when it is
requested. The file is untrusted: every count and length is checked against the remaining bytes before memory
is allocated, so that a damaged file raises an error and doesn't exhaust the memory.

Reference: the specification of GGUF in ggml's documentation (Gerganov and others, 2023).
"""

__all__ = ["GGUF", "TensorInfo"]

import mmap
import struct
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.interop.gguf_blocks import FORMATS, NAMES, Format

T = TypeVar("T")
MAGIC = b"GGUF"
SCALARS = {  # type codes of metadata values -> format characters of `struct`
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
STRING, ARRAY = 8, 9
MAX_DIMENSIONS = 4  # ggml's limit
ALIGNMENTS = tuple(2**k for k in range(3, 21))


@dataclass(frozen=True)
class TensorInfo:
    """Entry of a tensor in the file: shape (slowest dimension first, as in torch), format and first byte."""

    name: str
    shape: tuple[int, ...]
    format: Format
    start: int

    @property
    def size(self) -> int:
        """Size in bytes."""
        return prod(self.shape) // self.format.elements * self.format.size


class GGUF:
    """An open GGUF file: `metadata` by key, `tensors` by name; weights are read on request.

    Arguments:
        path: of the file.

    Raises:
        ConfigError: if the file is missing, is not a GGUF file, is damaged or has an unsupported format; the
            message begins with the path.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise ConfigError(f"{self.path} does not exist: give the path of a .gguf file")
        with self.path.open("rb") as file:
            if not file.read(1):
                raise ConfigError(f"{self.path}: the file is empty; give a .gguf file")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        cursor = _Cursor(self.path, self._bytes)
        self.version, tensors, pairs = _read_header(cursor)
        self.metadata = _read_metadata(cursor, pairs)
        self.tensors = _read_infos(cursor, tensors, self.get("general.alignment", int, 32))

    def get(self, key: str, kind: type[T], default: T | None = None) -> T:
        """The metadata value of a key.

        Errors: ConfigError if the key is missing and has no default, or its value is not of type `kind`.
        """
        if key not in self.metadata:
            if default is None:
                raise ConfigError(f"{self.path}: metadata key {key} is missing; convert the model again")
            return default
        value = self.metadata[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(
                f"{self.path}: {key} must be {kind.__name__}, got {str(value)[:40]!r}; the file is damaged"
            )
        return value

    def check(self, name: str, shape: tuple[int, ...]) -> TensorInfo:
        """The entry of a tensor. Errors: ConfigError if it is missing or has another shape."""
        info = self.tensors.get(name)
        if info is None:
            raise ConfigError(
                f"{self.path}: tensor {name} is missing; the file is damaged or of another architecture"
            )
        if info.shape != shape:
            raise ConfigError(
                f"{self.path}: {name} has shape {info.shape}, expected {shape}; the file is damaged"
            )
        return info

    def tensor(self, name: str, shape: tuple[int, ...]) -> Float[Tensor, "..."]:
        """The values of a tensor, float32. Errors: those of `check`; ConfigError for non-finite values."""
        info = self.check(name, shape)
        raw = np.frombuffer(self._bytes, np.uint8, info.size, info.start).reshape(-1, info.format.size)
        with np.errstate(invalid="ignore", over="ignore"):
            values = torch.from_numpy(info.format.read(raw)).view(shape)
        if not values.isfinite().all():
            raise ConfigError(f"{self.path}: {name} contains non-finite values; the file is damaged")
        return values

    def __repr__(self) -> str:
        sizes = f"version {self.version}, {len(self.metadata)} pairs, {len(self.tensors)} tensors"
        return f"GGUF({str(self.path)!r}): {sizes}"


class _Cursor:
    """A read position in the file, with bounds checks."""

    def __init__(self, path: Path, content: mmap.mmap):
        self.path, self.content, self.position, self.end = path, content, 0, len(content)

    def error(self, what: str) -> ConfigError:
        """An error with its position in the file."""
        return ConfigError(
            f"{self.path}: {what} (at byte {self.position}); the file is damaged, download it again"
        )

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


def _read_header(cursor: _Cursor) -> tuple[int, int, int]:
    """Version, number of tensors, number of metadata pairs."""
    if (magic := cursor.content[:4]) != MAGIC:
        raise ConfigError(f"{cursor.path}: not a GGUF file (begins with {magic!r} instead of {MAGIC!r})")
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
        metadata[key] = _read_value(cursor, cursor.number("I", key), key)
    return metadata


def _read_value(cursor: _Cursor, kind: int, key: str) -> Any:
    """A number, a string, a list of strings or a numpy array of numbers."""
    if kind in SCALARS:
        return cursor.number(SCALARS[kind], key)
    if kind == STRING:
        return cursor.string(key)
    if kind != ARRAY:
        raise cursor.error(f"unknown type {kind} of {key[:60]!r}")
    inner = cursor.number("I", key)
    if inner == STRING:
        return [cursor.string(key) for _ in range(cursor.count(8, f"strings of {key[:60]}"))]
    if inner not in SCALARS:
        raise cursor.error(f"unsupported element type {inner} of the array {key[:60]!r}")
    dtype = np.dtype(SCALARS[inner]).newbyteorder("<")
    size = cursor.count(dtype.itemsize, f"numbers of {key[:60]}") * dtype.itemsize
    return np.frombuffer(cursor.take(size, key), dtype)


def _read_infos(cursor: _Cursor, number: int, alignment: int) -> dict[str, TensorInfo]:
    """The entries of all tensors, each entirely inside the file."""
    if alignment not in ALIGNMENTS:
        raise cursor.error(f"alignment {alignment} is not a power of 2 from 8 to 2^20")
    entries = [_read_entry(cursor) for _ in range(number)]
    data = -(-cursor.position // alignment) * alignment
    infos: dict[str, TensorInfo] = {}
    for name, shape, code, offset in entries:
        info = TensorInfo(name, shape, _format(cursor, name, shape, code), data + offset)
        if name in infos:
            raise cursor.error(f"duplicate tensor {name[:60]!r}")
        if offset % alignment or info.start + info.size > cursor.end:
            end = info.start + info.size
            raise cursor.error(f"tensor {name[:60]!r} ends at byte {end} of {cursor.end}, or is not aligned")
        infos[name] = info
    if sum(info.size for info in infos.values()) > cursor.end - data:
        raise cursor.error("tensors overlap")
    return infos


def _read_entry(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """Name, shape, format code and offset of a tensor."""
    name = cursor.string("a tensor's name")
    dimensions = cursor.number("I", name)
    if not 1 <= dimensions <= MAX_DIMENSIONS:
        raise cursor.error(f"{name[:60]!r} has {dimensions} dimensions")
    shape = tuple(cursor.number("Q", name) for _ in range(dimensions))[::-1]
    return name, shape, cursor.number("I", name), cursor.number("Q", name)


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
