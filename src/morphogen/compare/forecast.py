"""How long measuring will take, tried out before anything is trained: weights change what is drawn, not how long it takes.

A small batch is drawn and its likelihood computed. A sampler of many equal steps is tried for two of them. Where the slowest
model could not draw in time, all draw fewer: a distance of samples compares only at equal n.
"""

__all__ = ["affordable", "seconds_a_row"]

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

from morphogen.contract import Unsupported
from morphogen.data import Examples

PATIENCE = 90.0  # seconds that drawing and the likelihood of the slowest model may take
FEWEST = 256  # samples, whatever that takes
FEW, MANY, SLOW = 4, 64, 1.0  # rows of a first trial, and of a second if the first took no more seconds than that


def affordable(seconds: Iterable[float], held_out: int) -> int:
    """How many samples every model can draw within PATIENCE, given what a row takes each; never fewer than FEWEST, if there are so many."""
    slowest = max(seconds, default=0.0)
    return min(held_out, max(FEWEST, int(PATIENCE / max(slowest, 1e-9))))


def seconds_a_row(model: Any, examples: Examples) -> float:
    """What one sample and one likelihood take; what cannot be tried untrained counts as nothing."""
    return _trial(lambda rows: _draw(model, rows)) + _trial(lambda rows: _measure(model, examples, rows))


def _trial(act: Callable[[int], float]) -> float:
    """Seconds a row; `act` does some rows and says by what factor the whole is more than what it did."""

    def seconds(rows: int) -> float:
        begun = time.perf_counter()
        factor = act(rows)
        return (time.perf_counter() - begun) * factor

    try:
        act(1)  # the first call of anything is slow
        begun = time.perf_counter()
        few = seconds(FEW)
        if time.perf_counter() - begun > SLOW:
            return few / FEW
        return max(0.0, seconds(MANY) - few) / (MANY - FEW)  # what a batch costs whatever its size is left out
    except (Unsupported, RuntimeError, ValueError):
        return 0.0


def _draw(model: Any, rows: int) -> float:
    sampler = model.objective.sampler()
    steps = _steps(sampler, model.objective)
    some = type(sampler)(**sampler.arguments | {"steps": 2}) if steps > 2 else sampler
    model.sample(rows, sampler=some)
    return steps / 2 if steps > 2 else 1.0


def _measure(model: Any, examples: Examples, rows: int) -> float:
    batch = examples[torch.arange(min(rows, len(examples)))]
    model.log_prob(batch.medium, batch.condition)
    return rows / len(batch.medium)  # a small data set has fewer


def _steps(sampler: Any, objective: Any) -> int:
    """Of a sampler that goes through time; 1 of any other."""
    return sampler.calls(objective) if hasattr(sampler, "calls") else 1
