"""A Hugging Face model folder, config.json + model.safetensors, as numbers under names: what every architecture's adapter stands on.

Nothing is believed: config.json is asked for each number with its range, the header for each tensor's shape before room is made, and the
numbers must be finite. Whatever is wrong ends in a ConfigError of one line that begins with the file. Weights are kept in float32.
"""

__all__ = ["Config", "Place", "Weights", "write_folder"]

import json
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.files import naming, write_json

T = TypeVar("T")
CONFIG, WEIGHTS, INDEX = "config.json", "model.safetensors", "model.safetensors.index.json"
LARGEST = 1 << 20  # of any whole number of an architecture, positions and symbols among them
_MISSING = object()


@dataclass(frozen=True)
class Place:
    """Where a tensor of ours stands in the file.

    Arguments:
        own: ours, [O, ...].
        names: of the file's, which stand below one another in ours.
        rows: of each.
        transposed: whether the file has a matrix as [inputs, outputs].
    """

    own: Float[Tensor, "..."]
    names: Sequence[str]
    rows: Sequence[int]
    transposed: bool = False

    @classmethod
    def of(cls, own: Float[Tensor, "..."], name: str, transposed: bool = False) -> "Place":
        """One for one."""
        return cls(own, (name,), (len(own),), transposed)

    def shape(self, rows: int) -> tuple[int, ...]:
        """Of a part of so many rows, in the file."""
        shape = (rows, *self.own.shape[1:])
        return shape[::-1] if self.transposed else shape


class Config:
    """What config.json says, each number asked for by name.

    Arguments:
        folder: that holds it.

    Raises ConfigError where it is missing or no JSON object.
    """

    def __init__(self, folder: Path):
        self.path = folder / CONFIG
        try:
            self.said = json.loads(self.path.read_text(encoding="utf8"))
        except (OSError, ValueError, RecursionError) as error:
            raise ConfigError(f"{self.path} cannot be read ({type(error).__name__}); give a folder with config.json") from None
        if not isinstance(self.said, dict):
            raise ConfigError(f"{self.path}: holds no object of names and values")

    def whole(self, name: str, default: Any = _MISSING, least: int = 1) -> int:
        """A whole number in [least, 2^20]."""
        value = self.said.get(name)
        value = default if value is None and default is not _MISSING else value
        if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= LARGEST:
            raise ConfigError(f"{self.path}: {name} is {str(value)[:40]!r}; a whole number from {least} to {LARGEST} belongs there")
        return value

    def real(self, name: str, default: float, of: Mapping[str, Any] | None = None) -> float:
        """A positive number."""
        value = (self.said if of is None else of).get(name, default)
        if not isinstance(value, int | float) or isinstance(value, bool) or not 0 < value < float("inf"):
            raise ConfigError(f"{self.path}: {name} is {str(value)[:40]!r}; a positive number belongs there")
        return float(value)

    def one_of(self, name: str, known: Mapping[Any, T], default: Any) -> T:
        """What one of a few known values stands for."""
        value = self.said.get(name, default)
        if not isinstance(value, str | bool | None) or value not in known:
            raise ConfigError(f"{self.path}: {name} is {str(value)[:40]!r}; read are {', '.join(map(str, known))}")
        return known[value]

    def start(self, vocabulary: int) -> int | None:
        """The id that texts begin with, if it is one."""
        value = self.said.get("bos_token_id")
        return None if value is None else self.whole("bos_token_id", least=0) if value in range(vocabulary) else self._no_id(value)

    def _no_id(self, value: Any) -> int:
        raise ConfigError(f"{self.path}: bos_token_id is {str(value)[:40]!r}, which is no id of the vocabulary")


class Weights:
    """The tensors of model.safetensors, or of the files that its index names.

    Arguments:
        folder: that holds them.
        prefix: that names may begin with; files that a part of a model was saved to have none.
        ignored: endings of names that nothing is read from.

    Raises ConfigError where a file is missing or damaged.
    """

    def __init__(self, folder: Path, prefix: str, ignored: tuple[str, ...] = ()):
        self.path, self.prefix = folder / WEIGHTS, prefix
        self.files: dict[str, Any] = {}
        for path in self._paths(folder):
            try:
                file = safe_open(path, "pt")
                found = {name.removeprefix(prefix): (file, name) for name in file.keys()}  # noqa: SIM118
            except (SafetensorError, OSError, ValueError) as error:
                raise ConfigError(f"{path} cannot be read ({str(error).splitlines()[0][:80]})") from None
            self.files |= {name: at for name, at in found.items() if not name.endswith(ignored)}

    def __len__(self) -> int:
        return len(self.files)

    def __contains__(self, name: str) -> bool:
        return name in self.files

    def check(self, places: Sequence[Place]) -> None:
        """Hold every name and shape against what the architecture has. Errors: ConfigError for one that does not fit."""
        for place in places:
            for name, rows in zip(place.names, place.rows, strict=True):
                if name not in self.files:
                    raise ConfigError(f"{self.path}: {name} is missing")
                file, full = self.files[name]
                if (shape := tuple(file.get_slice(full).get_shape())) != place.shape(rows):
                    raise ConfigError(f"{self.path}: {name} is {shape}, the config says {place.shape(rows)}")
        if strange := self.files.keys() - {name for place in places for name in place.names}:
            raise ConfigError(f"{self.path}: holds {min(strange)[:60]}, for which the architecture has no place")

    @torch.no_grad()
    def fill(self, places: Sequence[Place]) -> None:
        """Copy the file's numbers into ours. Errors: ConfigError for what is no number."""
        for place in places:
            parts = [self._tensor(name) for name in place.names]
            whole = torch.cat([part.T if place.transposed else part for part in parts])
            if not whole.isfinite().all():
                raise ConfigError(f"{self.path}: {place.names[0]} holds numbers that are not finite")
            place.own.copy_(whole)

    def _tensor(self, name: str) -> Tensor:
        file, full = self.files[name]
        try:
            tensor = file.get_tensor(full)
        except (SafetensorError, OSError, ValueError, RuntimeError) as error:
            raise ConfigError(f"{self.path}: {name} cannot be read ({str(error).splitlines()[0][:80]})") from None
        if not tensor.is_floating_point():
            raise ConfigError(f"{self.path}: {name} is of {tensor.dtype}; weights are floating point")
        return tensor.float()

    def _paths(self, folder: Path) -> list[Path]:
        if self.path.exists() or not (folder / INDEX).exists():
            return [self.path]
        try:
            names = sorted({str(name) for name in json.loads((folder / INDEX).read_text(encoding="utf8"))["weight_map"].values()})
        except (OSError, ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise ConfigError(f"{folder / INDEX} cannot be read; it should name the file of each tensor") from None
        if outside := [name for name in names if Path(name).name != name]:
            raise ConfigError(f"{folder / INDEX}: names {outside[0][:60]}, which is not in the folder")
        return [folder / name for name in names]


def write_folder(folder: Path, config: Mapping[str, Any], places: Iterable[Place], prefix: str) -> None:
    """Write both files; what else lies in the folder stays. Errors: OSError with the path where the disk does not take it."""
    folder.mkdir(parents=True, exist_ok=True)
    tensors: dict[str, Tensor] = {}
    for place in places:
        for name, part in zip(place.names, place.own.detach().split(list(place.rows)), strict=True):
            full = name if name.startswith("lm_head") else prefix + name
            tensors[full] = (part.T if place.transposed else part).float().contiguous().clone()
    beside = folder / f".{WEIGHTS}.new"
    with naming(beside):
        save_file(tensors, beside, metadata={"format": "pt"})
        os.replace(beside, folder / WEIGHTS)
    write_json(folder / CONFIG, config)
