"""Rows of a table as records, such as {"city": "Oslo"}."""

__all__ = ["frame_of_records"]

from collections.abc import Mapping
from typing import Any

from morphogen.component import ConfigError


def frame_of_records(table: Any, given: Any) -> Any:
    """Records as a DataFrame with the columns of a table, missing where a record has none; others unchanged.

    Arguments:
        table: the representation of the rows.
        given: a list of {column: value}.

    Errors: ConfigError for a field that is no column.
    """
    if not isinstance(given, list) or not given or not all(isinstance(row, Mapping) for row in given):
        return given
    from pandas import DataFrame, Series

    own = [column.name for column in table.columns]
    beside = [column.name for column in (*([table.label] if table.label else []), *table.constants)]
    fields = {name for row in given for name in row}
    if unknown := next((name for row in given for name in row if name not in {*own, *beside}), None):
        raise ConfigError(f"no column is named {unknown!r}; the columns are {', '.join([*own, *beside])}")
    names = [*own, *(name for name in beside if name in fields)]
    return DataFrame({name: Series([row.get(name) for row in given], dtype=object) for name in names})
