"""A training in a separate process, to be killed; a preloaded fork server starts it in milliseconds."""

import itertools
import multiprocessing
import os
import signal
import time
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

Kill = tuple[int | None, int | None]  # at a step of a stage, after a number of steps of the process
ROWS, BATCH, STEPS = 44, 8, 34  # an epoch is five and a half steps
SERVER = multiprocessing.get_context("forkserver")
SERVER.set_forkserver_preload(
    ["torch._dynamo", "accelerate", "morphogen.catalogue", "morphogen.training", "laws.test_laws"]
)


@dataclass(frozen=True)
class Victim:
    """Training of a tiny system on noise into a directory, with a checkpoint every second step."""

    system: str
    directory: Path

    def train(
        self, kill_after: float | None = None, kill_at: int | None = None,
        by: signal.Signals = signal.SIGKILL, steps: int | None = None,
    ) -> tuple[bool, float]:  # fmt: skip
        """Start or resume, until the end or a signal.

        It comes after `kill_after` seconds, at step `kill_at` of a stage, or after `steps` steps of this
        process. Returns whether the training finished, and its seconds. After SIGTERM, the process must exit
        normally.
        """
        receiver, sender = SERVER.Pipe()
        process = SERVER.Process(
            target=_train, args=(self.system, self.directory, (kill_at, steps), by, sender)
        )
        process.start()
        sender.close()
        assert receiver.poll(120) and receiver.recv() == "started", f"{self.system} did not start"
        start = time.monotonic()
        if kill_after is not None:
            process.join(kill_after)
            if process.is_alive():
                os.kill(process.pid or 0, by)
        process.join(300)
        assert process.exitcode == 0 or process.exitcode == -by == -signal.SIGKILL, (
            f"{self.system} exited with {process.exitcode}"
        )
        return process.exitcode == 0 and receiver.recv(), time.monotonic() - start


def _train(system: str, directory: Path, kill: Kill, by: signal.Signals, parent: Connection) -> None:
    import torch

    from laws.test_laws import batch_for, specimen
    from morphogen.catalogue import build_system, pages
    from morphogen.training import Every, train

    torch.set_num_threads(1)
    torch.manual_seed(0)
    model: Any = build_system(system, *specimen(system), "tiny")
    for stage in model.models.values() if hasattr(model, "models") else [model]:
        stage.plan.batch, stage.plan.rounds = min(stage.plan.batch, BATCH), None
    _kill(*kill, by)
    parent.send("started")
    every, rows = Every(steps=2), batch_for(pages()[system].medium, ROWS)
    parent.send(
        train(model, rows, steps=STEPS, directory=directory, checkpoint_every=every, log_every=3).finished
    )


def _kill(number: int | None, steps: int | None, by: signal.Signals) -> None:
    """Patch the training to signal this process at the start of step `number`, or after `steps` steps."""
    from morphogen.training.step import Stepper

    original, count = Stepper.step, itertools.count()

    def step(self: Stepper, step: int, *rest: Any) -> Any:
        if step == number or next(count) == steps:
            os.kill(os.getpid(), by)
        return original(self, step, *rest)

    Stepper.step = step  # type: ignore[method-assign]
