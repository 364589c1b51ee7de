r"""GGUF: the file in which llama.cpp's world keeps a model: its numbers, its tokenizer and all it says of itself.

    "GGUF"  version u32  tensors u64  pairs u64
    pairs   key, type u32, value                                   what the model says of itself: `metadata`
    infos   name, dims u32, dims x u64, format u32, offset u64     fastest dimension first; offset into the data
    padding to general.alignment (32), then the data

Little-endian; a string is its length u64 and its UTF-8. Versions 2 and 3 (which differ in nothing that is read here). The file is mapped,
not read: a tensor costs its own bytes when it is asked for. Nothing in the file is believed: every count and length is held against the
bytes that are left before room is made for it, so that a damaged file ends in one line and not in a full memory.

Reference: the specification of GGUF in ggml's documentation (Gerganov and others, 2023).
"""

__all__ = ["GGUF", "Info"]

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
SCALARS = {  # of metadata, by their number: struct's letter
    0: "B", 1: "b", 2: "H", 3: "h", 4: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d",
}  # fmt: skip
STRING, ARRAY = 8, 9
DIMENSIONS = 4  # at most, as ggml has it
ALIGNMENTS = tuple(2**k for k in range(3, 21))


@dataclass(frozen=True)
class Info:
    """Where a tensor lies: its shape (slowest first, as torch has it), its format, its first byte in the file."""

    name: str
    shape: tuple[int, ...]
    format: Format
    start: int

    @property
    def size(self) -> int:
        """Bytes."""
        return prod(self.shape) // self.format.elements * self.format.size


class GGUF:
    """A GGUF file, opened: `metadata` by key, `tensors` by name, the numbers when asked for.

    Arguments:
        path: of the file.

    Raises:
        ConfigError: that begins with the path, where it is no GGUF file, is damaged, or holds what is not read here.
    """

    def __init__(self, path: str | Path):
        self.path = Path(path)
        if not self.path.is_file():
            raise ConfigError(f"{self.path} is not there: give the path of a .gguf file")
        with self.path.open("rb") as file:
            if not file.read(1):
                raise ConfigError(f"{self.path}: is empty; give a .gguf file")
            self._bytes = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
        cursor = _Cursor(self.path, self._bytes)
        self.version, tensors, pairs = _header(cursor)
        self.metadata = _pairs(cursor, pairs)
        self.tensors = _infos(cursor, tensors, self.get("general.alignment", int, 32))

    def get(self, key: str, kind: type[T], default: T | None = None) -> T:
        """What the file says under a key. Errors: ConfigError where it says nothing and there is no default, or another kind of thing."""
        if key not in self.metadata:
            if default is None:
                raise ConfigError(f"{self.path}: says nothing of {key}; convert the model again")
            return default
        value = self.metadata[key]
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ConfigError(f"{self.path}: {key} is {str(value)[:40]!r}, which is no {kind.__name__}; the file is damaged")
        return value

    def check(self, name: str, shape: tuple[int, ...]) -> Info:
        """Where the tensor lies. Errors: ConfigError where there is none of that name and shape."""
        info = self.tensors.get(name)
        if info is None:
            raise ConfigError(f"{self.path}: holds no tensor {name}; it is damaged, or of another architecture")
        if info.shape != shape:
            raise ConfigError(f"{self.path}: {name} is {info.shape}, its metadata say {shape}; the file is damaged")
        return info

    def tensor(self, name: str, shape: tuple[int, ...]) -> Float[Tensor, "..."]:
        """The numbers of a tensor, float32. Errors: as of `check`; ConfigError where it holds NaN or infinities."""
        info = self.check(name, shape)
        raw = np.frombuffer(self._bytes, np.uint8, info.size, info.start).reshape(-1, info.format.size)
        with np.errstate(invalid="ignore", over="ignore"):
            numbers = torch.from_numpy(info.format.read(raw)).view(shape)
        if not numbers.isfinite().all():
            raise ConfigError(f"{self.path}: {name} holds numbers that are not finite; the file is damaged")
        return numbers

    def __repr__(self) -> str:
        return f"GGUF({str(self.path)!r}): version {self.version}, {len(self.metadata)} pairs, {len(self.tensors)} tensors"


class _Cursor:
    """A place in the file; whatever is taken must be there."""

    def __init__(self, path: Path, content: mmap.mmap):
        self.path, self.content, self.place, self.end = path, content, 0, len(content)

    def fail(self, what: str) -> ConfigError:
        """The error of what was found, with its place."""
        return ConfigError(f"{self.path}: {what} at byte {self.place}; the file is damaged or cut, fetch it again")

    def take(self, size: int, what: str) -> bytes:
        """The next bytes."""
        if size > self.end - self.place:
            raise self.fail(f"ends within {what}")
        self.place += size
        return self.content[self.place - size : self.place]

    def number(self, letter: str, what: str) -> Any:
        """One number, by struct's letter."""
        return struct.unpack(f"<{letter}", self.take(struct.calcsize(f"<{letter}"), what))[0]

    def count(self, least: int, what: str) -> int:
        """A number of things that take `least` bytes each at the least."""
        n = self.number("Q", f"the number of {what}")
        if n * least > self.end - self.place:
            raise self.fail(f"promises {n} {what}, more than the rest of the file can hold,")
        return n

    def string(self, what: str) -> str:
        """A length and so many bytes of UTF-8."""
        raw = self.take(self.count(1, f"bytes of {what}"), what)
        try:
            return raw.decode("utf8")
        except UnicodeDecodeError:
            raise self.fail(f"has no UTF-8 in {what}") from None


def _header(cursor: _Cursor) -> tuple[int, int, int]:
    """Version, number of tensors, number of pairs."""
    if (found := cursor.content[:4]) != MAGIC:
        raise ConfigError(f"{cursor.path}: begins with {found!r}, not with {MAGIC!r}; it is no GGUF file")
    cursor.take(4, "the header")
    version = cursor.number("I", "the header")
    if version and version & 0xFFFF == 0:
        raise ConfigError(f"{cursor.path}: is big-endian; convert the model again on a little-endian machine")
    if version not in (2, 3):
        raise ConfigError(f"{cursor.path}: is GGUF version {version}; 2 and 3 are read, convert the model again")
    return version, cursor.count(24, "tensors"), cursor.count(13, "pairs")


def _pairs(cursor: _Cursor, number: int) -> dict[str, Any]:
    """The metadata."""
    found: dict[str, Any] = {}
    for _ in range(number):
        key = cursor.string("a key")
        if key in found:
            raise cursor.fail(f"says {key[:60]!r} twice")
        found[key] = _value(cursor, cursor.number("I", key), key)
    return found


def _value(cursor: _Cursor, kind: int, key: str) -> Any:
    """A number, a string, or an array of them: strings as a list, numbers as an array of numpy's."""
    if kind in SCALARS:
        return cursor.number(SCALARS[kind], key)
    if kind == STRING:
        return cursor.string(key)
    if kind != ARRAY:
        raise cursor.fail(f"gives {key[:60]!r} the unknown type {kind}")
    inner = cursor.number("I", key)
    if inner == STRING:
        return [cursor.string(key) for _ in range(cursor.count(8, f"strings of {key[:60]}"))]
    if inner not in SCALARS:
        raise cursor.fail(f"gives the array {key[:60]!r} the type {inner}, which is not read,")
    dtype = np.dtype(SCALARS[inner]).newbyteorder("<")
    return np.frombuffer(cursor.take(cursor.count(dtype.itemsize, f"numbers of {key[:60]}") * dtype.itemsize, key), dtype)


def _infos(cursor: _Cursor, number: int, alignment: int) -> dict[str, Info]:
    """Where the tensors lie, each wholly inside the file."""
    if alignment not in ALIGNMENTS:
        raise cursor.fail(f"has the alignment {alignment}, which is no power of 2,")
    written = [_info(cursor) for _ in range(number)]
    data = -(-cursor.place // alignment) * alignment
    found: dict[str, Info] = {}
    for name, shape, code, offset in written:
        info = Info(name, shape, _format(cursor, name, shape, code), data + offset)
        if name in found:
            raise cursor.fail(f"holds {name[:60]!r} twice")
        if offset % alignment or info.start + info.size > cursor.end:
            raise cursor.fail(f"has {name[:60]!r} end at byte {info.start + info.size} of {cursor.end}, told of")
        found[name] = info
    if sum(info.size for info in found.values()) > cursor.end - data:
        raise cursor.fail("has tensors that lie on one another, told of")
    return found


def _info(cursor: _Cursor) -> tuple[str, tuple[int, ...], int, int]:
    """A tensor's name, shape, format and offset, as they are written."""
    name = cursor.string("a tensor's name")
    dimensions = cursor.number("I", name)
    if not 1 <= dimensions <= DIMENSIONS:
        raise cursor.fail(f"gives {name[:60]!r} {dimensions} dimensions")
    shape = tuple(cursor.number("Q", name) for _ in range(dimensions))[::-1]
    return name, shape, cursor.number("I", name), cursor.number("Q", name)


def _format(cursor: _Cursor, name: str, shape: tuple[int, ...], code: int) -> Format:
    known = FORMATS.get(code)
    if known is None:
        read = ", ".join(sorted(known.name for known in FORMATS.values()))
        raise ConfigError(f"{cursor.path}: {name[:60]} is in format {NAMES.get(code, code)}; {read} are read, take a file in one of them")
    if 0 in shape or shape[-1] % known.elements:
        raise cursor.fail(f"gives {name[:60]!r} the shape {shape}, which {known.name} cannot have, told of")
    return known
