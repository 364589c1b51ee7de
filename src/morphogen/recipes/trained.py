"""A system trained on data into a run of its own, as a recipe does it: small, weights from the seed. No paper: a recipe's first line."""

__all__ = ["SIZE", "trained"]

from typing import Any

import torch

from morphogen.catalogue import compose
from morphogen.data import Dataset, Examples
from morphogen.run import Run, train_run

SIZE = "small"


def trained(system: str, data: Dataset, budget: float, seed: int, examples: Examples | None = None, size: str = SIZE, **parts: Any) -> Run:
    """A finished run under runs/.

    Arguments:
        system: its name.
        data: what it is composed for.
        budget: seconds.
        seed: of weights and training.
        examples: what it learns from; None: the training part.
        size: of its page.
        parts: what else its page takes.
    """
    torch.manual_seed(seed)  # weights start from torch's generator
    model = compose(system, data.representation, len(data.classes), size, **parts)
    run = Run.create("runs", system, data.name, {"seed": seed, "time": budget, "size": size, "classes": list(data.classes)})
    train_run(run, model, data.train if examples is None else examples)
    return run
