"""Rows of a table as records, such as {"city": "Oslo"}."""

__all__ = ["classes_in", "frame_of_records", "with_absent_columns"]

from collections.abc import Mapping
from typing import Any

import numpy as np
from jaxtyping import Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.numerics.arrays import tensor_of_array
from morphogen.similar_names import did_you_mean, list_names


def frame_of_records(table: Any, given: Any) -> Any:
    """Records as a DataFrame with the columns of a table, missing where a record has none.

    A DataFrame of another library becomes one of pandas; anything else is unchanged.

    Arguments:
        table: the representation of the rows.
        given: a list of {column: value}.

    Errors: ConfigError for a field that is no column.
    """
    if hasattr(given, "to_pandas"):
        return given.to_pandas()
    if not isinstance(given, list) or not given or not all(isinstance(row, Mapping) for row in given):
        return given
    from pandas import DataFrame, Series

    own = [column.name for column in table.columns]
    beside = [column.name for column in (*([table.label] if table.label else []), *table.constants)]
    fields = {name for row in given for name in row}
    known = {*own, *beside, *table.ignored}
    if unknown := next((name for row in given for name in row if name not in known), None):
        raise ConfigError(f"no column is named {unknown!r}; the columns are {', '.join([*own, *beside])}")
    names = [*own, *(name for name in beside if name in fields)]
    return DataFrame({name: Series([row.get(name) for row in given], dtype=object) for name in names})


def with_absent_columns(table: Any, frame: Any) -> Any:
    """A DataFrame with all columns of a table, missing in every row where it has none of them.

    Arguments:
        table: the representation of the rows.
        frame: some of the columns; anything but a DataFrame is unchanged.

    Errors: ConfigError for a column that the table does not have.
    """
    own = [column.name for column in table.columns]
    if not hasattr(frame, "columns") or not (absent := [name for name in own if name not in frame.columns]):
        return frame
    beside = [column.name for column in (*([table.label] if table.label else []), *table.constants)]
    if unknown := [name for name in frame.columns if name not in {*own, *beside, *table.ignored}]:
        near = did_you_mean(str(unknown[0]), absent)
        raise ConfigError(f"no column is named {unknown[0]!r}; {near}the columns are {list_names(own)}")
    from pandas import Series

    nothing = Series([None] * len(frame), frame.index, dtype=object)
    return frame.assign(**dict.fromkeys(absent, nothing))


def classes_in(table: Any, given: Any) -> Mapping[str, Int[Tensor, " n"]]:
    """The classes in the label's column of a DataFrame or of records, {"label": [n]}; {}: they have none.

    Arguments:
        table: the representation of the rows.
        given: the rows; other rows than these, such as numbers, have no columns.

    Errors: ConfigError for a class that the data do not have, and for a column that they do not have.
    """
    frame, label = frame_of_records(table, given), table.label
    if not hasattr(frame, "columns"):
        return {}
    known = {column.name for column in (*table.columns, *table.constants, *([label] if label else []))}
    if unknown := [name for name in frame.columns if name not in known.union(table.ignored)]:
        raise ConfigError(
            f"the model has no column {unknown[0]!r}: leave it out, df.drop(columns={unknown!r:.200})"
        )
    if label is None or label.name not in frame.columns:
        return {}
    classes = label.numbers(frame[label.name])
    if (missing := np.isnan(classes)).any():
        row = int(missing.argmax())
        raise ConfigError(
            f"column {label.name!r} has no class in row {row}: fill it in, or leave the row out"
        )
    return {"label": tensor_of_array(classes).long()}
