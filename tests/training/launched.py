"""Trainings in fp64 by all launched processes: `python -m training.launched TASK ...`.

A task is DIRECTORY/SYSTEM, which resumes an earlier training there. DIRECTORY/SYSTEM:k is stopped in its k-th
step by a SIGTERM to the last process only. DIRECTORY/SYSTEM!MUTANT has that fault.
"""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch

from contract.towers import pairs, towers
from laws.test_laws import batch_for, specimen
from morphogen.catalogue import build_system, pages
from morphogen.contract import Batch
from morphogen.numerics.randomness import Rng
from morphogen.ownership import coupled_parts
from morphogen.rank import ALONE, Rank
from morphogen.training import step, train
from morphogen.training.step import Stepper
from training.toys import Rows, batch_norm, denoiser

ROWS, BATCH, STEPS = 45, 9, 50  # 5 and 4 rows per process
Call = Callable[..., Any]


def main(tasks: list[str]) -> None:
    torch.set_default_dtype(torch.float64)
    rank = Rank.initialize("cpu")
    for task in map(Path, tasks):
        name, _, mutant = task.name.partition("!")
        system, _, stop = name.partition(":")
        directory = task.parent / task.name.partition(":")[0]
        with MUTANTS[mutant]() if mutant else stopping(int(stop or 0), rank.index == rank.count - 1):
            run(system, directory, 10 if mutant else STEPS, 1 if mutant else 2)
        rank.once(lambda directory=directory: append_count(directory / "processes", rank.count))


def append_count(file: Path, processes: int) -> None:
    """Append the number of processes that trained there."""
    with file.open("a") as lines:
        lines.write(f"{processes}\n")


def run(system: str, directory: Path, steps: int, accumulate: int) -> None:
    """Train each stage for `steps`; every plan has an average and a clip of the whole gradient's norm."""
    torch.manual_seed(0)
    model, rows = example(system)
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    for stage in stages:
        plan = stage.plan
        plan.batch, plan.accumulate, plan.rounds, plan.ema, plan.clip = (
            min(plan.batch, BATCH),
            1 if coupled_parts(stage) else accumulate,
            None,
            0.9,
            1.0,
        )
    train(
        model,
        rows,
        steps=steps * len(stages),
        directory=directory,
        device="cpu",
        precision="fp32",
        log_every=1,
    )


def example(system: str) -> tuple[Any, Any]:
    """A model and its rows; those of the toy have unequal weights."""
    if system == "toy":
        return denoiser(dropout=0.0), Rows(ROWS, dtype=torch.float64)
    if system == "batch_norm":
        return batch_norm(), Rows(ROWS, dtype=torch.float64)
    if system == "contrastive":
        return towers(), pairs(ROWS, 0)
    rows = batch_for(pages()[system].medium, ROWS)
    exact = rows.medium.double() if rows.medium.is_floating_point() else rows.medium
    return build_system(system, *specimen(system), "tiny"), Batch(exact, rows.condition)


@contextmanager
def changed(owner: Any, name: str, change: Callable[[Call], Call]) -> Iterator[None]:
    """Replace `owner.name` by `change(owner.name)`."""
    original = getattr(owner, name)
    setattr(owner, name, change(original))
    try:
        yield
    finally:
        setattr(owner, name, original)


def stopping(after: int, this_process: bool) -> Any:
    """Send SIGTERM in step number `after` of this process, if `this_process`; 0: never."""
    count = iter(range(1, 10_000))

    def stop(original: Call) -> Call:
        def step(*arguments: Any) -> Any:
            if next(count) == after and this_process:
                os.kill(os.getpid(), signal.SIGTERM)
            return original(*arguments)

        return step

    return changed(Stepper, "step", stop)


def local_positions(original: Call) -> Call:
    """Noise keyed by the row's position in the process's shard of the batch."""
    return lambda seed, rows, path: Rng(seed, rows - rows.min(), path)


def divided(original: Call) -> Call:
    """Rows that depend on each other, divided among the processes."""
    return lambda model, batch: False


def mean_of_means(original: Call) -> Call:
    """The mean of the processes' means."""

    def weighted(losses: Any) -> Any:
        sums = original(losses)
        return {name: value / sums["weight"] for name, value in sums.items()}

    return weighted


def local_statistics(original: Call) -> Call:
    """Statistics of a process's own rows only."""

    def forward_backward(self: Stepper, *arguments: Any) -> Any:
        shards, self.shards = self.shards, ALONE
        try:
            return original(self, *arguments)
        finally:
            self.shards = shards

    return forward_backward


MUTANTS: dict[str, Callable[[], Any]] = {
    "places": lambda: changed(step, "Rng", local_positions),
    "divided": lambda: changed(step, "_couples_rows", divided),
    "means": lambda: changed(step, "_weighted", mean_of_means),
    "statistics": lambda: changed(Stepper, "_forward_backward", local_statistics),
}


if __name__ == "__main__":
    main(sys.argv[1:])
