"""Atomic checkpoints: a checkpoint directory is either complete or absent, and its manifest detects damage.

    checkpoints/00000400/  weights.safetensors  optimizer.safetensors  ema.safetensors
                           state.json  manifest.json

After a crash, the previous checkpoint remains; the newest one that matches its own manifest is used
(`morphogen.files`). Tensors are stored as safetensors and everything else as JSON, without pickle. No
generator state is stored.
"""

__all__ = [
    "Checkpoint",
    "Checkpoints",
    "Every",
    "copy_into",
    "fingerprint",
    "nested_boundaries",
    "own_tensors",
]

import hashlib
import json
import shutil
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors.torch import load_file
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Boundary
from morphogen.files import find_fault, fresh_directory, seal, write_json, write_tensors
from morphogen.model import copy_tensors, tensors


@dataclass(frozen=True)
class Every:
    """Checkpoint interval in steps or in seconds, whichever ends first; neither: only at the end."""

    steps: int | None = None
    seconds: float | None = None

    def due(self, steps: int, seconds: float) -> bool:
        """Whether a checkpoint is due, given the steps and seconds since the last one."""
        return (self.steps is not None and steps >= self.steps) or (
            self.seconds is not None and seconds >= self.seconds
        )


@dataclass(frozen=True)
class Checkpoint:
    """A checkpoint that was read: `tensors[file][name]` and the JSON state."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


class DamagedCheckpoint(UserWarning):
    """A checkpoint cannot be used, and an older one is."""


class Checkpoints:
    """The checkpoints of one training.

    Arguments:
        directory: parent directory, with one subdirectory per checkpoint, named by its step.
        keep: number of the newest checkpoints that are kept.
    """

    def __init__(self, directory: Path, keep: int = 2):
        self.directory, self.keep = directory, max(1, keep)

    def write(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Write a checkpoint and remove superseded ones.

        Removed are all but the newest `keep`, and those of later steps: they are damaged, or training was
        resumed from before them.
        """
        self.directory.mkdir(parents=True, exist_ok=True)
        with fresh_directory(self.directory / f"{step:08d}") as folder:
            for name, part in tensors.items():
                write_tensors(folder / f"{name}.safetensors", part)
            write_json(folder / "state.json", state)
            seal(folder)
        steps = self._steps()
        later, earlier = [s for s in steps if s > step], [s for s in steps if s <= step]
        for superseded in later + earlier[: -self.keep]:
            shutil.rmtree(self.directory / f"{superseded:08d}")

    def newest(self) -> Checkpoint | None:
        """The newest intact checkpoint; a damaged one is skipped with a warning that names it."""
        for step in reversed(self._steps()):
            folder = self.directory / f"{step:08d}"
            fault = find_fault(folder)
            if fault is None:
                tensors = {p.stem: load_file(p) for p in folder.glob("*.safetensors")}
                return Checkpoint(step, tensors, json.loads((folder / "state.json").read_text()))
            damaged = f"checkpoint {folder} is damaged ({fault}); using the one before it"
            warnings.warn(damaged, DamagedCheckpoint, stacklevel=2)
        return None

    def _steps(self) -> list[int]:
        return sorted(int(p.name) for p in self.directory.glob("*") if p.name.isdigit())


def nested_boundaries(module: nn.Module) -> Iterator[Boundary]:
    """The outermost Boundaries inside a module (first stages, teachers), which its training never updates."""
    for child in module.children():
        if isinstance(child, Boundary):
            yield child
        else:
            yield from nested_boundaries(child)


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """The tensors that a checkpoint stores: all except those of nested Boundaries (see `owned`)."""
    return tensors(module, without=nested_boundaries(module))


def fingerprint(parts: Iterable[nn.Module]) -> str | None:
    """A hash of the tensors of frozen parts, such as the codebook that a prior is trained on; None: none."""
    digest, found = hashlib.blake2b(digest_size=8), False
    for part in parts:
        for name, tensor in tensors(part).items():
            found = True
            digest.update(name.encode())
            digest.update(tensor.cpu().contiguous().view(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest() if found else None


def copy_into(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy a checkpoint's tensors into the model's. Errors: ConfigError if names or shapes differ."""
    try:
        copy_tensors(own, values)
    except ConfigError as error:
        raise ConfigError(
            f"the checkpoint does not fit the model ({error}): start again with resume=False"
        ) from None
