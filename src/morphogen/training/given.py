"""What a person gives to `train`: rows of a data set, or arrays that are read as `load_data` reads them.

    train(model, data.train)             examples
    train(model, data)                   the train part of a `Dataset`
    train(model, X), train(model, (X, y))    all rows of arrays, lists, DataFrames, torch data sets

The model knows its medium, shape, tokenizer and classes, so that nothing has to be said twice.
"""

__all__ = ["Joined", "training_rows"]

from collections.abc import Sequence
from itertools import accumulate
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn

from morphogen.component import ConfigError, to_config
from morphogen.contract import Batch
from morphogen.data import DataError, Dataset, load_data
from morphogen.data.dataset import Examples
from morphogen.data.relabelled import with_classes_of
from morphogen.model import Model, give_specs
from morphogen.numerics.trees import cat
from morphogen.staged import Staged


class Joined(Examples):
    """The rows of several examples, one after the other.

    Arguments:
        parts: the examples.
    """

    def __init__(self, parts: Sequence[Examples]):
        self.parts = [part for part in parts if len(part)]
        self.ends = torch.tensor(list(accumulate(map(len, self.parts))))

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        part = torch.bucketize(indices, self.ends, right=True)
        starts = torch.cat([torch.zeros(1, dtype=torch.long), self.ends[:-1]])
        order = part.argsort(stable=True)
        batches = [self.parts[p][(indices - starts[p])[part == p]] for p in part.unique().tolist()]
        back = order.argsort()
        medium, condition = (cat([getattr(b, name) for b in batches]) for name in ("medium", "condition"))
        return Batch(medium, condition)[back]


def training_rows(model: Model | Staged, given: Any) -> Any:
    """The rows to train on. Errors: ConfigError and DataError for what the model cannot be trained on."""
    _check_parts(model)
    if isinstance(given, Examples):
        return given
    source = model.representation.source
    is_dataset = isinstance(given, Dataset)
    if not is_dataset and (first := _first_batch(given)) is not None:
        model.representation.check(first.medium)
        return given
    data = given if is_dataset else load_data(given, **source.medium.reading(source))
    if data.medium != source.medium.name:
        raise DataError(f"the examples are {data.medium}, the model is for {source.medium}; give such data")
    source.medium.check_comparable(source, data.representation)
    data = _with_labels_of(model, data)
    rows = data.train if is_dataset else Joined((data.train, data.valid, data.test))
    source.check(rows.first(64).medium)
    give_specs(model, data.conditions)
    return rows


def _check_parts(model: Any) -> None:
    """Check that a model can be saved once it is trained. Errors: ConfigError with the remedy."""
    if isinstance(model, Model | Staged):
        to_config(model)
        return
    kind = type(model).__name__
    what = "a network" if isinstance(model, nn.Module) else "not a model"
    raise ConfigError(
        f"{kind} is {what}: give it to an objective, mg.Model(objective, data.representation), or build a "
        'model by name, mg.build_system("ddpm", data.representation, data.conditions)'
    )


def _first_batch(given: Any) -> Batch | None:
    """The first row of examples that are indexed by tensors of row numbers; None for anything else."""
    if isinstance(given, str | Tensor) or not (hasattr(given, "__len__") and hasattr(given, "__getitem__")):
        return None
    try:
        first = given[torch.arange(min(1, len(given)))]
    except (TypeError, ValueError, LookupError, RuntimeError):
        return None
    return first if isinstance(first, Batch) else None


def _with_labels_of(model: Model | Staged, data: Dataset) -> Dataset:
    """The data with the model's label of each class, by name; unchanged if the model has no names.

    Errors: DataError for a class that the model does not have.
    """
    last = model if isinstance(model, Model) else model.last
    label = last.specs.get("label")
    known = getattr(label, "names", ())
    if label is None or not known or not data.classes:
        return data
    if other := [name for name in data.classes if name not in known]:
        raise DataError(f"no class of the model is named {other[0]!r}; its classes are {', '.join(known)}")
    return with_classes_of(data, {"label": label})
