"""Estimate the evaluation time before training, since the time of sampling does not depend on the weights.

A small batch is sampled and its likelihood is computed. Of a sampler with many equal steps, two are timed.
If the slowest model would take too long, all models draw fewer samples, because distances between sets of
samples are comparable only for equal n.
"""

__all__ = ["affordable_samples", "seconds_per_row"]

import time
from collections.abc import Callable, Iterable
from typing import Any

import torch

from morphogen.contract import Unsupported
from morphogen.data import Examples
from morphogen.model import generative

PATIENCE = 90.0  # seconds that sampling and the likelihood of the slowest model may take
FEWEST = 256  # samples that are always drawn, if there are that many held-out examples
FEW, MANY = 4, 64  # rows of the first and of the second timing
SLOW = 1.0  # seconds of the first timing above which there is no second


def affordable_samples(seconds: Iterable[float], held_out: int) -> int:
    """The number of samples that every model can draw within PATIENCE, but at least FEWEST.

    Arguments:
        seconds: time per row of each model.
        held_out: number of held-out examples, the largest result.
    """
    slowest = max(seconds, default=0.0)
    return min(held_out, max(FEWEST, int(PATIENCE / max(slowest, 1e-9))))


def seconds_per_row(model: Any, examples: Examples) -> float:
    """Seconds per sample plus seconds per likelihood; 0 for what an untrained model cannot do."""
    return _time(lambda rows: _sample(model, rows)) + _time(lambda rows: _likelihood(model, examples, rows))


def _time(act: Callable[[int], float]) -> float:
    """Seconds per row; `act` processes some rows and returns the ratio of the full cost to its own."""

    def seconds(rows: int) -> float:
        start = time.perf_counter()
        factor = act(rows)
        return (time.perf_counter() - start) * factor

    try:
        act(1)  # warm-up
        start = time.perf_counter()
        few = seconds(FEW)
        if time.perf_counter() - start > SLOW:
            return few / FEW
        return max(0.0, seconds(MANY) - few) / (MANY - FEW)  # the difference excludes the cost per batch
    except (Unsupported, RuntimeError, ValueError):
        return 0.0


def _sample(model: Any, rows: int) -> float:
    sampler = generative(model.objective).default_sampler()
    steps = sampler.calls(model.objective) if hasattr(sampler, "calls") else 1
    if steps <= 2:
        model.sample(rows, sampler=sampler)
        return 1.0
    model.sample(rows, sampler=type(sampler)(**sampler.arguments | {"steps": 2}))
    return steps / 2


def _likelihood(model: Any, examples: Examples, rows: int) -> float:
    batch = examples[torch.arange(min(rows, len(examples)))]
    model.log_prob(batch.medium, model.taken(batch.condition))
    return rows / len(batch.medium)  # a small data set has fewer rows
