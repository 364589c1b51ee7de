"""Training budgets, the clock, the deadline of both and of signals, and the progress bar."""

__all__ = ["Budget", "Clock", "Deadline", "Progress"]

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from morphogen.component import ConfigError
from morphogen.terminal import printable
from morphogen.training.interrupt import Interrupt
from morphogen.typed import check_fields

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Budget:
    """A training budget, in steps or in seconds: exactly one of the two."""

    steps: int | None = None
    time: float | None = None

    def __post_init__(self) -> None:
        check_fields(self)
        if (self.steps is None) == (self.time is None):
            raise ConfigError("give the budget as steps or as time (seconds), one of the two")
        amount = self.steps if self.time is None else self.time
        if not (amount is not None and 0 < amount < float("inf")):
            raise ConfigError(f"the budget must be positive and finite, not {amount}")

    def spent(self, steps: int, seconds: float) -> float:
        """The fraction of the budget that is spent; 1 or more at its end."""
        return steps / self.steps if self.steps is not None else seconds / (self.time or 1.0)


class Clock:
    """Seconds since construction, plus `before`."""

    def __init__(self, before: float = 0.0):
        self._start = time.monotonic() - before

    @property
    def seconds(self) -> float:
        """Seconds until now."""
        return time.monotonic() - self._start


@dataclass(frozen=True)
class Deadline:
    """When a training is to end: a signal is received, or its budget of time is spent."""

    budget: Budget
    clock: Clock
    interrupt: Interrupt

    @property
    def seconds(self) -> float:
        """Seconds of the training until now."""
        return self.clock.seconds

    @property
    def signalled(self) -> bool:
        """Whether SIGTERM or SIGINT was received."""
        return self.interrupt.received is not None

    def passed(self, step: int) -> bool:
        """Whether to drop the unfinished step; a budget of time has one step at least."""
        return self.signalled or (step > 0 and self.budget.spent(step, self.seconds) >= 1)


class Progress:
    """A progress bar with loss, speed and remaining time; it prints nothing if the output is not a terminal.

    Arguments:
        console: where to write; None: standard error.
    """

    def __init__(self, console: "Console | None" = None):
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self.console = console if console is not None else Console(stderr=True)
        columns = (
            "loss {task.fields[loss]:.4g}",
            "{task.fields[rate]:,.0f} samples/s",
            "{task.fields[left]} left",
            "{task.fields[note]}",
        )
        self._bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            *(TextColumn(column, markup=False) for column in columns),
            console=self.console,
            auto_refresh=False,  # a refresh thread would compete with the training for the cores
            transient=True,
            disable=not self.console.is_terminal,
        )
        self._last_refresh = 0.0

    def start(self, title: str) -> None:
        """Show the bar of one training."""
        self._bar.start()
        self._task = self._bar.add_task(
            printable(title), total=1.0, loss=float("nan"), rate=0.0, left="?", note=""
        )

    def update(self, spent: float, seconds: float, loss: float, rate: float, note: str = "") -> None:
        """Update the bar, at most four times per second.

        Arguments:
            spent: fraction of the budget.
            seconds: since the start.
            loss: of the last step.
            rate: samples per second.
            note: a word on the state of the model; "": none.
        """
        if self._bar.disable or time.monotonic() - self._last_refresh < 0.25:
            return
        self._last_refresh = time.monotonic()
        left = _duration(seconds * (1 - spent) / spent) if spent > 0 else "?"
        self._bar.update(
            self._task, completed=spent, loss=loss, rate=rate, left=left, note=note, refresh=True
        )

    def stop(self) -> None:
        """Remove the bar."""
        self._bar.stop()
        self._bar.remove_task(self._task)


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
