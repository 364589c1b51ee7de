"""How much of a training's budget is spent, and the line that says so."""

__all__ = ["Budget", "Clock", "Progress"]

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from morphogen.component import ConfigError

if TYPE_CHECKING:
    from rich.console import Console


@dataclass(frozen=True)
class Budget:
    """So many steps, or so many seconds of training: exactly one of the two."""

    steps: int | None = None
    time: float | None = None

    def __post_init__(self) -> None:
        if (self.steps is None) == (self.time is None):
            raise ConfigError("give the budget as steps or as time (seconds), one of the two")
        amount = self.steps if self.time is None else self.time
        if not (amount is not None and 0 < amount < float("inf")):
            raise ConfigError(f"the budget must be positive and finite, not {amount}")

    def spent(self, steps: int, seconds: float) -> float:
        """The share that is used up; 1 or more: all of it."""
        return steps / self.steps if self.steps is not None else seconds / (self.time or 1.0)


class Clock:
    """Seconds since it was made, on top of those `before`."""

    def __init__(self, before: float = 0.0):
        self._start = time.monotonic() - before

    @property
    def seconds(self) -> float:
        """Until now."""
        return time.monotonic() - self._start


class Progress:
    """A line on the terminal with the loss, the speed and the time left; silent where there is no terminal.

    Arguments:
        console: where to write; None: standard error.
    """

    def __init__(self, console: "Console | None" = None):
        from rich.console import Console
        from rich.progress import BarColumn, TextColumn
        from rich.progress import Progress as Bar

        self.console = console if console is not None else Console(stderr=True)
        columns = (
            "{task.description}", "loss {task.fields[loss]:.4g}",
            "{task.fields[rate]:,.0f} samples/s", "{task.fields[left]} left",
        )  # fmt: skip
        first, *rest = (TextColumn(column) for column in columns)
        # no refreshing thread: it would share the cores with the training
        silent = not self.console.is_terminal
        self._bar = Bar(first, BarColumn(), *rest, console=self.console, auto_refresh=False, transient=True, disable=silent)
        self._shown = 0.0

    def start(self, title: str) -> None:
        """Begin the line of one training."""
        self._bar.start()
        self._task = self._bar.add_task(title, total=1.0, loss=float("nan"), rate=0.0, left="?")

    def update(self, spent: float, seconds: float, loss: float, rate: float) -> None:
        """Tell how it goes; the line changes four times a second at most."""
        if self._bar.disable or time.monotonic() - self._shown < 0.25:
            return
        self._shown = time.monotonic()
        left = _clock(seconds * (1 - spent) / spent) if spent > 0 else "?"
        self._bar.update(self._task, completed=spent, loss=loss, rate=rate, left=left, refresh=True)

    def stop(self) -> None:
        """Clear the line."""
        self._bar.stop()
        self._bar.remove_task(self._task)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
