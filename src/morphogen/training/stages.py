"""Staged training: the models of a `Staged` are trained in order, each in `directory/<stage>/`.

A later stage holds an earlier Model inside one of its parts; that Model is a Boundary, which the later
training never updates. A stage whose checkpoint has spent its part of the budget is only loaded, so that
resuming needs no further record.
"""

__all__ = ["split_budget", "train_stages"]

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from morphogen.component import ConfigError
from morphogen.model import Model
from morphogen.staged import Staged
from morphogen.training.progress import Budget

T = TypeVar("T")


def train_stages(
    staged: Staged,
    budgets: Mapping[str, Budget],
    directory: Path | None,
    train: Callable[[str, Model, Budget, Path | None], T],
    finished: Callable[[T], bool],
) -> list[T]:
    """Train each stage with its budget; stop after a stage that did not finish."""
    results: list[T] = []
    for name, budget in budgets.items():
        stage = staged.models[name]
        assert isinstance(stage, Model)
        results.append(train(name, stage, budget, None if directory is None else directory / name))
        if not finished(results[-1]):
            break
    return results


def split_budget(
    budget: Budget, names: Sequence[str], stage_fractions: Mapping[str, float] | None = None
) -> dict[str, Budget]:
    """Split a budget over stages, evenly or by `stage_fractions`; whole steps add up to the budget."""
    weights = dict.fromkeys(names, 1.0) if stage_fractions is None else dict(stage_fractions)
    if set(weights) != set(names) or min(weights.values()) <= 0:
        raise ConfigError(
            f"stage_fractions must give a positive number for each of {', '.join(names)}, not {weights}"
        )
    if budget.steps is not None and budget.steps < len(names):
        raise ConfigError(f"{budget.steps} steps cannot be split over {len(names)} stages: give more")
    parts: dict[str, Budget] = {}
    total, start = sum(weights.values()), 0.0
    for name in names:
        end = start + weights[name] / total
        if budget.steps is None:
            parts[name] = Budget(time=(budget.time or 0.0) * (end - start))
        else:
            parts[name] = Budget(steps=max(1, round(budget.steps * end) - round(budget.steps * start)))
        start = end
    return parts
