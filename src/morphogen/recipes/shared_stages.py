"""Trainings of systems whose stages may be the same model, such as an autoencoder or CLIP.

A stage is the same if its config, its examples, its steps and the seed are; it is then trained once and
copied. Budgets are steps, so that the result does not depend on the machine. Outputs of frozen conditioners
are computed once.
"""

__all__ = ["ALONE", "Trained", "Training", "precomputed", "trained"]

import json
import shutil
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.component import to_config
from morphogen.conditioning.frozen import Frozen
from morphogen.data.dataset import Dataset
from morphogen.ownership import owned
from morphogen.recipes.records import config_sha256
from morphogen.run import write_json
from morphogen.staged import Staged
from morphogen.training import train
from morphogen.training.given import Chosen

ALONE = "model"  # the stage of a system of one stage
CONDITIONS = "conditions"  # that are computed once; the name of the file of its seconds
STAGE, TIMINGS = "stage.json", "timings.jsonl"  # files of a stage: which one it is, and its seconds


@dataclass(frozen=True)
class Training:
    """How a system is trained.

    Arguments:
        system: its name.
        steps: of each stage by name, in order; {ALONE: steps} for a system of one stage.
        parts: further arguments of the system's function, built when they are needed, such as a frozen
            language model.
        rows: number of examples, the first ones; None: all.
    """

    system: str
    steps: Mapping[str, int]
    parts: Mapping[str, Callable[[], Any]] = field(default_factory=dict)
    rows: int | None = None

    def built_parts(self) -> dict[str, Any]:
        """The further arguments."""
        return {name: build() for name, build in self.parts.items()}


@dataclass(frozen=True)
class Trained:
    """A trained model, and the seconds of each of its stages that were not trained for another one.

    "conditions" are those of the outputs of frozen conditioners, which are computed before.
    """

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
    model: Any = build_system(training.system, *given, **training.built_parts())
    place, staged = directory / name, isinstance(model, Staged)
    stages = dict(model.models) if staged else {ALONE: model}
    folders = {stage: place / stage if staged else place for stage in stages}
    for stage, steps in training.steps.items():
        _share(folders[stage], _signature(stages[stage], steps, seed, training.rows), directory)
    fractions = dict(training.steps) if staged else None
    rows = min(training.rows or len(data.train), len(data.train))
    examples: Any = Chosen(data.train, torch.arange(rows))
    if not all(_is_finished(folders[stage], steps) for stage, steps in training.steps.items()):
        examples = _timed(model, examples, place)
    total = sum(training.steps.values())
    train(model, examples, steps=total, stage_fractions=fractions, seed=seed, directory=place)
    return Trained(model, _seconds(place, folders))


def precomputed(model: Any, examples: Any) -> Any:
    """The examples with the outputs of the model's frozen conditioners in place of their conditions.

    Those that a stage of the model trains, such as the text tower of its CLIP, are left as they are.

    Arguments:
        model: a `Model` or `Staged`.
        examples: to train it on.
    """
    stages = list(model.models.values()) if isinstance(model, Staged) else [model]
    learned = {parameter for stage in stages for parameter in owned(stage)}
    conditioners: list[Any] = [stage.conditioner for stage in stages if stage.conditioner is not None]
    parts = dict.fromkeys(part for conditioner in conditioners for part in conditioner.modules())
    for part in parts:
        if isinstance(part, Frozen) and learned.isdisjoint(part.parameters()):
            examples = part.precompute(examples)
    return examples


def _timed(model: Any, examples: Any, place: Path) -> Any:
    """`precomputed` examples; the seconds are written to the place."""
    start = time.perf_counter()
    computed = precomputed(model, examples)
    if computed is not examples:
        write_json(place / f"{CONDITIONS}.json", {"seconds": time.perf_counter() - start})
    return computed


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


def _signature(stage: Any, steps: int, seed: int, rows: int | None) -> dict[str, Any]:
    signature = {"sha256": config_sha256(to_config(stage)), "steps": steps, "seed": seed}
    return signature | ({} if rows is None else {"rows": rows})


def _is_finished(folder: Path, steps: int) -> bool:
    """Whether the training of a stage has done all of its steps."""
    return (folder / "checkpoints" / f"{steps:08d}").exists()


def _is_copied(folder: Path) -> bool:
    return bool(json.loads((folder / STAGE).read_text())["copied"])


def _seconds(place: Path, folders: Mapping[str, Path]) -> dict[str, int]:
    """Seconds of the conditions that were computed once, and of the training of each stage."""
    conditions = place / f"{CONDITIONS}.json"
    seconds = {CONDITIONS: json.loads(conditions.read_text())["seconds"]} if conditions.exists() else {}
    for stage, folder in folders.items():
        if not _is_copied(folder):
            seconds[stage] = json.loads((folder / TIMINGS).read_text().splitlines()[-1])["seconds"]
    return {name: round(value) for name, value in seconds.items()}
