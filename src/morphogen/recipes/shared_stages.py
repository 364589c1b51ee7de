"""Trainings of systems whose stages may be the same model, such as an autoencoder or CLIP.

A stage is the same if its config, its steps and the seed are; it is then trained once and copied. Budgets are
steps, so that the result does not depend on the machine.
"""

__all__ = ["ALONE", "Trained", "Training", "trained"]

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.component import to_config
from morphogen.data.dataset import Dataset
from morphogen.recipes.records import config_sha256
from morphogen.run import write_json
from morphogen.staged import Staged
from morphogen.training import train

ALONE = "model"  # the stage of a system of one stage
STAGE, TIMINGS = "stage.json", "timings.jsonl"  # files of a stage: which one it is, and its seconds


@dataclass(frozen=True)
class Training:
    """How a system is trained.

    Arguments:
        system: its name.
        steps: of each stage by name, in order; {ALONE: steps} for a system of one stage.
        arguments: further ones of the system's function.
    """

    system: str
    steps: Mapping[str, int]
    arguments: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Trained:
    """A trained model, and the seconds of each of its stages that were not trained for another one."""

    model: Any
    seconds: Mapping[str, int]


def trained(training: Training, data: Dataset, directory: Path, name: str, seed: int, size: str) -> Trained:
    """A system after its training in `directory / name`, which is resumed.

    Arguments:
        training: of the system.
        data: the data set that it is trained on.
        directory: of this training and of the others, whose stages are copied where they are the same.
        name: of the subdirectory of this one.
        seed: of initial weights and training.
        size: of the system.
    """
    torch.manual_seed(seed)  # of the initial weights
    given = data.representation, data.conditions, size
    model: Any = build_system(training.system, *given, **training.arguments)
    place, staged = directory / name, isinstance(model, Staged)
    stages = dict(model.models) if staged else {ALONE: model}
    folders = {stage: place / stage if staged else place for stage in stages}
    for stage, steps in training.steps.items():
        _share(folders[stage], _signature(stages[stage], steps, seed), directory)
    fractions = dict(training.steps) if staged else None
    total = sum(training.steps.values())
    train(model, data.train, steps=total, stage_fractions=fractions, seed=seed, directory=place)
    seconds = {stage: _seconds(folder) for stage, folder in folders.items() if not _is_copied(folder)}
    return Trained(model, seconds)


def _share(place: Path, signature: dict[str, Any], directory: Path) -> None:
    """Copy the finished training of a stage of this signature, if there is one, and sign the place."""
    if (place / STAGE).exists():
        return
    for other in sorted(directory.glob(f"*/**/{STAGE}")):
        found = json.loads(other.read_text())
        if found == signature | {"copied": False} and _is_finished(other.parent, found["steps"]):
            shutil.copytree(other.parent, place, dirs_exist_ok=True)
            write_json(place / STAGE, signature | {"copied": True})
            return
    place.mkdir(parents=True, exist_ok=True)
    write_json(place / STAGE, signature | {"copied": False})


def _signature(stage: Any, steps: int, seed: int) -> dict[str, Any]:
    return {"sha256": config_sha256(to_config(stage)), "steps": steps, "seed": seed}


def _is_finished(folder: Path, steps: int) -> bool:
    """Whether the training of a stage has done all of its steps."""
    return (folder / "checkpoints" / f"{steps:08d}").exists()


def _is_copied(folder: Path) -> bool:
    return bool(json.loads((folder / STAGE).read_text())["copied"])


def _seconds(folder: Path) -> int:
    """Seconds of the training of a stage."""
    return round(json.loads((folder / TIMINGS).read_text().splitlines()[-1])["seconds"])
