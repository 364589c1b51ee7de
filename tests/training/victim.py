"""A training in a process of its own, to be killed. A server that has imported everything forks the processes: milliseconds each."""

import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROWS, BATCH, STEPS = 44, 8, 34  # an epoch is five and a half steps
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(["torch._dynamo", "accelerate", "morphogen.catalogue", "morphogen.training", "laws.test_laws"])


@dataclass(frozen=True)
class Victim:
    """A system's training, at size tiny on noise, into a directory; every second step leaves a checkpoint."""

    system: str
    directory: Path

    def train(self, kill_after: float | None = None, kill_at: int | None = None, by: signal.Signals = signal.SIGKILL) -> tuple[bool, float]:
        """Begin or go on, until the end or a signal: so many seconds after the beginning, or when a step of that number begins.

        Returns whether it came to its end, and in how many seconds. What SIGTERM stops must have ended by itself, in order.
        """
        ours, theirs = SERVER.Pipe()
        process = SERVER.Process(target=_train, args=(self.system, self.directory, kill_at, by, theirs))
        process.start()
        theirs.close()
        assert ours.poll(120) and ours.recv() == "begun", f"{self.system} did not begin"
        begun = time.monotonic()
        if kill_after is not None:
            process.join(kill_after)
            if process.is_alive():
                os.kill(process.pid or 0, by)
        process.join(300)
        assert process.exitcode == 0 or process.exitcode == -by == -signal.SIGKILL, f"{self.system} ended with {process.exitcode}"
        return process.exitcode == 0 and ours.recv(), time.monotonic() - begun


def _train(system: str, directory: Path, kill_at: int | None, by: signal.Signals, parent: Connection) -> None:
    import torch

    from laws.test_laws import OF, batch_for
    from morphogen.catalogue import compose, pages
    from morphogen.training import Every, train

    torch.set_num_threads(1)
    torch.manual_seed(0)
    medium = pages()[system].medium
    model: Any = compose(system, *OF[medium], "tiny")
    for stage in model.models.values() if hasattr(model, "models") else [model]:
        stage.plan.batch, stage.plan.rounds = min(stage.plan.batch, BATCH), None
    _die_at(kill_at, by)
    parent.send("begun")
    every, rows = Every(steps=2), batch_for(medium, ROWS)
    parent.send(train(model, rows, steps=STEPS, directory=directory, checkpoint_every=every, log_every=3).finished)


def _die_at(number: int | None, by: signal.Signals) -> None:
    """From now on, the step of that number is this process's last."""
    from morphogen.training.step import Stepper

    as_ever = Stepper.step

    def step(self: Stepper, step: int, *rest: Any) -> Any:
        if step == number:
            os.kill(os.getpid(), by)
        return as_ever(self, step, *rest)

    Stepper.step = step  # type: ignore[method-assign]
