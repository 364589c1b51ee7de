"""Checkpoints that survive: a directory is complete or not there, and says itself whether it is still what was written.

    checkpoints/00000400/  weights.safetensors  optimizer.safetensors  ema.safetensors  state.json  manifest.json

A crash leaves the one before, and the newest that agrees with its own manifest wins (`morphogen.files`). No pickle: tensors in
safetensors, the rest in JSON, no generator state.
"""

__all__ = ["Checkpoint", "Checkpoints", "Every", "copy_into", "nested", "own_tensors"]

import json
import shutil
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Boundary
from morphogen.files import find_fault, fresh_directory, seal, write_json, write_tensors
from morphogen.model import copy_tensors, tensors


@dataclass(frozen=True)
class Every:
    """How often: after so many steps, after so many seconds, or whichever comes first; neither: only at the end."""

    steps: int | None = None
    seconds: float | None = None

    def due(self, steps: int, seconds: float) -> bool:
        """Whether it is time, so long after the last."""
        return (self.steps is not None and steps >= self.steps) or (self.seconds is not None and seconds >= self.seconds)


@dataclass(frozen=True)
class Checkpoint:
    """What was read: `tensors[file][name]`, and the JSON state."""

    step: int
    tensors: dict[str, dict[str, Tensor]]
    state: dict[str, Any]


class Checkpoints:
    """The checkpoints of one training.

    Arguments:
        directory: where they lie, one directory a step.
        keep: how many of the newest stay.
    """

    def __init__(self, directory: Path, keep: int = 2):
        self.directory, self.keep = directory, max(1, keep)

    def write(self, step: int, tensors: Mapping[str, Mapping[str, Tensor]], state: Mapping[str, Any]) -> None:
        """Add one; older ones than the newest `keep` go, and so do later ones (damaged, or training went on from before them)."""
        self.directory.mkdir(parents=True, exist_ok=True)
        with fresh_directory(self.directory / f"{step:08d}") as folder:
            for name, part in tensors.items():
                write_tensors(folder / f"{name}.safetensors", part)
            write_json(folder / "state.json", state)
            seal(folder)
        steps = self._steps()
        for old in [s for s in steps if s > step] + [s for s in steps if s <= step][: -self.keep]:
            shutil.rmtree(self.directory / f"{old:08d}")

    def newest(self) -> Checkpoint | None:
        """The newest complete one; a damaged one is passed over with a warning that names it."""
        for step in reversed(self._steps()):
            folder = self.directory / f"{step:08d}"
            fault = find_fault(folder)
            if fault is None:
                tensors = {p.stem: load_file(p) for p in folder.glob("*.safetensors")}
                return Checkpoint(step, tensors, json.loads((folder / "state.json").read_text()))
            warnings.warn(f"checkpoint {folder} is damaged ({fault}); going back to the one before it", stacklevel=2)
        return None

    def _steps(self) -> list[int]:
        return sorted(int(p.name) for p in self.directory.glob("*") if p.name.isdigit())


def nested(module: nn.Module) -> Iterator[Boundary]:
    """The outermost Boundaries inside a module (first stages, teachers): what its training never touches."""
    for child in module.children():
        if isinstance(child, Boundary):
            yield child
        else:
            yield from nested(child)


def own_tensors(module: nn.Module) -> dict[str, Tensor]:
    """What a training of the module keeps: its tensors without those behind a nested Boundary (as `contract.owned`)."""
    return tensors(module, without=nested(module))


def copy_into(own: Mapping[str, Tensor], values: Mapping[str, Tensor]) -> None:
    """Copy a checkpoint's tensors into those of the same names. Errors: ConfigError where it is another model's."""
    try:
        copy_tensors(own, values)
    except ConfigError as error:
        raise ConfigError(f"the checkpoint does not fit the model ({error}); train anew with resume=False") from None
