"""Hugging Face model folders: checked reading and writing of config.json and of the file of weights.

The files are untrusted: every number of config.json is checked against its range, the shape of every tensor
is checked in the header before memory is allocated, and all weights must be finite. Anything else raises a
ConfigError of one line that begins with the path of the file. Weights are kept in float32.
"""

__all__ = ["AS_IS", "TRANSPOSED", "Config", "Layout", "TensorMapping", "Weights", "write_folder"]

import json
import os
from collections.abc import Callable, Container, Iterable, Iterator, Mapping, Sequence
from copy import copy
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, TypeVar

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.files import naming, write_json

T = TypeVar("T")
CONFIG, WEIGHTS = "config.json", "model.safetensors"
MAX_SIZE = 1 << 20  # bound on every integer of an architecture, such as the vocabulary size
_MISSING = object()


class Layout(NamedTuple):
    """How the file stores a tensor: a function of ours, and its inverse."""

    to_file: Callable[[Tensor], Tensor]
    from_file: Callable[[Tensor], Tensor]


AS_IS = Layout(lambda ours: ours, lambda theirs: theirs)
TRANSPOSED = Layout(lambda ours: ours.T, lambda theirs: theirs.T)  # a matrix as [inputs, outputs]


@dataclass(frozen=True)
class TensorMapping:
    """Correspondence of one tensor of ours to one or more tensors of the file.

    Arguments:
        parameter: our tensor, [O, ...], or a number, [].
        names: of the file's tensors, which are concatenated along the first axis of ours.
        rows: number of rows of each.
        layout: in which the file stores each of them.
    """

    parameter: Float[Tensor, "..."]
    names: Sequence[str]
    rows: Sequence[int]
    layout: Layout = AS_IS

    @classmethod
    def single(cls, parameter: Float[Tensor, "..."], name: str, layout: Layout = AS_IS) -> "TensorMapping":
        """A mapping to one tensor of the file."""
        return cls(parameter, (name,), (len(parameter) if parameter.ndim else 1,), layout)

    @classmethod
    def of_layer(cls, layer: Any, name: str, layout: Layout = AS_IS) -> "Iterator[TensorMapping]":
        """The mappings of a layer's weight, in this layout, and of its bias, if it has one."""
        yield cls.single(layer.weight, f"{name}.weight", layout)
        if layer.bias is not None:
            yield cls.single(layer.bias, f"{name}.bias")

    def shape(self, rows: int) -> tuple[int, ...]:
        """Shape in the file of a part with `rows` rows."""
        shape = (rows, *self.parameter.shape[1:]) if self.parameter.ndim else ()
        return tuple(self.layout.to_file(torch.empty(shape, device="meta")).shape)

    def split(self) -> list[Float[Tensor, "..."]]:
        """The tensors of the file."""
        parameter = self.parameter.detach()
        parts = parameter.split(list(self.rows)) if parameter.ndim else [parameter]
        return [self.layout.to_file(part) for part in parts]

    def join(self, parts: Sequence[Float[Tensor, "..."]]) -> Float[Tensor, "..."]:
        """Our tensor from those of the file; the inverse of `split`."""
        ours = [self.layout.from_file(part) for part in parts]
        return torch.cat(ours) if self.parameter.ndim else ours[0]


class Config:
    """The values of config.json, checked on access.

    Arguments:
        folder: with the file.
        file: name of the file.

    Raises ConfigError if the file is missing or not a JSON object.
    """

    def __init__(self, folder: Path, file: str = CONFIG):
        self.path = folder / file
        try:
            self.values = json.loads(self.path.read_text(encoding="utf8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(
                f"{self.path} cannot be read ({type(error).__name__}); give a folder with {file}"
            ) from None
        if not isinstance(self.values, dict):
            raise ConfigError(f"{self.path}: must be a JSON object")

    def part(self, name: str) -> "Config":
        """The config of a part, such as `text_config`, which has its own values."""
        values = self.values.get(name)
        if not isinstance(values, dict):
            raise ConfigError(f"{self.path}: {name} must be a JSON object, got {str(values)[:40]!r}")
        part = copy(self)
        part.values = values
        return part

    def integer(self, name: str, default: Any = _MISSING, least: int = 1) -> int:
        """An integer in [least, 2^20]."""
        value = self.values.get(name)
        return self._integer(name, default if value is None and default is not _MISSING else value, least)

    def integers(self, name: str) -> tuple[int, ...]:
        """A list of integers in [1, 2^20]."""
        return tuple(self._integer(f"an element of {name}", value) for value in self._list(name))

    def positive_number(self, name: str, default: float, values: Mapping[str, Any] | None = None) -> float:
        """A positive number; `values`: the mapping to look in (None: the whole config)."""
        value = (self.values if values is None else values).get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
            raise ConfigError(f"{self.path}: {name} must be a positive number, got {str(value)[:40]!r}")
        return float(value)

    def number(self, name: str, default: float) -> float:
        """A finite number; null stands for the default."""
        value = self.values.get(name)
        value = default if value is None else value
        if not isinstance(value, int | float) or isinstance(value, bool) or not abs(value) < float("inf"):
            raise ConfigError(f"{self.path}: {name} must be a number, got {str(value)[:40]!r}")
        return float(value)

    def numbers(self, name: str, count: int) -> tuple[float, ...]:
        """A list of so many finite numbers."""
        values = self._list(name)
        finite = [one for one in values if isinstance(one, int | float) and abs(one) < float("inf")]
        if len(finite) != count or len(values) != count:
            raise ConfigError(f"{self.path}: {name} must be {count} numbers, got {str(values)[:40]!r}")
        return tuple(map(float, finite))

    def choice(self, name: str, known: Mapping[Any, T], default: Any) -> T:
        """The entry of `known` for a value that must be one of its keys."""
        return self._choice(name, known, self.values.get(name, default))

    def choices(self, name: str, known: Mapping[Any, T]) -> list[T]:
        """The entries of `known` for a list of values."""
        return [self._choice(name, known, value) for value in self._list(name)]

    def refuse_others(self, known: Container[str]) -> None:
        """Check that no value has another name; names that begin with "_" are notes. Errors: ConfigError."""
        for name in self.values:
            if not name.startswith("_") and name not in known:
                raise ConfigError(
                    f"{self.path}: unsupported setting {name[:60]!r}: remove it if it has no effect"
                )

    def bos_token_id(self, vocabulary: int) -> int | None:
        """The id of the start token, None if there is none. Errors: ConfigError if it is out of range."""
        value = self.values.get("bos_token_id")
        if value is None:
            return None
        if value not in range(vocabulary):
            raise ConfigError(
                f"{self.path}: bos_token_id must be an id in 0 .. {vocabulary - 1}, got {str(value)[:40]!r}"
            )
        return self.integer("bos_token_id", least=0)

    def _list(self, name: str) -> list[Any]:
        values = self.values.get(name)
        if not isinstance(values, list) or not values:
            raise ConfigError(f"{self.path}: {name} must be a list, got {str(values)[:40]!r}")
        return values

    def _integer(self, name: str, value: Any, least: int = 1) -> int:
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= MAX_SIZE:
            raise ConfigError(
                f"{self.path}: {name} must be an integer in {least} .. {MAX_SIZE}, got {str(value)[:40]!r}"
            )
        return value

    def _choice(self, name: str, known: Mapping[Any, T], value: Any) -> T:
        if not isinstance(value, str | bool | None) or value not in known:
            supported = ", ".join(map(str, known))
            raise ConfigError(f"{self.path}: unsupported {name} {str(value)[:40]!r}; supported: {supported}")
        return known[value]


class Weights:
    """The tensors of the file of weights, or of the files that its index names.

    Arguments:
        folder: with the files.
        prefix: optional prefix of the names, which files saved from a part of a model lack.
        ignored: suffixes of names to skip.
        file: name of the file.
        renamed: parts of names, between two dots, that older files have instead of the current ones.

    Raises ConfigError if a file is missing or damaged.
    """

    def __init__(
        self,
        folder: Path,
        prefix: str,
        ignored: tuple[str, ...] = (),
        file: str = WEIGHTS,
        renamed: Mapping[str, str] = MappingProxyType({}),
    ):
        self.path, self.prefix = folder / file, prefix
        self.files: dict[str, Any] = {}
        for path in self._paths(folder):
            try:
                opened = safe_open(path, "pt")
                tensors = {name.removeprefix(prefix): (opened, name) for name in opened.keys()}  # noqa: SIM118
            except (SafetensorError, OSError, ValueError) as error:
                raise ConfigError(f"{path} cannot be read ({str(error).splitlines()[0][:80]})") from None
            for name, entry in tensors.items():
                if not name.endswith(ignored):
                    self.files[".".join(renamed.get(part, part) for part in name.split("."))] = entry

    def __len__(self) -> int:
        return len(self.files)

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def check(self, mappings: Sequence[TensorMapping]) -> None:
        """Compare all names and shapes with those of the network. Errors: ConfigError for a difference."""
        for mapping in mappings:
            for name, rows in zip(mapping.names, mapping.rows, strict=True):
                if name not in self.files:
                    raise ConfigError(f"{self.path}: tensor {name} is missing")
                file, full_name = self.files[name]
                shape = tuple(file.get_slice(full_name).get_shape())
                if shape != (expected := mapping.shape(rows)):
                    raise ConfigError(
                        f"{self.path}: {name} has shape {shape}, config.json requires {expected}"
                    )
        if unknown := self.files.keys() - {name for mapping in mappings for name in mapping.names}:
            raise ConfigError(f"{self.path}: tensor {min(unknown)[:60]} is not part of the architecture")

    @torch.no_grad()
    def fill(self, mappings: Sequence[TensorMapping]) -> None:
        """Copy the weights of the file into the network. Errors: ConfigError for non-finite values."""
        for mapping in mappings:
            joined = mapping.join([self._tensor(name) for name in mapping.names])
            if not joined.isfinite().all():
                raise ConfigError(f"{self.path}: {mapping.names[0]} contains non-finite values")
            mapping.parameter.copy_(joined)

    def _tensor(self, name: str) -> Tensor:
        file, full_name = self.files[name]
        try:
            tensor = file.get_tensor(full_name)
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            reason = str(error).splitlines()[0][:80]
            raise ConfigError(f"{self.path}: {name} cannot be read ({reason})") from None
        if not tensor.is_floating_point():
            raise ConfigError(f"{self.path}: {name} has dtype {tensor.dtype}; weights must be floating point")
        return tensor.float()

    def _paths(self, folder: Path) -> list[Path]:
        """The files with weights: the only one, or those of the index."""
        index = folder / f"{self.path.name}.index.json"
        if self.path.exists() or not index.exists():
            return [self.path]
        try:
            weight_map = json.loads(index.read_text(encoding="utf8"))["weight_map"]
            names = sorted({str(name) for name in weight_map.values()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigError(f"{index} cannot be read; it must map each tensor to its file") from None
        if outside := [name for name in names if Path(name).name != name]:
            raise ConfigError(f"{index}: {outside[0][:60]} is not in the folder")
        return [folder / name for name in names]


def write_folder(
    folder: Path,
    config: Mapping[str, Any],
    mappings: Iterable[TensorMapping],
    prefix: str,
    file: str = WEIGHTS,
) -> None:
    """Write config.json and the file of weights; other files in the folder are kept.

    Errors: OSError with the path if writing fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for mapping in mappings:
        for name, part in zip(mapping.names, mapping.split(), strict=True):
            full_name = name if name.startswith("lm_head") else prefix + name
            tensors[full_name] = part.float().contiguous().clone()
    temporary = folder / f".{file}.new"
    with naming(temporary):
        save_file(tensors, temporary, metadata={"format": "pt"})
        os.replace(temporary, folder / file)
    write_json(folder / CONFIG, config)
