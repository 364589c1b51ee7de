"""Pictures with their own edges as the condition: what a model learns to draw from sketches by."""

__all__ = ["SKETCH", "WithSketches", "with_sketches"]

from dataclasses import replace
from typing import Any

from jaxtyping import Int
from torch import Tensor

from morphogen.conditioning.sketch import edges
from morphogen.contract import Batch
from morphogen.data.dataset import DataError, Dataset, Examples

SKETCH = "sketch"  # the condition's name


class WithSketches(Examples):
    """The same pictures, each with the sketch of itself.

    Arguments:
        pictures: whose medium is pictures in [-1, 1].
    """

    def __init__(self, pictures: Examples):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        medium = self.pictures[indices].medium
        return Batch(medium, edges(medium))


def with_sketches(data: Any) -> Dataset:
    """Pictures, each with its sketch in the place of a label. Errors: DataError for what are no pictures."""
    if not isinstance(data, Dataset) or data.medium != "pictures":
        raise DataError(f"condition {SKETCH!r}: {data.name} holds no pictures; leave it out")
    train, valid, test = (WithSketches(part) for part in (data.train, data.valid, data.test))
    return replace(data, train=train, valid=valid, test=test, classes=())
