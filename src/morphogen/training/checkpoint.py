"""Checkpoints that survive: a directory is complete or not there, and says itself whether it is still what was written.

    checkpoints/00000400/  weights.safetensors  optimizer.safetensors  ema.safetensors  state.json  manifest.json

Written beside its place, flushed to the disk, then renamed: a crash leaves the one before. The manifest holds each file's
sha256; the newest that agrees with its own wins. No pickle: tensors in safetensors, the rest in JSON, no generator state.
"""

__all__ = ["Checkpoint", "Checkpoints", "Every", "copy_into", "fresh_directory", "nested", "own_tensors", "write_json"]

import hashlib
import json
import os
import shutil
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from safetensors.torch import load_file, save_file
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Boundary
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
                save_file({k: t.detach().contiguous() for k, t in part.items()}, folder / f"{name}.safetensors")
            (folder / "state.json").write_text(json.dumps(state) + "\n")
            manifest = {p.name: _sha256(p) for p in sorted(folder.iterdir())}
            (folder / "manifest.json").write_text(json.dumps(manifest, indent=2) + "\n")
        steps = self._steps()
        for old in [s for s in steps if s > step] + [s for s in steps if s <= step][: -self.keep]:
            shutil.rmtree(self.directory / f"{old:08d}")

    def newest(self) -> Checkpoint | None:
        """The newest complete one; a damaged one is passed over with a warning that names it."""
        for step in reversed(self._steps()):
            folder = self.directory / f"{step:08d}"
            fault = _fault(folder)
            if fault is None:
                tensors = {p.stem: load_file(p) for p in folder.glob("*.safetensors")}
                return Checkpoint(step, tensors, json.loads((folder / "state.json").read_text()))
            warnings.warn(f"checkpoint {folder} is damaged ({fault}); going back to the one before it", stacklevel=2)
        return None

    def _steps(self) -> list[int]:
        return sorted(int(p.name) for p in self.directory.glob("*") if p.name.isdigit())


@contextmanager
def fresh_directory(target: Path) -> Iterator[Path]:
    """A directory to fill, which takes the place of `target` only when it is complete and on the disk."""
    folder, former = target.with_name(f".{target.name}.new"), target.with_name(f".{target.name}.old")
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    yield folder  # an error inside leaves `target` as it was
    for path in [*folder.iterdir(), folder]:
        _sync(path)
    shutil.rmtree(former, ignore_errors=True)
    if target.exists():
        os.rename(target, former)
    os.rename(folder, target)
    _sync(target.parent)
    shutil.rmtree(former, ignore_errors=True)


def write_json(path: Path, value: Any) -> None:
    """Write a JSON file that is the old one or the new one at any moment, never half of it."""
    fresh = path.with_name(f".{path.name}.new")
    fresh.write_text(json.dumps(value, indent=2) + "\n")
    _sync(fresh)
    os.replace(fresh, path)


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


def _fault(folder: Path) -> str | None:
    """What is wrong with a checkpoint; None: nothing."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
        return next((f"{name} is not what was written" for name, sha in manifest.items() if _sha256(folder / name) != sha), None)
    except FileNotFoundError as error:
        return f"{Path(error.filename).name} is missing"
    except (ValueError, AttributeError):
        return "manifest.json cannot be read"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _sync(path: Path) -> None:
    """Have the file, or the names in the directory, on the disk before going on."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
