"""Stages: the models of a `Staged` trained in their order, each an ordinary training into `directory/<stage>/`.

A later stage holds an earlier Model inside a part; that Model is a Boundary, which the later training never touches. A stage
whose checkpoint has spent its share of the budget is only loaded, so that resuming needs no record of its own.
"""

__all__ = ["in_order", "shared"]

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TypeVar

from morphogen.component import ConfigError
from morphogen.compose import Staged
from morphogen.model import Model
from morphogen.training.progress import Budget

T = TypeVar("T")


def in_order(
    staged: Staged, budget: Budget, shares: Mapping[str, float] | None, directory: Path | None,
    train: Callable[[str, Model, Budget, Path | None], T], finished: Callable[[T], bool],
) -> list[T]:  # fmt: skip
    """Train each stage with its share of the budget; stop after one that did not finish."""
    done: list[T] = []
    for name, part in shared(budget, list(staged.models), shares).items():
        stage = staged.models[name]
        assert isinstance(stage, Model)
        done.append(train(name, stage, part, None if directory is None else directory / name))
        if not finished(done[-1]):
            break
    return done


def shared(budget: Budget, names: Sequence[str], shares: Mapping[str, float] | None = None) -> dict[str, Budget]:
    """The budget cut into one part a stage, evenly or by `shares`; steps are whole numbers that add up."""
    weights = dict.fromkeys(names, 1.0) if shares is None else dict(shares)
    if set(weights) != set(names) or min(weights.values()) <= 0:
        raise ConfigError(f"shares must give each stage a positive number; the stages are {', '.join(names)}, got {weights}")
    if budget.steps is not None and budget.steps < len(names):
        raise ConfigError(f"{budget.steps} steps cannot be shared by {len(names)} stages; ask for more")
    parts: dict[str, Budget] = {}
    total, before = sum(weights.values()), 0.0
    for name in names:
        after = before + weights[name] / total
        if budget.steps is None:
            parts[name] = Budget(time=(budget.time or 0.0) * (after - before))
        else:
            parts[name] = Budget(steps=max(1, round(budget.steps * after) - round(budget.steps * before)))
        before = after
    return parts
