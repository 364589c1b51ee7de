"""Whether a training diverged: its steps were skipped because a loss or gradient was not finite."""

__all__ = ["Diverged", "SkippedSteps", "lower_rates"]

from collections.abc import Iterator, Mapping
from typing import Any

from morphogen.caller import settings
from morphogen.component import to_config
from morphogen.model import Model
from morphogen.staged import Staged

LAST = 10  # a player has diverged if its last ten steps were skipped, or more than half of all
LARGEST = 1e-3  # learning rate that is suggested at most


class Diverged(RuntimeWarning):
    """The warning of a training that diverged."""


class SkippedSteps:
    """Counts of each player's steps, of those that were skipped, and of the last ones in a row.

    Arguments:
        counts: `{player: [steps, skipped, skipped in a row]}`, as a checkpoint stores them; None: none yet.
    """

    def __init__(self, counts: Mapping[str, list[int]] | None = None):
        self.counts = {player: list(count) for player, count in (counts or {}).items()}

    def add(self, player: str, skipped: bool) -> None:
        """Count a step of a player."""
        count = self.counts.setdefault(player, [0, 0, 0])
        count[0] += 1
        count[1] += skipped
        count[2] = count[2] + 1 if skipped else 0

    @property
    def total(self) -> int:
        """The number of skipped steps."""
        return sum(skipped for _, skipped, _ in self.counts.values())

    @property
    def diverged(self) -> bool:
        """Whether a player's last ten steps were skipped, or more than half of its steps."""
        return any(2 * skipped > steps or row >= LAST for steps, skipped, row in self.counts.values())


def lower_rates(model: Model | Staged) -> str:
    """What to do: how to lower the learning rates."""
    rates = _rates(to_config(model))
    lower = {path: float(f"{min(rate / 10, LARGEST):.3g}") for path, rate in rates}
    return f"lower the learning rate: {settings('changes', lower)}"


def _rates(config: Any, path: str = "") -> Iterator[tuple[str, float]]:
    """The learning rates of all optimizers in a config, with their paths."""
    for key, value in config.items() if isinstance(config, Mapping) else ():
        child = f"{path}.{key}" if path else key
        if key == "lr" and "plan.optimizer" in path:
            yield child, value
        yield from _rates(value, child)
