"""Imputation: draw the missing cells of a table given the others.

    x_missing ~ p(x_missing | x_given, exists)

The given cells are kept. A single draw varies like the data do, unlike a mean; several draws, with several
seeds, show how uncertain a cell is (Rubin 1987, "Multiple imputation for nonresponse in surveys"). A number
beyond those of the data has probability 0, so that no distribution is conditional on it: the nearest value
that the model knows stands for it, with a warning.
"""

__all__ = ["IMPUTERS", "impute"]

import warnings
from typing import Any

import numpy as np
import torch
from jaxtyping import Bool, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.named import names_of
from morphogen.contract import Unsupported
from morphogen.numerics.arrays import tensor_of_array
from morphogen.representations.tabular.pandas_series import texts_of
from morphogen.representations.tabular.records import frame_of_records, with_absent_columns
from morphogen.wrong_calls import explains_calls

IMPUTERS = ("table_transformer", "table_mixture", "table_vae", "gaussian_copula", "kernel_density")


@explains_calls
def impute(model: Any, table: Any, seed: int = 0) -> Any:
    """The table with every missing cell drawn: a DataFrame for one or for records, else a tensor [n, D].

    Columns that a DataFrame lacks are drawn too, and are last; other columns and given cells remain. A
    warning names a number beyond the model's range. Row i depends on (seed, i) and its own given cells only.

    Arguments:
        model: that takes given cells: a trained one of `IMPUTERS`, or of your own.
        table: a DataFrame or records with some of the columns of the model, or rows as `data.train` has them,
            NaN where missing.
        seed: random seed.

    Errors: Unsupported for another model; ConfigError for cells that the model does not have, and for a
    model with classes without the column of the classes.
    """
    if not hasattr(model, "conditioner"):
        kind = type(model).__name__
        raise ConfigError(f"model is of type {kind}: write mg.impute(model, table), the model first")
    if "cells" not in names_of(model.conditioner):
        kind = type(model.objective).__name__
        raise Unsupported(f"{kind} does not draw cells given others: use one of {', '.join(IMPUTERS)}")
    source = model.representation.source
    table = with_absent_columns(source, frame_of_records(source, table))
    medium = source.read(table).clone()
    if fault := source.support.fault(medium):
        warnings.warn(f"{fault}: missing cells are drawn as if given the nearest value", stacklevel=2)
    near, labels = source.support.nearest(medium), _labels(model, table)
    missing = medium.isnan()
    rows = missing.any(1).nonzero()[:, 0]
    if len(rows):
        condition = {"cells": near[rows]} | ({} if labels is None else {"label": labels[rows]})
        default = model.objective.default_sampler()
        sampler = type(default)(**default.arguments | {"complete": True})
        drawn = model.sample(len(rows), condition, sampler, seed, rows).tensor
        medium[rows] = torch.where(missing[rows], drawn, medium[rows])
    if not hasattr(table, "columns"):
        return medium
    return _assigned(source, table, source.frame(source.support.nearest(medium), labels), missing)


def _assigned(source: Any, table: Any, drawn: Any, missing: Bool[Tensor, "n d"]) -> Any:
    """The table with the missing cells of the model's columns drawn."""
    drawn = drawn.set_axis(table.index)
    gone = {column.name: cells.numpy() for column, cells in zip(source.columns, missing.T, strict=True)}
    return table.assign(**{name: _filled(table[name], drawn[name], gone[name]) for name in gone})


def _filled(given: Any, drawn: Any, missing: Bool[np.ndarray, " n"]) -> Any:
    """A column with its missing cells drawn; its dtype is that of the model, if all cells fit it.

    Numbers in text become numbers, whose text the model does not know.
    """
    if not missing.any():
        return given
    if drawn.dtype.kind in "iuf" and texts_of(given) is not None:
        return drawn
    cells = given.astype(object).where(~missing, drawn.astype(object))
    try:
        return cells.astype(drawn.dtype)
    except (TypeError, ValueError):
        return cells


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
        raise ConfigError(
            f"column {column.name!r} has missing cells, which the model requires: fill them in, or "
            "give a model of mg.load_data(df), without condition=, which imputes this column too"
        )
    return tensor_of_array(values).long()
