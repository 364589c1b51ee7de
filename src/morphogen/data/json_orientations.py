"""The rows of a JSON file in any orientation of pandas, or as services send them.

    records   [{"a": 1, "b": 2}, ...]                      also below "data": {"data": [...]}
    columns   {"a": {"0": 1, ...}, "b": {...}}             also {"a": [1, ...], "b": [...]}
    index     {"0": {"a": 1, "b": 2}, ...}
    split     {"columns": ["a", "b"], "data": [[1, 2], ...]}
    values    [[1, 2], ...]

"columns" and "index" have the same form. The keys of an index are numbers, or else there are more of them
than columns.
"""

__all__ = ["rows_of_json"]

from collections.abc import Mapping, Sequence
from typing import Any


def rows_of_json(value: Any) -> list[Any] | None:
    """The rows of a parsed file: mappings from column to cell, or the items of a list; None: it has none."""
    if isinstance(value, Mapping):
        return _rows_of_mapping(value)
    if not isinstance(value, list) or not value:
        return None
    if all(isinstance(row, list) for row in value) and len({len(row) for row in value}) == 1:
        return _named([f"column{j + 1}" for j in range(len(value[0]))], value)
    return value


def _rows_of_mapping(value: Mapping[str, Any]) -> list[Any] | None:
    data, names = value.get("data"), value.get("columns")
    if isinstance(data, list) and data:
        if all(isinstance(row, Mapping) for row in data):
            return data
        if isinstance(names, list) and all(isinstance(row, list) and len(row) == len(names) for row in data):
            return _named(list(map(str, names)), data)
    columns = list(value.values())
    if not columns or not all(map(_is_flat, columns)) or len({len(column) for column in columns}) > 1:
        return None
    if all(isinstance(column, list) for column in columns):
        return _named(list(value), list(zip(*columns, strict=True)))
    if not all(isinstance(column, Mapping) and column.keys() == columns[0].keys() for column in columns):
        return None
    if _has_index(value, columns[0]):
        return columns
    return [{name: column[key] for name, column in value.items()} for key in columns[0]]


def _has_index(outer: Mapping[str, Any], inner: Mapping[str, Any]) -> bool:
    """Whether the outer keys, rather than the inner ones, are those of rows."""
    numbered = [all(key.isdecimal() for key in keys) for keys in (outer, inner)]
    return numbered[0] if numbered[0] != numbered[1] else len(outer) > len(inner)


def _is_flat(column: Any) -> bool:
    """Whether a value is a list or mapping of cells, at least one."""
    cells = column.values() if isinstance(column, Mapping) else column if isinstance(column, list) else ()
    return len(cells) > 0 and not any(isinstance(cell, Mapping | list) for cell in cells)


def _named(names: Sequence[str], rows: Sequence[Sequence[Any]]) -> list[dict[str, Any]]:
    return [dict(zip(names, row, strict=True)) for row in rows]
