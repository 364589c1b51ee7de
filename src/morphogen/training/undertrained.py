"""Whether a training was too short for its samples to show what the model can do.

    few steps            fewer than FEW: the loss curve has too few windows to show whether it still falls
    few rounds           fewer than MOST of the plan's `rounds`, if these are at most FEW (an EM of 12 rounds)
    warm-up              fewer than twice the steps over which the plan warms up the learning rate
    a falling loss       the last fifth of the steps brought more than STEEP of the whole decline of the loss

With the mean loss m_i of each fifth of the training, the last criterion is

    (m_4 - m_5) / (m_1 - m_5) > STEEP,     and m_4 - m_5 above twice its standard error

A linear decline has 0.25, an exponential one 0.15 after 1.5 time constants and 0.08 after 3, a logarithmic
one 0.10 at any length. It is not applied to several players, whose losses do not measure progress. A plan
with `rounds` that are complete (counted n-grams, converged EM) is never too short.

No paper: a rule of thumb, stated here so that `train`, `sample` and the report say the same.
"""

__all__ = ["falling", "undertrained"]

import math
from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

from morphogen.files import read_json_lines
from morphogen.model import Model
from morphogen.staged import Staged

FEW = 250  # steps, five windows of metrics.jsonl
MOST = 0.8  # fraction of the rounds: the last fifth refines the fit
STEEP = 0.15  # fraction of the decline of the loss in the last fifth of the steps


def undertrained(model: Model | Staged, directory: Path) -> str | None:
    """Why a training was too short, in words that follow the model's name; None: it was not, or is unknown.

    Arguments:
        model: the trained model, whose plan and turns are asked.
        directory: of the training, with its metrics.jsonl, or those of its stages.
    """
    if isinstance(model, Staged):
        reasons = ((name, _reason(stage, directory / name)) for name, stage in model.models.items())
        return next((f"in its stage {name}, it {reason}" for name, reason in reasons if reason), None)
    return (reason := _reason(model, directory)) and f"it {reason}"


def falling(losses: Sequence[float]) -> float:
    """The fraction of the decline of a loss in the last fifth of its values; 0 if it is within the noise.

    Arguments:
        losses: means over equal windows of steps, at least five; 0 for fewer.
    """
    size = len(losses) // 5
    if size == 0:
        return 0.0
    first, before, last = losses[:size], losses[-2 * size : -size], losses[-size:]
    decline, drop = fmean(first) - fmean(last), fmean(before) - fmean(last)
    noise = math.sqrt(2 * _variance(losses[-3 * size :]) / size)
    return drop / decline if decline > 0 and drop > 2 * noise else 0.0


def _reason(model: Any, directory: Path) -> str | None:
    losses: dict[str, list[float]] = {}
    steps = 0
    for line in read_json_lines(directory / "metrics.jsonl", "step", "player"):
        steps = max(steps, int(line["step"]))
        if isinstance(loss := line.get("loss"), int | float) and math.isfinite(loss):
            losses.setdefault(str(line["player"]), []).append(loss)
    if steps == 0:
        return None
    plan, turns = model.plan, len(model.objective.turns)
    rounds = math.inf if plan.rounds is None else plan.rounds
    if steps >= rounds * turns:
        return None
    if rounds * turns <= FEW and steps < MOST * rounds * turns:
        return f"took {steps // turns} of the {rounds} rounds that complete its training"
    if steps < FEW < rounds * turns:
        return f"took {steps} steps, and from {FEW} on one can see whether its loss still falls"
    warmup = getattr(plan.schedule, "warmup", 0) * turns
    if steps < 2 * warmup:
        return f"took {steps} steps, of which the learning rate warms up over {warmup}"
    if len(losses) == 1 and (fraction := falling(next(iter(losses.values())))) > STEEP:
        return f"stopped while its loss was falling: {fraction:.0%} of the decline was in the last fifth"
    return None


def _variance(losses: Sequence[float]) -> float:
    """Variance of the noise on a smooth curve, from second differences (Gasser et al. 1986)."""
    return fmean((a - 2 * b + c) ** 2 for a, b, c in zip(losses, losses[1:], losses[2:], strict=False)) / 6
