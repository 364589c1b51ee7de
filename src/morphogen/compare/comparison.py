"""The comparison itself: systems trained for the same time on the same data, or runs that are trained already, one after the other.

A row is on disk before the next model begins. A system that fails is a row that says why. Ctrl-C loses nothing that was
finished: the training under way leaves its checkpoint, and `resume` goes on from there.
"""

__all__ = ["Comparison"]

import shutil
import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Shaped
from torch import Tensor

from morphogen.catalogue import compose, family
from morphogen.compare.bench import Bench, Row, new_row
from morphogen.compare.choice import choose
from morphogen.compare.forecast import affordable, seconds_a_row
from morphogen.compare.record import Record
from morphogen.compose import Staged
from morphogen.data import Dataset
from morphogen.report import machine
from morphogen.run import Run, RunError, next_directory, train_run
from morphogen.training.progress import Progress

FAILURES = (ValueError, RuntimeError, ArithmeticError, MemoryError)  # of the data or the machine; others are bugs and end it


class Comparison:
    """Models side by side.

    Arguments:
        dataset: from `morphogen.load_data`.
        budget: seconds of training of each system; None: `runs` are measured as they are.
        directory: where to write; None: the next free runs/compare-DATA-NNN.
        systems: names; None: the representatives of the medium (`choice.choose`).
        size: "tiny", "small" or "paper".
        n: samples of each model; None: as many as there are held-out examples, at most 1000, and at most what the slowest draws in time.
        seed: of initialisation, training and sampling.
        device: "cpu" or "cuda".
        settings: what `morphogen.load_data` was called with (data, resolution, length, condition, tokens): runs can then be resumed.
        runs: name -> a trained run, instead of systems to train.
    """

    def __init__(
        self, dataset: Dataset, budget: float | None, directory: Path | None = None, systems: Sequence[str] | None = None,
        size: str = "small", n: int | None = None, seed: int = 0, device: str = "cpu", settings: Mapping[str, Any] | None = None,
        runs: Mapping[str, Run] | None = None,
    ):  # fmt: skip
        self.dataset, self.budget, self.size, self.seed, self.device = dataset, budget, size, seed, device
        self.n, self.settings, self.runs = n, dict(settings or {}), dict(runs or {})
        self.systems = list(self.runs) or choose(dataset, systems)
        Bench(dataset, n)  # an n that cannot be ends here
        for name in self.systems if not self.runs else ():
            compose(name, dataset.representation, len(dataset.classes), size)
        self.directory = directory if directory is not None else next_directory(Path("runs"), f"compare-{dataset.name}")
        self.record = Record(self.directory, dataset)
        self.rows: list[Row] = []
        self.created, self.before, self._begun = _now().isoformat(timespec="seconds"), 0.0, time.monotonic()
        self.forecast: dict[str, float] = {}
        self.bench: Bench | None = None
        self._of_a_row = 5.0  # seconds that the measures of one set of samples take, until it is known

    @property
    def waiting(self) -> list[str]:
        """The systems without a row, and those that failed."""
        done = {row["system"] for row in self.rows if row["error"] is None}
        return [name for name in self.systems if name not in done]

    @property
    def report(self) -> dict[str, Any]:
        """What report.json holds."""
        seen = {row["system"] for row in self.rows}
        return self.prepare().facts() | {
            "labels": self.prepare().labels(), "systems": self.systems, "size": self.size, "budget": self.budget,
            "finished": seen >= set(self.systems), "created": self.created,
            "seconds": round(self.before + time.monotonic() - self._begun, 1), "machine": machine(self.device),
            "settings": self.settings | ({"runs": {name: str(run.directory) for name, run in self.runs.items()}} if self.runs else {}),
            "rows": self.rows,
        }  # fmt: skip

    def prepare(self) -> Bench:
        """Before anything is trained: choose n, time the measures on the held-out data, and write these first rows."""
        if self.bench is None:
            if not self.rows and not self.runs and (found := sorted(self.directory.glob("*/run.json"))):
                raise RunError(f"{self.directory} holds {found[0].parent.name} already; --resume it, or choose another directory")
            self.forecast = {name: self._seconds_a_row(name) for name in self.waiting}
            if self.n is None:
                self.n = affordable(self.forecast.values(), Bench(self.dataset).n)
            self.bench = Bench(self.dataset, self.n, self.seed)
            if not self.rows:
                begun = time.monotonic()
                row, samples = self.bench.real()
                self._of_a_row = time.monotonic() - begun
                self.rows = [row, *self.bench.codecs()]
                self.record.samples[row["system"]] = samples[self.bench.columns()]
                self.record.write(self.report)
        return self.bench

    def announcement(self) -> str:
        """What is about to happen, how long it takes and when it will be done."""
        self.prepare()
        if not self.waiting:
            return f"{self.directory}: every system has its row already; a larger --time would train them further"
        each = [(self.budget or 0.0) + self.forecast.get(name, 0.0) * (self.n or 0) + self._of_a_row for name in self.waiting]
        trained = f"{self.budget:g} s of training each" if self.budget else "trained already"
        until = _now() + timedelta(seconds=sum(each))
        when = f"about {_duration(sum(each))} in all, until {until:%H:%M}"
        what = f"{', '.join(self.waiting)}: {trained}, {self.n} samples; {when}"
        return "\n".join((f"{self.dataset.name}: {self.dataset.split}", *self.dataset.notes, what))

    def run(self, progress: Progress | None = None) -> Iterator[Row]:
        """One model after the other; each row is yielded when it is on disk."""
        bench = self.prepare()
        for name in self.waiting:
            try:
                row, samples = self.measure(name, progress)
            except FAILURES as error:
                row, samples = self.failed(name, error), None
            self.rows = [old for old in self.rows if old["system"] != name] + [row]
            if samples is not None:
                self.record.samples[name] = samples[bench.columns()]
            self.record.write(self.report)
            yield row

    def measure(self, name: str, progress: Progress | None = None) -> tuple[Row, Shaped[Tensor, "n ..."]]:
        """Train one system, or open its run, and measure it."""
        if self.runs:
            run = self.runs[name]
            model = run.model(self.device)
        else:
            run, model = self.train(name, progress)
        facts = run.record
        size, seconds = facts["settings"].get("size"), facts.get("seconds")
        return self.prepare().model(model, system=name, size=size, train_seconds=seconds, steps=facts.get("steps"), run=str(run.directory))

    def train(self, name: str, progress: Progress | None) -> tuple[Run, Any]:
        """The run of a system, trained up to the budget from where it stands."""
        torch.manual_seed(self.seed)  # weights start from torch's generator
        model = compose(name, self.dataset.representation, len(self.dataset.classes), self.size)
        settings = self.settings | {"size": self.size, "seed": self.seed, "time": self.budget, "steps": None, "set": {}}
        settings |= {"classes": list(self.dataset.classes), "split": self.dataset.split}
        run = self.begun(name)
        if run is None:
            run = Run.create(self.directory, name, self.dataset.name, settings)
        elif run.record["settings"].get("time") != self.budget:
            run.record["settings"] = settings
            _forget_later_stages(run, model)
        if not train_run(run, model, self.dataset.train, device=self.device, progress=progress).finished:
            raise KeyboardInterrupt  # a SIGTERM: its checkpoint is written, as after Ctrl-C
        return run, model

    def begun(self, name: str) -> Run | None:
        """The run of a system that an earlier sitting left here."""
        return next(reversed(list(_runs_of(self.directory, name))), None)

    def failed(self, name: str, error: BaseException) -> Row:
        """The row of a system that could not be trained or measured."""
        why = " ".join(str(error).split()) or type(error).__name__
        run = self.runs.get(name) or self.begun(name)
        model = compose(run.record["system"] if run else name, self.dataset.representation, len(self.dataset.classes), "tiny")
        return new_row(system=name, family=family(model), size=self.size, error=why[:300], run=str(run.directory) if run else None)

    def _seconds_a_row(self, name: str) -> float:
        """What a sample and a likelihood of a system take."""
        try:
            run = self.runs.get(name)
            of = compose(name, self.dataset.representation, len(self.dataset.classes), self.size) if run is None else run.model(self.device)
            return seconds_a_row(of.to(self.device), self.dataset.test)
        except FAILURES:
            return 0.0  # its row will say what is wrong


def _runs_of(directory: Path, system: str) -> Iterator[Run]:
    """The runs of a system in a directory, the newest last."""
    for file in sorted(directory.glob("*/run.json")):
        try:
            run = Run.open(file.parent)
        except RunError:
            continue  # damaged: a new one is made beside it
        if run.record["system"] == system:
            yield run


def _forget_later_stages(run: Run, model: Any) -> None:
    """With a new budget a first stage goes on from its checkpoint; those that stand on it must begin anew."""
    for stage in list(model.models)[1:] if isinstance(model, Staged) else ():
        shutil.rmtree(run.directory / stage / "checkpoints", ignore_errors=True)


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 100 else f"{seconds / 60:.0f} min"


def _now() -> datetime:
    return datetime.now().astimezone()
