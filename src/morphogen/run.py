"""A run: the directory of one training, which says what it is and holds what came of it.

    runs/ddpm-digits-001/  run.json  model/  metrics.jsonl  timings.jsonl  checkpoints/  [<stage>/ ...]

run.json is written whole or not at all, and names the system, the data, every setting and the versions that made it.
"""

__all__ = ["Run", "RunError", "next_directory", "train_run", "versions", "write_json"]

import json
import platform
import re
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path
from types import NoneType
from typing import Any, Literal, Self, get_args

import torch

from morphogen.component import ConfigError
from morphogen.compose import Staged
from morphogen.files import write_json
from morphogen.model import Model, load
from morphogen.rank import Rank
from morphogen.training.loop import Trained, train
from morphogen.training.step import Examples

Status = Literal["training", "finished", "interrupted"]
_RECORD: dict[str, tuple[type, ...]] = {"system": (str,), "data": (str,), "settings": (dict,), "status": (str,)}
_SETTINGS: dict[str, tuple[type, ...]] = {  # where they are there
    "data": (str,), "size": (str,), "seed": (int,), "steps": (int, NoneType), "time": (int, float, NoneType),
    "set": (dict,), "resolution": (int, NoneType), "length": (int, NoneType), "tokens": (str, NoneType), "classes": (list,),
    "teacher": (str, NoneType),
}  # fmt: skip


class RunError(ValueError):
    """A run that is missing or damaged: one line that names the file and the remedy."""


class Run:
    """One run directory. Made by `create`, found by `open` and `latest`.

    Arguments:
        directory: of the run.
        record: what its run.json says: system, data, settings (size, seed, budget, ...), versions, created, status.
    """

    def __init__(self, directory: Path, record: dict[str, Any]):
        self.directory, self.record = directory, record

    @classmethod
    def create(cls, root: str | Path, system: str, data: str, settings: Mapping[str, Any] | None = None) -> Self:
        """A new directory `root/SYSTEM-DATA-NNN`. Of the settings, `train_run` reads seed, and steps or time."""
        record = {
            "system": system, "data": data, "settings": dict(settings or {}),
            "status": "training", "created": datetime.now(UTC).isoformat(), "versions": versions(),
        }  # fmt: skip
        run = cls(next_directory(Path(root), f"{_word(system)}-{_word(data)}"), record)
        try:
            write_json(run.directory / "run.json", record)
        except OSError:
            run.directory.rmdir()
            raise
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """The run in a directory. Errors: RunError where it is missing or its run.json is damaged."""
        file = Path(path) / "run.json"
        try:
            record = json.loads(file.read_text(encoding="utf8"))
        except FileNotFoundError:
            raise RunError(f"{path} is not a run: it holds no run.json; give a directory that `morphogen train` made") from None
        except (ValueError, OSError, RecursionError) as error:
            raise RunError(f"{file} cannot be read ({_line(error)}); restore it or train again") from None
        if (wrong := _wrong(record)) is not None:
            raise RunError(f"{file}: {wrong}; restore it or train again")
        return cls(Path(path), record)

    @classmethod
    def latest(cls, root: str | Path = "runs") -> Self:
        """The newest run under `root`; damaged ones are passed over."""
        runs = []
        for file in [*Path(root).glob("*/run.json"), *Path(root).glob("*/*/run.json")]:
            try:
                runs.append(cls.open(file.parent))
            except RunError:
                continue
        if not runs:
            raise RunError(f"{root} holds no run; make one: morphogen train SYSTEM --data DATA")
        return max(runs, key=lambda run: (str(run.record.get("created", "")), run.directory.name))

    @property
    def name(self) -> str:
        """SYSTEM-DATA-NNN, the directory's."""
        return self.directory.name

    @property
    def status(self) -> Status:
        """How far it is."""
        return self.record["status"]

    def mark(self, status: Status, **facts: Any) -> None:
        """Write down how far the run is, and whatever else is now known of it; of several processes the first one writes."""
        self.record = self.record | {"status": status} | facts
        if Rank.launched().first:
            write_json(self.directory / "run.json", self.record)

    def label(self, name: str) -> int:
        """The class of a name, or of a number in its place. Errors: RunError with the names there are."""
        classes = [str(known) for known in self.record["settings"].get("classes") or ()]
        if name in classes:
            return classes.index(name)
        if name.isdecimal() and int(name) < len(classes):
            return int(name)
        known = f"its classes are {', '.join(classes)}" if classes else "it was trained without classes: leave the condition out"
        raise RunError(f"{self.directory}: no class {name!r}; {known}")

    def model(self, device: str = "cpu") -> Any:
        """The finished model (of a `Staged`, the whole tree), with its averaged weights."""
        folder = self.directory / "model"
        if not folder.exists():
            raise RunError(f"{folder} is not there: the run is {self.status}; {self._again()}")
        _define_parts(self.record["system"])
        try:
            return load(folder, device)
        except ConfigError as error:
            raise RunError(f"{_line(error)}; {self._again()}") from error

    def _again(self) -> str:
        """How the model comes about."""
        if not self.record["settings"].get("data"):
            return "resume its training, or train again"
        if any(self.directory.glob("**/checkpoints/*/state.json")):
            return f"go on from its checkpoint: morphogen train --resume {self.directory}"
        return f"train it: morphogen train --resume {self.directory}"


def train_run(run: Run, model: Model | Staged, examples: Examples, **options: Any) -> Trained:
    """Train a model into its run, by the run's own seed and budget; the run says at every moment how far it is.

    Arguments:
        run: where the training lands.
        model: as the run's system composes it.
        examples: the training rows.
        options: of `training.train`: device, precision, progress, tensorboard, ...
    """
    settings = run.record["settings"]
    run.mark("training")
    try:
        trained = train(
            model, examples, steps=settings.get("steps"), time=settings.get("time"), seed=settings.get("seed", 0),
            directory=run.directory, **options,
        )  # fmt: skip
    except BaseException:  # Ctrl-C too: the run must not claim to be training
        with suppress(OSError):  # on a full disk; what filled it is the news
            run.mark("interrupted")
        raise
    run.mark("finished" if trained.finished else "interrupted", steps=trained.steps, seconds=round(trained.seconds, 3))
    return trained


def next_directory(root: Path, stem: str) -> Path:
    """Make `root/STEM-NNN`, NNN the next free number; of several who try at one moment, the one who makes it has it."""
    root.mkdir(parents=True, exist_ok=True)
    taken = [int(match[1]) for p in root.glob(f"{stem}-*") if (match := re.fullmatch(rf"{re.escape(stem)}-(\d+)", p.name))]
    number = max(taken, default=0) + 1
    while True:
        directory = root / f"{stem}-{number:03d}"
        try:
            directory.mkdir()
            return directory
        except FileExistsError:
            number += 1


def versions() -> dict[str, str]:
    """What made a run or a figure."""
    try:
        own = version("morphogen")
    except PackageNotFoundError:  # run from a source tree that was not installed
        own = "unknown"
    return {"morphogen": own, "torch": str(torch.__version__), "python": platform.python_version()}


def _wrong(record: Any) -> str | None:
    """What is wrong with what run.json says; None: nothing."""
    if not isinstance(record, dict):
        return "holds no record of a run"
    if missing := _RECORD.keys() - record.keys():
        return f"lacks {', '.join(sorted(missing))}"
    said = [(record, name, kinds) for name, kinds in _RECORD.items()]
    if isinstance(record["settings"], dict):
        said += [(record["settings"], name, kinds) for name, kinds in _SETTINGS.items() if name in record["settings"]]
    for part, name, kinds in said:
        if not isinstance(part[name], kinds) or isinstance(part[name], bool):
            return f"{name!r} cannot be {json.dumps(part[name])[:40]}"
    if record["status"] not in get_args(Status):
        return f"'status' cannot be {record['status']!r}"
    return None


def _line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _word(name: str) -> str:
    """A name as part of a file's name: `hf:owner/flowers` and `/data/flowers/` are both flowers."""
    last = re.split(r"[/:\\]", name.rstrip("/\\"))[-1]
    return re.sub(r"[^A-Za-z0-9._]+", "-", last).strip("-.") or "unnamed"


def _define_parts(system: str) -> None:
    """Import the system's page, so that its parts stand in Component's table: a page of ours, never a path from a file."""
    if system.isidentifier() and find_spec(f"morphogen.systems.{system}") is not None:
        import_module(f"morphogen.systems.{system}")
