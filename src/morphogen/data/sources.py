"""Pictures of two kinds without pairs, as training data for translation between them.

Row i has picture i of the one kind and picture i of the other, its condition "source". Which are in the same
row has no meaning. The kind with fewer pictures begins again, so that all are used (Zhu et al. 2017).
"""

__all__ = ["SOURCE", "WithSources", "with_sources"]

from collections.abc import Iterator
from dataclasses import replace

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.contract import Batch
from morphogen.data.dataset import DataError, Dataset, Examples
from morphogen.media.pictures import PICTURES

SOURCE = "source"  # the name of the condition


class WithSources(Examples):
    """Pictures, each with a picture of another kind as the condition.

    Arguments:
        pictures: examples whose medium is pictures.
        sources: examples whose medium is the pictures of the other kind.
    """

    def __init__(self, pictures: Examples, sources: Examples):
        self.pictures, self.sources = pictures, sources
        if pictures.labels is not None:
            self.labels = pictures.labels[torch.arange(len(self)) % len(pictures)]

    def __len__(self) -> int:
        return max(len(self.pictures), len(self.sources))

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        rows = self.pictures[indices % len(self.pictures)]
        return Batch(
            rows.medium, {**rows.condition, SOURCE: self.sources[indices % len(self.sources)].medium}
        )

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from self.pictures.contents()
        yield from self.sources.contents()


def with_sources(data: Dataset, sources: Dataset) -> Dataset:
    """Pictures of one data set with those of another as their conditions, part by part of both splits.

    Errors: DataError for other media, and for pictures of different sizes.
    """
    for one in (data, sources):
        if one.representation.medium is not PICTURES:
            raise DataError(f"source: {one.name} has no pictures; leave source out")
    sides, others = data.representation.shape[1:], sources.representation.shape[1:]
    if sides != others:
        shapes = f"{others[1]} x {others[0]} pixels, {data.name} {sides[1]} x {sides[0]}"
        raise DataError(f"source: {sources.name} has {shapes}; resize one of them to the size of the other")
    parts = {
        name: WithSources(getattr(data, name), getattr(sources, name)) for name in ("train", "valid", "test")
    }
    conditions = {**data.conditions, SOURCE: sources.representation}
    note = f"source: {sources.name}, without pairs; {sources.split}"
    return replace(data, **parts, conditions=conditions, notes=(*data.notes, note))  # type: ignore[arg-type]
