"""Trainings in fp64 by as many processes as were launched: `python -m training.launched TASK ...`.

A task is DIRECTORY/SYSTEM, which goes on with what was stopped there; with `:k` it is stopped in its k-th step, by a SIGTERM to the
last process alone; with `!MUTANT` it has that fault.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from laws.test_laws import OF, batch_for
from morphogen.catalogue import compose, pages
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.rank import ALONE, Rank
from morphogen.training import step, train
from morphogen.training.step import Stepper
from training.toys import Rows, denoiser

ROWS, BATCH, STEPS = 45, 9, 50  # 5 and 4 rows a process
Call = Callable[..., Any]


def main(tasks: list[str]) -> None:
    torch.set_default_dtype(torch.float64)
    rank = Rank.here("cpu")
    for task in map(Path, tasks):
        name, _, mutant = task.name.partition("!")
        system, _, stop = name.partition(":")
        directory = task.parent / task.name.partition(":")[0]
        with MUTANTS[mutant]() if mutant else stopping(int(stop or 0), rank.index == rank.count - 1):
            run(system, directory, 10 if mutant else STEPS, 1 if mutant else 2)
        rank.once(lambda directory=directory: note(directory / "processes", rank.count))


def note(file: Path, processes: int) -> None:
    """How many trained there, a line each time."""
    with file.open("a") as lines:
        lines.write(f"{processes}\n")


def run(system: str, directory: Path, steps: int, accumulate: int) -> None:
    """Train so many steps a stage; every plan has an average and a clip, whose norm is of the whole gradient."""
    torch.manual_seed(0)
    model, rows = example(system)
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    for stage in stages:
        plan = stage.plan
        plan.batch, plan.accumulate, plan.rounds, plan.ema, plan.clip = min(plan.batch, BATCH), accumulate, None, 0.9, 1.0
    train(model, rows, steps=steps * len(stages), directory=directory, device="cpu", precision="fp32", log_every=1)


def example(system: str) -> tuple[Any, Any]:
    """A model and its rows; the toy's rows have unequal weights."""
    if system == "toy":
        return denoiser(dropout=0.0), Rows(ROWS, dtype=torch.float64)
    medium = pages()[system].medium
    rows = batch_for(medium, ROWS)
    exact = rows.medium.double() if rows.medium.is_floating_point() else rows.medium
    return compose(system, *OF[medium], "tiny"), Batch(exact, rows.condition)


@contextmanager
def changed(owner: Any, name: str, change: Callable[[Call], Call]) -> Iterator[None]:
    """`owner.name` is what `change` makes of it."""
    as_ever = getattr(owner, name)
    setattr(owner, name, change(as_ever))
    try:
        yield
    finally:
        setattr(owner, name, as_ever)


def stopping(after: int, here: bool) -> Any:
    """SIGTERM in the step that is number `after` of this process, if it is `here`; 0: never."""
    taken = iter(range(1, 10_000))

    def stop(as_ever: Call) -> Call:
        def step(*arguments: Any) -> Any:
            if next(taken) == after and here:
                os.kill(os.getpid(), signal.SIGTERM)
            return as_ever(*arguments)

        return step

    return changed(Stepper, "step", stop)


def places_of_its_own(as_ever: Call) -> Call:
    """Noise keyed by the row's place in the process's part of the batch."""
    return lambda seed, rows, path: Rng(seed, rows - rows.min(), path)


def mean_of_its_own(as_ever: Call) -> Call:
    """The mean of the processes' means."""

    def weighted(losses: Any) -> Any:
        sums = as_ever(losses)
        return {name: value / sums["weight"] for name, value in sums.items()}

    return weighted


def statistics_of_its_own(as_ever: Call) -> Call:
    """Statistics of a process's own rows."""

    def descent(self: Stepper, *arguments: Any) -> Any:
        rank, self.rank = self.rank, ALONE
        try:
            return as_ever(self, *arguments)
        finally:
            self.rank = rank

    return descent


MUTANTS: dict[str, Callable[[], Any]] = {
    "places": lambda: changed(step, "Rng", places_of_its_own),
    "means": lambda: changed(step, "_weighted", mean_of_its_own),
    "statistics": lambda: changed(Stepper, "_descent", statistics_of_its_own),
}


if __name__ == "__main__":
    main(sys.argv[1:])
