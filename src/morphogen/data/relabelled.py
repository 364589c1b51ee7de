"""Examples whose labels are those of another data set with the same class names, or with more of them."""

__all__ = ["Relabelled", "with_classes_of", "with_labels_of"]

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.contract import Batch, ConditionSpec
from morphogen.data.dataset import DataError, Dataset, Examples


class Relabelled(Examples):
    """Examples with other labels: label i becomes index[i].

    Arguments:
        examples: with labels.
        index: [C], the new label of each class.
        label: what the new labels are.
    """

    def __init__(self, examples: Examples, index: Int[Tensor, " c"], label: ConditionSpec):
        self.examples, self.index = examples, index
        self.overlap = examples.overlap
        self.labels = None if examples.labels is None else index[examples.labels]
        self.belong_to(examples)
        self.conditions = {**examples.conditions, "label": label}

    def __len__(self) -> int:
        return len(self.examples)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        batch = self.examples[indices]
        label = self.index[batch.condition["label"]]
        return replace(batch, condition={**batch.condition, "label": label})

    def coordinates(self, medium: Shaped[Tensor, "m ..."]) -> Shaped[Tensor, "m e"]:
        return self.examples.coordinates(medium)

    def contents(self) -> Iterator[Shaped[Tensor, "..."]]:
        yield from self.examples.contents()
        yield self.index


def with_classes_of(dataset: Dataset, conditions: Mapping[str, ConditionSpec]) -> Dataset:
    """The data set with the labels of a trained model; the names of the classes identify them.

    Arguments:
        dataset: the data.
        conditions: what the model was trained on, as `Dataset.conditions`.

    Errors: DataError for a class that the model does not know, or if it has classes and the data have none.
    """
    if "label" not in conditions:
        kept = {name: spec for name, spec in dataset.conditions.items() if name != "label"}
        return replace(dataset, conditions=kept)
    names: tuple[str, ...] = conditions["label"].names  # type: ignore[attr-defined]
    if not dataset.classes:
        raise DataError(
            f"{dataset.name} has no classes, but the run was trained with {', '.join(names)}; "
            "give data with these classes"
        )
    if unknown := [name for name in dataset.classes if name not in names]:
        raise DataError(
            f"{dataset.name}: the run has no class {unknown[0]!r}, it was trained with {', '.join(names)}; "
            "rename or remove it, or train a new model on all the data"
        )
    if dataset.classes == names:
        return dataset
    label, index = conditions["label"], torch.tensor([names.index(name) for name in dataset.classes])
    parts: dict[str, Any] = {
        part: Relabelled(getattr(dataset, part), index, label) for part in ("train", "valid", "test")
    }
    return replace(dataset, **parts, conditions={**dataset.conditions, "label": label})


def with_labels_of(examples: Examples, conditions: Mapping[str, ConditionSpec]) -> Examples:
    """The rows with a model's label of each class, by name; unchanged if either has no names.

    Errors: DataError for a class that the model does not have.
    """
    known, own = (specs.get("label") for specs in (conditions, examples.conditions))
    names, classes = getattr(known, "names", ()), getattr(own, "names", ())
    if known is None or not names or not classes or names == classes:
        return examples
    if other := [name for name in classes if name not in names]:
        raise DataError(f"no class of the model is named {other[0]!r}; its classes are {', '.join(names)}")
    return Relabelled(examples, torch.tensor([names.index(name) for name in classes]), known)
