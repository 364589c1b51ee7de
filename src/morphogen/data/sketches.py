"""Pictures with their own edges as the condition: what a model learns to draw from sketches by."""

__all__ = ["WithSketches"]

from jaxtyping import Int
from torch import Tensor

from morphogen.conditioning.sketch import edges
from morphogen.contract import Batch
from morphogen.data.dataset import Examples


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
