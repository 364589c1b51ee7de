"""What the laws are checked on: the stages of a model, contexts of a batch, tolerances."""

__all__ = [
    "assert_close",
    "context_of",
    "generates",
    "last_stage",
    "relative_distance",
    "stage_batches",
    "stages",
]

from collections.abc import Iterator
from typing import Any

from torch import Tensor

from morphogen.contract import Batch, Objective
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.numerics.trees import Tree, leaves, tree_map
from morphogen.staged import Staged


def stages(model: Any) -> Iterator[Any]:
    """The models that are trained one after another; a `Model` is its only stage."""
    yield from model.models.values() if isinstance(model, Staged) else [model]


def stage_batches(model: Any, batch: Batch) -> Iterator[tuple[Any, Batch]]:
    """Each stage with the batch that it is trained on, with the conditions made by earlier stages."""
    if not isinstance(model, Staged):
        yield model, batch
        return
    for name, stage in model.models.items():
        batch = model.stage_batch(name, batch, Rng(0, len(batch), ("law",)))
        yield stage, batch


def last_stage(model: Any) -> Any:
    """The stage that samples."""
    return list(stages(model))[-1]


def context_of(model: Model, batch: Batch) -> Any:
    """The context of the first two rows."""
    return model.context(model.taken(batch[:2].condition), 2)


def generates(model: Any) -> bool:
    """Whether the model generates samples; the last stage may be another `Trainable`."""
    return isinstance(last_stage(model).objective, Objective)


def relative_distance(a: Tensor, b: Tensor) -> float:
    """The largest |a - b| / (1 + |b|)."""
    return ((a - b).abs() / (1 + b.abs())).max().item()


def assert_close(a: Tree, b: Tree, tolerance: float, what: str) -> None:
    """Assert |a - b| <= tolerance (1 + |b|) everywhere. Errors: AssertionError that names `what`."""
    distance = max(leaves(tree_map(relative_distance, a, b)))
    assert distance <= tolerance, f"{what} differs by {distance:.2g} (> {tolerance:g})"
