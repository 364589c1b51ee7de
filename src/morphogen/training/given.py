"""What a person gives to `train`: rows of a data set, or arrays that are read as `load_data` reads them.

    train(model, data.train)             examples
    train(model, data)                   the train part of a `Dataset`
    train(model, Subset(data.train, rows))      some of them
    train(model, X), train(model, (X, y))    all rows of arrays, lists, DataFrames, torch data sets

The model knows its medium, shape, tokenizer and classes, so that nothing has to be said twice.
"""

__all__ = ["Chosen", "Joined", "training_rows"]

from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor, nn
from torch.utils.data import Subset

from morphogen.component import ConfigError, to_config
from morphogen.conditioning.caption import CAPTION
from morphogen.contract import Batch
from morphogen.data import DataError, Dataset, load_data
from morphogen.data.containers import unpack
from morphogen.data.dataset import Examples
from morphogen.data.relabelled import with_labels_of
from morphogen.model import Model, give_specs
from morphogen.numerics.trees import cat_padded
from morphogen.staged import Staged


class Joined(Examples):
    """The rows of several examples, one after the other.

    Arguments:
        parts: the examples.
    """

    def __init__(self, parts: Sequence[Examples]):
        self.parts = [part for part in parts if len(part)]
        self.ends = torch.tensor(list(accumulate(map(len, self.parts))))
        self.belong_to(self.parts[0])

    def __len__(self) -> int:
        return int(self.ends[-1])

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        part = torch.bucketize(indices, self.ends, right=True)
        starts = torch.cat([torch.zeros(1, dtype=torch.long), self.ends[:-1]])
        order = part.argsort(stable=True)
        batches = [self.parts[p][(indices - starts[p])[part == p]] for p in part.unique().tolist()]
        back = order.argsort()
        parts = ([getattr(batch, name) for batch in batches] for name in ("medium", "condition"))
        medium, condition = map(cat_padded, parts)
        return Batch(medium, condition)[back]


class Chosen(Examples):
    """Some rows of other examples.

    Arguments:
        examples: the others.
        rows: [N], their numbers.
    """

    def __init__(self, examples: Examples, rows: Int[Tensor, " n"]):
        self.examples, self.rows = examples, rows
        self.belong_to(examples)

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, indices: Int[Tensor, " b"]) -> Batch:
        return self.examples[self.rows[indices]]


def training_rows(model: Model | Staged, given: Any, labels: Any = None) -> Any:
    """The rows to train on. Errors: ConfigError and DataError for what the model cannot be trained on."""
    _check_parts(model)
    given = given if labels is None else (given, labels)
    if isinstance(given, Dataset):
        return _fitting(model, given.train)
    if isinstance(given, Examples):
        return _fitting(model, given)
    if (chosen := _chosen(given)) is not None:
        return _fitting(model, chosen)
    if (first := _first_batch(given, model.representation.source.checked_rows)) is not None:
        model.representation.source.check_trainable(model.representation.check(first.medium))
        _check_conditions(model, first)
        return given
    return _fitting(model, _every_row(given, model.representation.source, _taken(model)))


def _every_row(given: Any, source: Any, taken: set[str]) -> Examples:
    """All rows of data; of those that cannot be split, all are the train part of one's own split.

    What is given beside the values are captions if the model takes these and no labels.
    """
    reading = source.medium.reading(source)
    given = source.medium.given(list(given) if isinstance(given, Iterator) else given, source)
    if CAPTION in taken and "label" not in taken and not isinstance(given, str | Path):
        held = unpack(given)
        given, captions = held.values, held.labels if held.captions is None else held.captions
        reading = {**reading, "captions": captions}
    try:
        data = load_data(given, **reading)
    except DataError:
        values, labels = unpack(given)[:2]
        if not (source.medium.has_class_folders and hasattr(values, "__getitem__") and len(values)):
            raise
        one = (values[:1], None if labels is None else labels[:1])
        return load_data((values, labels), valid=one, test=one, **reading).train
    return Joined((data.train, data.valid, data.test))


def _fitting(model: Model | Staged, rows: Examples) -> Examples:
    """The rows with the labels of the model. Errors: DataError and ConfigError for those of other data."""
    source = model.representation.source
    if rows.representation is not None:
        medium = rows.representation.medium
        if medium is not source.medium:
            raise DataError(
                f"the examples are {medium}, the model is for {source.medium}; give such data, "
                "or a batch of tensors, mg.Batch(X)"
            )
        medium.check_comparable(source, rows.representation)
        source.check_trainable(source.check(rows.first(source.checked_rows).medium))
    _check_conditions(model, rows.first(1))
    give_specs(model, rows.conditions)
    stages: list[Any] = [*model.models.values()] if isinstance(model, Staged) else [model]
    for stage in stages:
        joined = {name: spec.joined(rows.conditions.get(name, spec)) for name, spec in stage.specs.items()}
        stage.specs = joined
    return with_labels_of(rows, model.specs)


def _check_conditions(model: Model | Staged, first: Batch) -> None:
    """Errors: DataError for rows without a condition that the model learns, which would not be trained."""
    if missing := sorted(_taken(model) - first.condition.keys()):
        what = "labels" if missing == ["label"] else f"the condition {', '.join(missing)}"
        remedy = "give them, mg.train(model, mg.load_data(X, y))"
        remedy = remedy if missing == ["label"] else "give examples with it in batch.condition"
        raise DataError(
            f"the model takes {what}, and the examples have none: {remedy}; or build a model without, "
            "mg.build_system(name, mg.load_data(X))"
        )


def _taken(model: Model | Staged) -> set[str]:
    """The conditions of the data that a model learns; a stage gives its samples to the later ones."""
    stages = model.models if isinstance(model, Staged) else {"": model}
    conditioners: list[Any] = [stage.conditioner for stage in stages.values()]
    return {name for each in conditioners if each is not None for name in each.trained_on} - set(stages)


def _chosen(given: Any) -> Examples | None:
    """The rows of a `torch.utils.data.Subset` of examples; None for anything else."""
    if not isinstance(given, Subset) or not isinstance(given.dataset, Examples):
        return None
    return Chosen(given.dataset, torch.as_tensor(list(given.indices), dtype=torch.long))


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


def _first_batch(given: Any, rows: int) -> Batch | None:
    """The first rows of examples that are indexed by tensors of row numbers; None for anything else."""
    if isinstance(given, str | Tensor) or not (hasattr(given, "__len__") and hasattr(given, "__getitem__")):
        return None
    try:
        first = given[torch.arange(min(rows, len(given)))]
    except (TypeError, ValueError, LookupError, RuntimeError):
        return None
    return first if isinstance(first, Batch) else None
