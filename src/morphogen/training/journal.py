"""What a training tells: metrics.jsonl (a pure function of seed and step: no clock), timings.jsonl (the clock), TensorBoard.

One line a player and window of steps: the means over the window's finite steps. A step whose loss or gradient was not finite
has a line of its own. The open window is part of a checkpoint, and a resumed training cuts the files back to its step, so that
metrics.jsonl comes out the same however often a training was stopped.
"""

__all__ = ["Journal"]

import json
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

from morphogen.files import naming, write_text

Window = dict[str, dict[str, Any]]  # player -> {"steps": how many, "sums": {name: sum}}


class Journal:
    """The record of one training.

    Arguments:
        directory: where the files go; None: nowhere.
        step: where the training goes on from; what was written after it is cut away.
        window: the open window at that step.
        tensorboard: whether to draw the curves into `directory/tensorboard` too.
    """

    def __init__(self, directory: Path | None, step: int = 0, window: Window | None = None, tensorboard: bool = False):
        self.window = window if window is not None else {}
        self._files: dict[str, TextIO] = {}
        self._writer: Any = None
        if directory is None:
            return
        directory.mkdir(parents=True, exist_ok=True)
        self._files = {name: _open_at(directory / f"{name}.jsonl", step) for name in ("metrics", "timings")}
        if tensorboard:
            from torch.utils.tensorboard import SummaryWriter  # 0.3 s and more: only when asked

            self._writer = SummaryWriter(str(directory / "tensorboard"), purge_step=step)

    def record(self, step: int, player: str, means: Mapping[str, float] | None) -> None:
        """Take in the player's step that made the count `step`; None: it changed nothing."""
        if means is None:
            self._line("metrics", {"step": step, "player": player, "skipped": True})
        elif self._files:
            entry = self.window.setdefault(player, {"steps": 0, "sums": {}})
            entry["steps"] += 1
            for name, value in means.items():
                entry["sums"][name] = entry["sums"].get(name, 0.0) + value

    def close_window(self, step: int, seconds: float, rate: float) -> None:
        """Write the means since the last window, if there are any, and the clock (`rate`: samples a second)."""
        for player, entry in self.window.items():
            means = {name: total / entry["steps"] for name, total in entry["sums"].items()}
            self._line("metrics", {"step": step, "player": player} | means)
            if self._writer is not None:
                for name, mean in means.items():
                    self._writer.add_scalar(f"{player}/{name}", mean, step)
        if self.window:
            self._line("timings", {"step": step, "seconds": round(seconds, 3), "samples_per_second": round(rate, 1)})
        self.window = {}
        for file in self._files.values():
            with naming(Path(file.name)):
                file.flush()

    def sync(self) -> None:
        """Everything on the disk, before a checkpoint counts on it."""
        for file in self._files.values():
            with naming(Path(file.name)):
                file.flush()
                os.fsync(file.fileno())

    def close(self) -> None:
        """Let the files go."""
        for file in self._files.values():
            with suppress(OSError):  # what cannot be written now could not be flushed before, and that was raised
                file.close()
        if self._writer is not None:
            self._writer.close()

    def _line(self, name: str, value: dict[str, Any]) -> None:
        if name in self._files:
            with naming(Path(self._files[name].name)):
                self._files[name].write(json.dumps(value) + "\n")


def _open_at(path: Path, step: int) -> TextIO:
    """Open to append, without what was written after `step` and without a line torn by a crash."""
    lines = path.read_text(encoding="utf8", errors="replace").splitlines() if step and path.exists() else []
    write_text(path, "".join(f"{line}\n" for line in lines if _step(line) <= step))
    return path.open("a", encoding="utf8")


def _step(line: str) -> float:
    """The step of a line; one that cannot be read belongs to none."""
    try:
        return float(json.loads(line)["step"])
    except (ValueError, TypeError, KeyError, RecursionError):
        return float("inf")
