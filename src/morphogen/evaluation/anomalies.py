r"""Anomalies: rows ranked by their likelihood under a model, and how rare such a likelihood is.

    surprise(x) = -log2 p(x | c) / dims                                                      (bits per unit)
    p-value(x)  = (1 + #{typical rows at least as surprising}) / (1 + #{typical rows})

The p-value is conformal: for a row of the distribution of the typical ones, which the model has not seen, it
is at most alpha with probability at most alpha, whatever the model (Vovk, Gammerman & Shafer 2005; Bates,
Candes, Lei, Romano & Sesia 2023, "Testing for outliers with conformal p-values"). A good density finds rows
in regions of low density. It does not find pictures that are simpler than those of training, which have a
higher likelihood (Nalisnick, Matsukawa, Teh, Gorur & Lakshminarayanan 2019). A cell that the model cannot
have, such as an unknown category, makes its row the least likely of all.
"""

__all__ = ["Anomalies", "anomalies"]

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float64, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.conditioning.named import names_of
from morphogen.data.dataset import Dataset, Examples
from morphogen.data.relabelled import with_labels_of
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.likelihood import evenly_spaced_indices
from morphogen.model import Model
from morphogen.numerics.trees import Tree
from morphogen.representations.tabular.records import frame_of_records
from morphogen.staged import Staged

TYPICAL = 1000  # largest number of typical rows


class Anomalies(NamedTuple):
    """Rows by likelihood.

    Arguments:
        order: the rows, the least likely first.
        surprise: of each row, in bits per unit of the medium; infinite if a cell cannot be.
        p_value: of each row; NaN without typical rows.
        beyond: of each row, the cells that the model cannot have, in words; "": none.
    """

    order: Int[Tensor, " n"]
    surprise: Float64[Tensor, " n"]
    p_value: Float64[Tensor, " n"]
    beyond: list[str]


@reads_arguments
def anomalies(
    model: Model | Staged, rows: Any, typical: Any = None, condition: Tree | None = None, seed: int = 0
) -> Anomalies:
    """Rank rows by their likelihood.

    Arguments:
        model: with a likelihood, of any medium.
        rows: [n, ...], as `model.log_prob` takes them; the rows of a data set; a DataFrame for a table.
        typical: rows of the same kind that are known to be normal and that the model was not trained on, such
            as `data.test`; at most 1,000 of them are used; None: no p-values.
        condition: of the rows, as in `model.log_prob`; None: the classes in a table's own column, or none.
        seed: of estimates and dequantisation.

    Errors: Unsupported without a likelihood; ConfigError for rows of another kind.
    """
    medium, given, cells = _readable(model, *_of_examples(model, rows, condition))
    surprise = _surprise(model, medium, given, seed)
    impossible = torch.tensor([len(words) for words in cells] or [0] * len(surprise))
    p_value = torch.full_like(surprise, torch.nan)
    if typical is not None:
        usual, theirs, _ = _readable(model, *_of_examples(model, typical, None, TYPICAL))
        known = _surprise(model, usual, theirs, seed).sort().values
        at_least = len(known) - torch.searchsorted(known, surprise)
        p_value = (1 + at_least) / (1 + len(known))
        p_value[impossible > 0] = 1 / (1 + len(known))
    order = np.lexsort((-surprise.numpy(), -impossible.numpy()))
    surprise = torch.where(impossible > 0, torch.inf, surprise)
    beyond = ["; ".join(words) for words in cells] or [""] * len(surprise)
    return Anomalies(torch.from_numpy(order), surprise, p_value, beyond)


def _of_examples(
    model: Any, rows: Any, condition: Tree | None, most: int | None = None
) -> tuple[Any, Tree | None]:
    """The medium and the conditions of rows of a data set, with the model's labels; others unchanged.

    Errors: ConfigError for a whole data set, which has three parts.
    """
    if isinstance(rows, Dataset):
        raise ConfigError("rows is a data set of three parts: give one of them, such as data.test")
    if not isinstance(rows, Examples):
        return rows, condition
    batch = with_labels_of(rows, model.specs)[evenly_spaced_indices(len(rows), most)]
    given = {name: batch.condition[name] for name in names_of(model.conditioner) if name in batch.condition}
    return batch.medium, condition if condition is not None else given or None


def _surprise(model: Any, medium: Any, condition: Tree | None, seed: int) -> Float64[Tensor, " n"]:
    likelihood = model.log_prob(medium, condition, seed=seed)
    return (-likelihood.nats.double() / (math.log(2) * likelihood.dims)).cpu()


def _readable(model: Any, rows: Any, condition: Tree | None) -> tuple[Any, Tree | None, list[list[str]]]:
    """Rows that have a likelihood, their conditions, and the cells of each that were replaced ([]: no table).

    Of a table, a cell that the model cannot have is replaced by the nearest value, or the most common one.
    """
    table = model.representation.source
    if not hasattr(table, "support"):
        return rows, condition, []
    frame = frame_of_records(table, rows)
    if not hasattr(frame, "columns"):
        medium = table.read(frame).clone()
        beyond = _in_words(medium, {})
    else:
        frame, unknown = frame.copy(), {}
        for column in (*table.columns, *([table.label] if table.label is not None else [])):
            if column.name in frame.columns:
                unknown[column.name] = bad = _unreadable(column, frame[column.name])
                frame[column.name] = frame[column.name].astype(object).mask(bad, None)
        beyond = _in_words(rows, unknown)
        condition = _classes(table, frame) if condition is None else condition
        medium = table.read(frame.reset_index(drop=True)).clone()
    for j, (column, cells) in enumerate(zip(table.columns, medium.T, strict=True)):
        gone = cells.isnan()
        if gone.any() and not column.can_be_missing:
            common = column.decode(1 + column.masses[1:].argmax()[None], torch.full((1,), 0.5).double())
            medium[gone, j] = common.double()
    inside = table.support.contains(medium)
    for i, j in (~inside).nonzero().tolist():
        column = table.columns[j]
        shown = column.format_value(medium[i, j].item())
        beyond[i].append(f"{column.name}: {shown} is outside of {column.range_in_words()}")
    return table.support.nearest(medium), condition, beyond


def _unreadable(column: Any, cells: Any) -> Bool[np.ndarray, " n"]:
    """Which cells are no value of a column, or missing where no row of the training was."""
    from pandas import isna

    gone = np.asarray(isna(cells))
    missing = gone & (not column.can_be_missing)
    try:
        column.numbers(cells)
    except ConfigError:
        known = {cell for cell in cells[~gone].unique() if _is_known(column, cell)}
        return missing | (~gone & ~np.array([cell in known for cell in cells]))
    return missing


def _is_known(column: Any, cell: Any) -> bool:
    try:
        column.numbers([cell])
    except ConfigError:
        return False
    return True


def _in_words(frame: Any, unknown: Mapping[str, Bool[np.ndarray, " n"]]) -> list[list[str]]:
    """The unknown cells of each row."""
    words: list[list[str]] = [[] for _ in range(len(frame))]
    for name, cells in unknown.items():
        for i in cells.nonzero()[0].tolist():
            cell = frame[name].iloc[i]
            words[i].append(f"{name}: missing" if cell is None or cell != cell else f"{name}: {cell} is new")
    return words


def _classes(table: Any, frame: Any) -> Mapping[str, Tensor] | None:
    """The classes in the label's column; a class that the model does not know is the most common one."""
    label = table.label
    if label is None or label.name not in frame.columns:
        return None
    classes = torch.from_numpy(label.numbers(frame[label.name]))
    return {"label": classes.nan_to_num(float(label.masses[1:].argmax())).long()}
