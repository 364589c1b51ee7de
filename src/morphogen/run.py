"""Run directories: the settings, metrics, checkpoints and model of one training run.

    runs/ddpm-digits-001/  run.json  model/  metrics.jsonl  timings.jsonl  checkpoints/  [<stage>/ ...]

run.json is written atomically. It records the system, the data, all settings and the library versions.
"""

__all__ = ["Run", "RunError", "extend", "train_run", "versions", "write_json"]

import json
import platform
import shutil
import warnings
from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from shlex import quote
from types import NoneType
from typing import Any, Literal, Self, get_args

import torch

from morphogen.component import ConfigError, first_line, from_config
from morphogen.contract import ConditionSpec
from morphogen.files import write_json
from morphogen.model import Model, give_specs, load
from morphogen.rank import Rank
from morphogen.run_directory import file_name, next_directory, not_a_run
from morphogen.staged import Staged
from morphogen.training.collapse import Collapsed
from morphogen.training.divergence import Diverged, lower_rates
from morphogen.training.loop import train
from morphogen.training.outcome import AlreadyTrained, StoppedEarly, Trained
from morphogen.training.step import Examples
from morphogen.training.undertrained import undertrained
from morphogen.wrong_calls import explains_calls

Status = Literal["training", "finished", "interrupted", "diverged"]
_RECORD: dict[str, tuple[type, ...]] = {
    "system": (str,),
    "data": (str,),
    "settings": (dict,),
    "status": (str,),
}
_SETTINGS: dict[str, tuple[type, ...]] = {  # types of optional settings
    "data": (str,), "size": (str,), "seed": (int,), "steps": (int, NoneType), "time": (int, float, NoneType),
    "set": (dict,), "resolution": (int, NoneType), "length": (int, NoneType),
    "tokenizer": (str, NoneType), "table": (dict, NoneType), "conditions": (dict,),
    "teacher": (str, NoneType), "from": (str, NoneType), "places": (dict,), "fingerprint": (dict,),
    "lora_rank": (int, NoneType), "new_token": (str, NoneType), "class_caption": (str, NoneType),
    "class_examples": (int, NoneType), "prior_weight": (int, float, NoneType),
}  # fmt: skip


class RunError(ValueError):
    """A missing or damaged run; the message is one line that names the file and the remedy."""


class Run:
    """One run directory, made by `create` and opened by `open` or `latest`.

    Arguments:
        directory: path of the run.
        record: contents of run.json: system, data, settings (size, seed, budget, ...), versions, created,
            status.
    """

    is_newest = False  # whether it was chosen because it is the newest, and not by its name

    @explains_calls
    def __init__(self, directory: Path, record: dict[str, Any]):
        self.directory, self.record = directory, record

    @classmethod
    def create(
        cls, root: str | Path, system: str, data: str, settings: Mapping[str, Any] | None = None
    ) -> Self:
        """Create a directory `root/SYSTEM-DATA-NNN`; `train_run` reads seed, steps and time from settings."""
        record = {
            "system": system, "data": data, "settings": dict(settings or {}),
            "status": "training", "created": datetime.now(UTC).isoformat(), "versions": versions(),
        }  # fmt: skip
        run = cls(next_directory(Path(root), f"{file_name(system)}-{file_name(data)}"), record)
        try:
            write_json(run.directory / "run.json", record)
        except OSError:
            run.directory.rmdir()
            raise
        return run

    @classmethod
    def open(cls, path: str | Path) -> Self:
        """Open a run directory. Errors: RunError if it is missing, damaged or outdated."""
        file = Path(path) / "run.json"
        try:
            record = json.loads(file.read_text(encoding="utf8"))
        except (FileNotFoundError, NotADirectoryError):
            raise RunError(not_a_run(Path(path))) from None
        except (ValueError, OSError, RecursionError) as error:
            message = f"{file} cannot be read ({first_line(error)}); restore it or train again"
            raise RunError(message) from None
        if (fault := _fault(record)) is not None:
            raise RunError(f"{file}: {fault}; restore it or train again")
        if record["settings"].keys() & {"tokens", "classes"}:  # former names of `tokenizer` and `conditions`
            raise RunError(f"{file} was saved by an older version; train it again")
        return cls(Path(path), record)

    @classmethod
    def latest(
        cls, root: str | Path = "runs", fits: Callable[[Self], bool] = lambda run: True, what: str = "run"
    ) -> Self:
        """The newest finished run under `root`, or else the newest interrupted one; damaged ones are skipped.

        Arguments:
            root: the folder.
            fits: whether a run comes into question.
            what: name of such a run in messages.

        Errors: RunError if there is neither.
        """
        runs = []
        for file in [*Path(root).glob("*/run.json"), *Path(root).glob("*/*/run.json")]:
            try:
                runs.append(cls.open(file.parent))
            except RunError:
                continue
        runs = [run for run in runs if fits(run)]
        if not runs:
            raise RunError(f"{root} contains no {what}; make one: morphogen train SYSTEM --data DATA")
        runs.sort(key=lambda run: (str(run.record.get("created", "")), run.directory.name))
        for status in ("finished", "interrupted"):
            if chosen := [run for run in runs if run.status == status]:
                return chosen[-1]
        raise RunError(f"{root} contains no finished {what}; {runs[-1].unusable()}")

    @property
    def where(self) -> str:
        """The directory in messages, which say so if nobody named it."""
        return f"{self.directory} (the newest run)" if self.is_newest else str(self.directory)

    @property
    def name(self) -> str:
        """Name of the directory, SYSTEM-DATA-NNN."""
        return self.directory.name

    @property
    def status(self) -> Status:
        """Progress of the run: training, finished, interrupted or diverged."""
        return self.record["status"]

    def mark(self, status: Status, **facts: Any) -> None:
        """Update run.json with a status and other facts; only the first of several processes writes."""
        self.record = self.record | {"status": status} | facts
        if Rank.launched().is_first:
            write_json(self.directory / "run.json", self.record)

    @property
    def undertrained(self) -> str | None:
        """Why the training was too short to judge the model by its samples, or None; see `undertrained`."""
        reason = self.record.get("undertrained")
        return f"{self.record['system']} is hardly trained: {reason}" if reason else None

    @property
    def conditions(self) -> Mapping[str, ConditionSpec]:
        """What the run's data can condition on, by name.

        A condition whose files were not saved with the model, such as the vocabulary of captions, is one that
        the model does not take, and is left out.
        """
        written, folder = self.record["settings"].get("conditions") or {}, self.directory / "model"
        specs = {n: from_config(spec, folder) for n, spec in written.items() if _has_files(spec, folder)}
        if wrong := [name for name, spec in specs.items() if not isinstance(spec, ConditionSpec)]:
            file = self.directory / "run.json"
            raise RunError(f"{file}: condition {wrong[0]!r} is damaged; restore it or train again")
        return specs

    def model(self, device: str = "cpu") -> Any:
        """Load the trained model, with all stages and averaged weights."""
        folder = self.directory / "model"
        if self.status == "diverged" or not folder.exists():
            raise RunError(self.unusable())
        try:
            model = load(folder, device)
            give_specs(model, self.conditions)
        except ConfigError as error:
            raise RunError(f"{first_line(error)}; {self._resume_hint()}") from error
        return model

    def unusable(self) -> str:
        """Why an unfinished run has no model, and the remedy."""
        folder = self.directory / "model"
        if self.status == "diverged":
            return f"{self.directory}: its training diverged: {self.record.get('fault', 'train again')}"
        ended = "wait for its end, or if it was stopped, " if self.status == "training" else ""
        return f"{folder} does not exist: the run is {self.status}; {ended}{self._resume_hint()}"

    def _resume_hint(self) -> str:
        """The command that produces the model."""
        if not self.record["settings"].get("data"):
            return "resume its training, or train again"
        resume = f"morphogen train --resume {quote(str(self.directory))}"
        if any(self.directory.glob("**/checkpoints/*/state.json")):
            return f"resume from its checkpoint: {resume}, or train again"
        return f"train it: {resume}"


def train_run(run: Run, model: Model | Staged, examples: Examples, **options: Any) -> Trained:
    """Train a model into its run directory, with the seed and budget of the run's settings.

    Arguments:
        run: the run directory.
        model: the untrained model of the run's system.
        examples: the training rows.
        options: passed to `training.train`: device, precision, progress, tensorboard, ...
    """
    settings = run.record["settings"]
    budget = {name: settings.get(name) for name in ("steps", "time")}
    run.mark("training")
    try:
        with warnings.catch_warnings():
            for told in (Diverged, Collapsed, AlreadyTrained, StoppedEarly):  # run.json says so
                warnings.simplefilter("ignore", told)
            trained = train(
                model, examples, **budget, seed=settings.get("seed", 0), directory=run.directory, **options
            )
    except BaseException:  # including Ctrl-C: the status must not remain "training"
        with suppress(OSError):  # a full disk must not hide the first error
            run.mark("interrupted")
        raise
    facts: dict[str, Any] = {
        "steps": trained.steps,
        "seconds": round(trained.seconds, 3),
        "skipped": trained.skipped,
    }
    if not options.get("warm_start"):  # a fine-tuned model may need few steps
        facts["undertrained"] = undertrained(model, run.directory)
    if trained.diverged:
        run.mark("diverged", **facts, fault=f"{trained.skipped_steps}; {lower_rates(model)}")
    else:
        run.mark("finished" if trained.finished else "interrupted", **facts)
    return trained


def extend(run: Run, model: Model | Staged, steps: int | None = None, time: float | None = None) -> None:
    """Give a run another budget, in total; the next `train_run` continues towards it.

    The learning rate follows the schedule of the new budget: a run of 1000 steps that is given 2000 continues
    in the middle of a cosine decay. Later stages start again, because the first one changes.
    """
    run.record["settings"] |= {"steps": steps, "time": time}
    for stage in list(model.models)[1:] if isinstance(model, Staged) else ():
        shutil.rmtree(run.directory / stage / "checkpoints", ignore_errors=True)


def versions() -> dict[str, str]:
    """Versions of morphogen, torch and Python."""
    try:
        own = version("morphogen")
    except PackageNotFoundError:  # run from a source tree that was not installed
        own = "unknown"
    return {"morphogen": own, "torch": str(torch.__version__), "python": platform.python_version()}


def _fault(record: Any) -> str | None:
    """Description of a fault in run.json; None: valid."""
    if not isinstance(record, dict):
        return "is not the record of a run"
    if missing := _RECORD.keys() - record.keys():
        return f"lacks {', '.join(sorted(missing))}"
    checks = [(record, name, types) for name, types in _RECORD.items()]
    if isinstance(record["settings"], dict):
        settings = record["settings"]
        checks += [(settings, name, types) for name, types in _SETTINGS.items() if name in settings]
    for part, name, types in checks:
        if not isinstance(part[name], types) or isinstance(part[name], bool):
            return f"{name!r} cannot be {json.dumps(part[name])[:40]}"
    if record["status"] not in get_args(Status):
        return f"'status' cannot be {record['status']!r}"
    return None


def _has_files(config: Any, folder: Path) -> bool:
    """Whether the assets that a config refers to are in a folder."""
    if isinstance(config, list):
        return all(_has_files(value, folder) for value in config)
    if not isinstance(config, Mapping):
        return True
    is_there = "asset" not in config or (folder / str(config["asset"])).is_file()
    return is_there and all(_has_files(value, folder) for value in config.values())
