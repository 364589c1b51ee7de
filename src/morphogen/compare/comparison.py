"""A comparison of systems trained for equal time or steps on the same data, or of trained runs.

All files are updated after every row. A system that fails becomes a row with the reason. Ctrl-C keeps every
finished row; the training that was interrupted saves a checkpoint, from which `resume` continues.
"""

__all__ = ["Comparison", "latest_run"]

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.catalogue import build_system
from morphogen.compare.choice import choose, family_of, misfits
from morphogen.compare.forecast import affordable_samples, seconds_per_row
from morphogen.compare.record import Record
from morphogen.compare.scorer import Row, Scorer, new_row
from morphogen.data import Dataset
from morphogen.report import machine
from morphogen.run import Run, RunError, extend, train_run
from morphogen.run_data import create_run, facts, places
from morphogen.run_directory import file_name, next_directory
from morphogen.training.progress import Budget, Progress

FAILURES = (ValueError, RuntimeError, ArithmeticError, MemoryError)  # recorded in a row; others are bugs


class Comparison:
    """Models compared side by side.

    Arguments:
        dataset: the data, from `morphogen.load_data`.
        budget: training time per system in seconds; None: `steps`, or `runs` are evaluated as they are.
        directory: output directory; None: the next free runs/compare-DATA-NNN.
        systems: names of systems; None: the representatives of the medium (`choice.choose`).
        size: "tiny", "small" or "paper".
        n: samples per model; None: that of the held-out examples, at most 1000, or, with a budget in seconds,
            fewer if a model is slow (`forecast.affordable_samples`).
        seed: seed of initialization, training and sampling.
        device: "cpu" or "cuda".
        settings: the arguments of `morphogen.load_data` (data, resolution, ...), required to resume.
        runs: name -> trained run, instead of systems to train.
        steps: training steps per system, instead of `budget`: all figures but timings then repeat exactly.
    """

    def __init__(
        self, dataset: Dataset, budget: float | None, directory: Path | None = None,
        systems: Sequence[str] | None = None, size: str = "small", n: int | None = None, seed: int = 0,
        device: str = "cpu", settings: Mapping[str, Any] | None = None, runs: Mapping[str, Run] | None = None,
        steps: int | None = None,
    ):  # fmt: skip
        _check(dataset, budget, n)
        self.steps, self.is_resumed = steps, False
        self.again: dict[str, str] = {}  # rows that are measured again, and why
        self.dataset, self.budget, self.size, self.seed, self.device = dataset, budget, size, seed, device
        self.n, self.settings, self.runs = n, dict(settings or {}), dict(runs or {})
        self.systems = list(self.runs) or choose(dataset, systems)
        self.misfits = {} if self.runs else misfits(self.systems, dataset, size)
        self.directory = directory or next_directory(Path("runs"), f"compare-{file_name(dataset.name)}")
        self._data_facts = facts(dataset) | {"places": places(self.settings, self.directory)}
        self.record = Record(self.directory, dataset)
        self.rows: list[Row] = []
        self.created, self.earlier_seconds = datetime.now().astimezone().isoformat(timespec="seconds"), 0.0
        self._start = time.monotonic()
        self.forecast: dict[str, float] = {}  # seconds per sample of each system that is to be trained
        self.scorer: Scorer | None = None
        self.seconds_of_metrics = 5.0  # seconds that the metrics of a row take; measured by `prepare`

    @property
    def waiting(self) -> list[str]:
        """The systems without a row, and those that failed."""
        done = {row["system"] for row in self.rows if row["error"] is None}
        return [name for name in self.systems if name not in done]

    @property
    def trainable(self) -> list[str]:
        """The systems without a row that take the data."""
        return [name for name in self.waiting if name not in self.misfits]

    @property
    def report(self) -> dict[str, Any]:
        """The contents of report.json."""
        scorer, names = self.prepare(), {row["system"] for row in self.rows}
        runs = {"runs": {name: str(run.directory) for name, run in self.runs.items()}} if self.runs else {}
        return scorer.facts() | {
            "labels": scorer.labels(), "systems": self.systems, "size": self.size,
            "budget": self.budget, "steps": self.steps,
            "finished": names >= set(self.systems), "created": self.created,
            "seconds": round(self.earlier_seconds + time.monotonic() - self._start, 1),
            "machine": machine(self.device), "rows": self.rows,
            "settings": self.settings | self._data_facts | runs,
        }  # fmt: skip

    @property
    def has_reference(self) -> bool:
        """Whether there are rows of the held-out data and the codecs."""
        return any(row["family"] in (None, "codec") for row in self.rows)

    def plan(self) -> Scorer:
        """Time the sampling of each system, and choose n."""
        if self.scorer is not None:
            return self.scorer
        if not self.is_resumed and not self.runs and (existing := sorted(self.directory.glob("*/run.json"))):
            raise RunError(
                f"{self.directory} already contains {existing[0].parent.name}; "
                "--resume it, or choose another directory"
            )
        self.forecast = {name: _seconds_per_row(self, name) for name in self.trainable}
        if self.n is None and self.budget is not None:
            self.n = affordable_samples(self.forecast.values(), Scorer(self.dataset).n)
        self.scorer = Scorer(self.dataset, self.n, self.seed)
        self.n = self.scorer.n
        return self.scorer

    def prepare(self) -> Scorer:
        """Choose n, evaluate the held-out data and the codecs, and write these rows, before any training."""
        scorer, start = self.plan(), time.monotonic()
        if not self.has_reference:
            row, samples = scorer.real()
            self.seconds_of_metrics = time.monotonic() - start
            self.rows = [row, *scorer.codec_baselines(), *self.rows]
            self.record.samples[row["system"]] = samples[scorer.columns()]
            self.record.write(self.report)
        return scorer

    def run(self, progress: Progress | None = None) -> Iterator[Row]:
        """Train and evaluate one model after another; each row is yielded once it is saved."""
        scorer = self.prepare()
        for name, error in self.misfits.items():
            yield self._add(self.failed(name, error))
        for name in self.trainable:
            try:
                row, samples = self.evaluate(name, progress)
                self.record.samples[name] = samples[scorer.columns()]
            except FAILURES as error:
                row = self.failed(name, error)
            yield self._add(row)

    def evaluate(self, name: str, progress: Progress | None = None) -> tuple[Row, Shaped[Tensor, "n ..."]]:
        """Train a system, or load its run, and evaluate it."""
        if self.runs:
            run, model = self.runs[name], self.runs[name].model(self.device)
        else:
            run, model = self.train(name, progress)
        facts = {"system": name, "size": run.record["settings"].get("size"), "run": str(run.directory)}
        facts |= {"train_seconds": run.record.get("seconds"), "steps": run.record.get("steps")}
        facts |= {"undertrained": run.record.get("undertrained")}
        return self.prepare().model(model, **facts)

    def train(self, name: str, progress: Progress | None) -> tuple[Run, Any]:
        """Train a system for the budget, continuing its run if there is one."""
        torch.manual_seed(self.seed)  # weights are initialized from torch's generator
        model = self._build(name)
        run = _run_for(self, name, model)
        trained = train_run(run, model, self.dataset.train, device=self.device, progress=progress)
        if trained.diverged:
            raise RunError(run.unusable())
        if not trained.finished:
            raise KeyboardInterrupt  # SIGTERM: the checkpoint is saved, as after Ctrl-C
        return run, model

    def failed(self, name: str, error: BaseException) -> Row:
        """The row of a system that could not be trained or evaluated."""
        why = (" ".join(str(error).split()) or type(error).__name__)[:300]
        run = self.runs.get(name) or latest_run(self.directory, name)
        kind = family_of(run.record["system"] if run else name, self.dataset)
        place = str(run.directory) if run else None
        return new_row(system=name, family=kind, size=self.size, error=why, run=place)

    def _add(self, row: Row) -> Row:
        """Put a row at the end, instead of an earlier one of its system, and save it."""
        self.rows = [old for old in self.rows if old["system"] != row["system"]] + [row]
        self.record.write(self.report)
        return row

    def _build(self, name: str) -> Any:
        return build_system(name, self.dataset.representation, self.dataset.conditions, self.size)


def latest_run(directory: Path, system: str) -> Run | None:
    """The newest run of a system in a directory; damaged runs are skipped."""
    for file in sorted(directory.glob("*/run.json"), reverse=True):
        try:
            run = Run.open(file.parent)
        except RunError:
            continue
        if run.record["system"] == system:
            return run
    return None


def _check(dataset: Any, budget: Any, n: int | None) -> None:
    """Errors: RunError and ConfigError for what is no data set, no budget or no number of samples."""
    if not isinstance(dataset, Dataset):
        raise RunError(f"the data are of type {type(dataset).__name__}: give mg.load_data(X, y)")
    if budget is not None:
        Budget(time=budget)
    Scorer(dataset, n)


def _run_for(comparison: Comparison, name: str, model: Any) -> Run:
    """The run of a system with the comparison's budget: a new one, or the existing one, extended."""
    budget: dict[str, Any] = {"time": comparison.budget, "steps": comparison.steps}
    run = latest_run(comparison.directory, name)
    if run is None:
        settings = comparison.settings | {"size": comparison.size, "seed": comparison.seed, "set": {}}
        return create_run(comparison.directory, name, comparison.dataset, settings | budget)
    if any(run.record["settings"].get(unit) != amount for unit, amount in budget.items()):
        extend(run, model, **budget)
    return run


def _seconds_per_row(comparison: Comparison, name: str) -> float:
    """Seconds per sample and likelihood of a system."""
    try:
        run = comparison.runs.get(name)
        model = comparison._build(name) if run is None else run.model(comparison.device)
        return seconds_per_row(model.to(comparison.device), comparison.dataset.test)
    except FAILURES:
        return 0.0  # the row of the system will name the error
