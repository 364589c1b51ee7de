"""Pictures conditioned on their own edge maps, as training data for sketch-to-picture models."""

__all__ = ["SKETCH", "WithSketches", "with_sketches"]

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.conditioning.sketch import edges
from morphogen.conditioning.specs import Sketches
from morphogen.contract import Batch
from morphogen.data.dataset import DataError, Dataset, Examples

SKETCH = "sketch"  # the name of the condition


class WithSketches(Examples):
    """Pictures, each with its edge map as the condition.

    Arguments:
        pictures: examples whose medium is pictures in [-1, 1].
    """

    def __init__(self, pictures: Examples):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        medium = self.pictures[indices].medium
        return Batch(medium, {SKETCH: edges(medium)})

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from self.pictures.contents()  # the edges are a function of the pictures


def with_sketches(data: Any) -> Dataset:
    """Replace the labels of pictures by their edge maps. Errors: DataError if the data are not pictures."""
    if not isinstance(data, Dataset) or SKETCH not in data.representation.medium.computed_conditions:
        raise DataError(f"condition {SKETCH!r}: {data.name} has no pictures; leave condition out")
    train, valid, test = (WithSketches(part) for part in (data.train, data.valid, data.test))
    return replace(data, train=train, valid=valid, test=test, conditions={SKETCH: Sketches()})
