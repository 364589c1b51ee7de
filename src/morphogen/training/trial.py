"""A trial of a model on two rows, before time is spent on its training."""

__all__ = ["try_losses"]

from collections.abc import Mapping
from typing import Any

import torch

from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.staged import Staged
from morphogen.training.optimizers import players_of
from morphogen.training.step import Examples


def try_losses(model: Model | Staged, examples: Examples) -> None:
    """Compute the losses of every stage and player on two rows; whatever fails is raised."""
    rows = examples[torch.arange(min(2, len(examples)))].to(model.device)
    rng = Rng(0, torch.arange(len(rows), device=model.device))
    stages: Mapping[str, Any] = dict(model.models.items()) if isinstance(model, Staged) else {"": model}
    for name, stage in stages.items():
        batch = model.stage_batch(name, rows, rng) if isinstance(model, Staged) else rows
        for player in players_of(stage):
            stage(batch, rng, player)
