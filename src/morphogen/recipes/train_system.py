"""Training of a system in a new run, as the first step of a recipe."""

__all__ = ["SIZE", "train_system"]

from typing import Any

import torch

from morphogen.catalogue import build_system
from morphogen.data import Dataset, Examples
from morphogen.run import Run, train_run

SIZE = "small"


def train_system(
    system: str,
    data: Dataset,
    budget: float,
    seed: int,
    examples: Examples | None = None,
    size: str = SIZE,
    steps: int | None = None,
    **parts: Any,
) -> Run:
    """Train a system in a new run in runs/, and return the run.

    Arguments:
        system: its name.
        data: the data set that it is built for.
        budget: seconds of training, unless `steps` are given.
        seed: of initial weights and training.
        examples: the training rows; None: those of `data`.
        size: of the system.
        steps: of training; None: as many as the budget allows.
        parts: further arguments of the system's function.
    """
    torch.manual_seed(seed)  # of the initial weights
    model = build_system(system, data.representation, data.conditions, size, **parts)
    spent = {"time": budget} if steps is None else {"steps": steps}
    settings = {"seed": seed, "size": size, "conditions": data.conditions_config} | spent
    run = Run.create("runs", system, data.name, settings)
    train_run(run, model, data.train if examples is None else examples)
    return run
