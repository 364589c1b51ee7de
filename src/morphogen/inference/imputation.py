"""Imputation: draw the missing cells of a table given the others.

    x_missing ~ p(x_missing | x_given, exists)

The given cells are kept. A single draw varies like the data do, unlike a mean; several draws, with several
seeds, show how uncertain a cell is (Rubin 1987, "Multiple imputation for nonresponse in surveys").
"""

__all__ = ["impute"]

from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.named import names_of
from morphogen.contract import Unsupported


def impute(model: Any, table: Any, seed: int = 0) -> Any:
    """The table with every missing cell drawn: a DataFrame for a DataFrame, else rows as a tensor [n, D].

    Columns of a DataFrame that the model does not have remain as they are.

    Row i depends on (seed, i) and on its own given cells only.

    Arguments:
        model: that takes given cells, such as a trained table_transformer or table_mixture.
        table: a DataFrame with the columns of the model, or rows as `data.train` has them, NaN where missing.
        seed: random seed.

    Errors: Unsupported for another model; ConfigError for cells that the model does not have, and for a
    model with classes without the column of the classes.
    """
    if "cells" not in names_of(model.conditioner):
        kind = type(model.objective).__name__
        raise Unsupported(f"{kind} does not draw cells given others: use table_transformer or table_mixture")
    source = model.representation.source
    medium = source.read(table).clone()
    labels = _labels(model, table)
    rows = medium.isnan().any(1).nonzero()[:, 0]
    if len(rows):
        condition = {"cells": medium[rows]} | ({} if labels is None else {"label": labels[rows]})
        default = model.objective.default_sampler()
        sampler = type(default)(**default.arguments | {"complete": True})
        drawn = model.sample(len(rows), condition, sampler, seed, rows).tensor
        medium[rows] = torch.where(medium[rows].isnan(), drawn, medium[rows])
    if not hasattr(table, "columns"):
        return medium
    filled = source.frame(medium, labels).set_axis(table.index)
    return table.assign(**{name: filled[name] for name in filled})


def _labels(model: Any, table: Any) -> Int[Tensor, " n"] | None:
    """The class of each row, for a model that takes it. Errors: ConfigError if the table does not have it."""
    column = model.representation.source.label
    if "label" not in names_of(model.conditioner):
        return None
    if column is None or not hasattr(table, "columns") or column.name not in table.columns:
        name = "the classes" if column is None else repr(column.name)
        raise ConfigError(f"the model requires the class of each row: give a DataFrame with {name}")
    values = column.numbers(table[column.name])
    if (values != values).any():
        raise ConfigError(f"column {column.name!r} has missing cells, which the model requires: fill them in")
    return torch.from_numpy(values).long()
