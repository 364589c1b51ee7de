"""The log of a training: metrics.jsonl, timings.jsonl and TensorBoard.

metrics.jsonl is a pure function of seed and step; wall-clock values are in timings.jsonl only. It has one
line per player and window of `log_every` steps, with means over the window's finite steps, and a line for
each step whose loss or gradient was not finite. The open window is part of a checkpoint, and a resumed
training truncates the files to the checkpoint's step, so that metrics.jsonl does not depend on how often the
training was stopped.
"""

__all__ = ["Journal", "check_tensorboard"]

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import Any, TextIO

from morphogen.contract import Unsupported
from morphogen.files import naming, write_text

Window = dict[str, dict[str, Any]]  # player -> {"steps": count, "sums": {name: sum}}


class Journal:
    """The log of one training.

    Arguments:
        directory: where the files are written; None: nowhere.
        step: first step of this process; lines of later steps are removed.
        window: the open window at that step.
        tensorboard: whether to write `directory/tensorboard` too.

    Errors: Unsupported for TensorBoard files without the extra `tensorboard`.
    """

    def __init__(
        self, directory: Path | None, step: int = 0, window: Window | None = None, tensorboard: bool = False
    ):
        self.window = window if window is not None else {}
        self._files: dict[str, TextIO] = {}
        self._writer: Any = None
        if tensorboard:
            check_tensorboard()
        if directory is None:
            return
        directory.mkdir(parents=True, exist_ok=True)
        self._files = {
            name: _open_truncated(directory / f"{name}.jsonl", step) for name in ("metrics", "timings")
        }
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # takes 0.3 s or more to import

            self._writer = SummaryWriter(str(directory / "tensorboard"), purge_step=step)

    def record(self, step: int, player: str, means: Mapping[str, float] | None) -> None:
        """Add a player's step, after which the step count is `step`; None: the step was skipped."""
        if means is None:
            self._write_line("metrics", {"step": step, "player": player, "skipped": True})
        elif self._files:
            entry = self.window.setdefault(player, {"steps": 0, "sums": {}})
            entry["steps"] += 1
            for name, value in means.items():
                entry["sums"][name] = entry["sums"].get(name, 0.0) + value

    def close_window(self, step: int, seconds: float, rate: float) -> None:
        """Write the means of the open window, if any, and the timings; `rate` is in samples per second."""
        for player, entry in self.window.items():
            means = {name: total / entry["steps"] for name, total in entry["sums"].items()}
            self._write_line("metrics", {"step": step, "player": player} | means)
            if self._writer is not None:
                for name, mean in means.items():
                    self._writer.add_scalar(f"{player}/{name}", mean, step)
        if self.window:
            timing = {"step": step, "seconds": round(seconds, 3), "samples_per_second": round(rate, 1)}
            self._write_line("timings", timing)
        self.window = {}
        for file in self._files.values():
            with naming(Path(file.name)):
                file.flush()

    def sync(self) -> None:
        """Flush the files to disk, before a checkpoint relies on them."""
        for file in self._files.values():
            with naming(Path(file.name)):
                file.flush()
                os.fsync(file.fileno())

    def close(self) -> None:
        """Close the files."""
        for file in self._files.values():
            with suppress(OSError):  # a write error was already raised by the flush
                file.close()
        if self._writer is not None:
            self._writer.close()

    def _write_line(self, name: str, value: dict[str, Any]) -> None:
        if name in self._files:
            with naming(Path(self._files[name].name)):
                self._files[name].write(json.dumps(value) + "\n")


def check_tensorboard() -> None:
    """Check that TensorBoard files can be written. Errors: Unsupported without the extra `tensorboard`."""
    if find_spec("tensorboard") is None:
        raise Unsupported(
            "TensorBoard files require the package tensorboard: pip install 'morphogen[tensorboard]'"
        )


def _open_truncated(path: Path, step: int) -> TextIO:
    """Open for appending, after removing lines of steps after `step` and a line cut off by a crash."""
    lines = path.read_text(encoding="utf8", errors="replace").splitlines() if step and path.exists() else []
    write_text(path, "".join(f"{line}\n" for line in lines if _step(line) <= step))
    return path.open("a", encoding="utf8")


def _step(line: str) -> float:
    """The step of a line; infinity if it cannot be parsed."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return float("inf")
