"""GGUF: llama.cpp's model format with weights, tokenizer and metadata, in one file or split into several.

The file is memory-mapped: a tensor is read only when it is requested. A split model,
NAME-00001-of-00003.gguf and so on, is opened by any of its parts, which must all be in one folder; the first
has the metadata.

Reference: the specification of GGUF in ggml's documentation (Gerganov and others, 2023).
"""

__all__ = ["GGUF"]

import re
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.interop.gguf_header import Header, TensorInfo, read_header

T = TypeVar("T")
PART = re.compile(r"(?P<name>.+)-(?P<number>\d{5})-of-(?P<count>\d{5})\.gguf")


class GGUF:
    """An open GGUF file: `metadata` by key, `tensors` by name; weights are read on request.

    Arguments:
        path: of the file, or of any part of a split model.

    Raises:
        ConfigError: if a file is missing, is not a GGUF file, is damaged or has an unsupported format; the
            message begins with the path.
    """

    def __init__(self, path: str | Path):
        self.path, header = _join(Path(path), read_header(Path(path)))
        self.version, self.metadata = header.version, dict(header.metadata)
        self.tensors = dict(header.tensors)

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
        raw = np.frombuffer(info.content, np.uint8, info.size, info.start).reshape(-1, info.format.size)
        with np.errstate(invalid="ignore", over="ignore"):
            values = torch.from_numpy(info.format.read(raw)).view(shape)
        if not values.isfinite().all():
            raise ConfigError(f"{self.path}: {name} contains non-finite values; the file is damaged")
        return values

    def __repr__(self) -> str:
        sizes = f"version {self.version}, {len(self.metadata)} pairs, {len(self.tensors)} tensors"
        return f"GGUF({str(self.path)!r}): {sizes}"


def _join(path: Path, header: Header) -> tuple[Path, Header]:
    """The path of the first part and a header with the tensors of all, for a file that may be a part."""
    number, count = (_integer(header, f"split.{key}", default) for key, default in (("no", 0), ("count", 1)))
    if count <= 1:
        return path, header
    name = PART.fullmatch(path.name)
    if name is None or (int(name["number"]), int(name["count"])) != (number + 1, count):
        raise ConfigError(
            f"{path}: part {number + 1} of {count} of a split model; put all parts into one folder, "
            f"named NAME-{1:05}-of-{count:05}.gguf and so on"
        )
    parts = [path.with_name(f"{name['name']}-{i + 1:05}-of-{count:05}.gguf") for i in range(count)]
    if missing := next((part for part in parts if not part.is_file()), None):
        raise ConfigError(
            f"{path}: part {number + 1} of {count}; {missing.name} is missing, put it into the same folder"
        )
    headers = [header if part == path else read_header(part) for part in parts]
    for i, (part, other) in enumerate(zip(parts, headers, strict=True)):
        if (_integer(other, "split.no", 0), _integer(other, "split.count", 1)) != (i, count):
            raise ConfigError(f"{part}: not part {i + 1} of {count}, as its name says; download it again")
    tensors = {name: info for other in headers for name, info in other.tensors.items()}
    expected = _integer(headers[0], "split.tensors.count", len(tensors))
    if not len(tensors) == expected == sum(len(other.tensors) for other in headers):
        raise ConfigError(
            f"{parts[0]}: {len(tensors)} tensors in {count} parts, but {expected} according to the first; "
            "the parts are of different models, download them again"
        )
    return parts[0], Header(headers[0].version, headers[0].metadata, tensors)


def _integer(header: Header, key: str, default: int) -> int:
    """An integer from the metadata; the default if it is missing or of another type."""
    value = header.metadata.get(key, default)
    return value if isinstance(value, int) else default
