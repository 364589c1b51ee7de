"""Cells of several tables with the same columns, as arrays: numbers as floats, categories as shared codes.

    numbers[name]     float64 [N], NaN where missing; a date is its number of seconds since 1970
    codes[name]       int64 [N], the same code for the same category in every table; -1 where missing

The first table decides what a column is: a number (integer or real), a date, or else a category (words,
booleans, pandas' categories). No paper: this is how the others are computed.
"""

__all__ = ["Cells", "cells_of"]

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float64, Int

from morphogen.data.dataset import DataError
from morphogen.numerics.randomness import Rng


@dataclass(frozen=True)
class Cells:
    """The cells of a table.

    Arguments:
        numbers: of each column of numbers or dates, [N].
        codes: of each column of categories, [N].
        levels: the categories of each code.
        order: names of the columns in the order of the table.
    """

    numbers: Mapping[str, Float64[np.ndarray, " n"]]
    codes: Mapping[str, Int[np.ndarray, " n"]]
    levels: Mapping[str, Sequence[str]]
    order: tuple[str, ...]

    def __len__(self) -> int:
        return len(next(iter([*self.numbers.values(), *self.codes.values()])))

    def __getitem__(self, rows: Int[np.ndarray, " m"]) -> "Cells":
        numbers = {name: values[rows] for name, values in self.numbers.items()}
        codes = {name: values[rows] for name, values in self.codes.items()}
        return Cells(numbers, codes, self.levels, self.order)

    def missing(self, name: str) -> Bool[np.ndarray, " n"]:
        """Which cells of a column are missing."""
        return np.isnan(self.numbers[name]) if name in self.numbers else self.codes[name] < 0

    @cached_property
    def values(self) -> dict[str, Float64[np.ndarray, " n"]]:
        """Every column as floats, NaN where missing: numbers, or codes of categories."""
        return {
            name: self.numbers[name]
            if name in self.numbers
            else np.where(self.codes[name] < 0, np.nan, self.codes[name].astype(np.float64))
            for name in self.order
        }

    def some(self, most: int, seed: int, purpose: str) -> "Cells":
        """At most `most` rows, drawn without replacement by the seed; all rows if they are fewer."""
        if len(self) <= most:
            return self
        drawn = Rng(seed, len(self), ("table rows", purpose)).uniform().double().numpy()
        return self[np.sort(np.argsort(drawn, kind="stable")[:most])]


def cells_of(frames: Mapping[str, pd.DataFrame]) -> dict[str, Cells]:
    """The cells of tables that have the columns of the first one, in any order; further columns are ignored.

    Arguments:
        frames: tables by name; errors begin with the name.

    Errors: DataError for other objects, for a table without rows or without a column of the first, and for
    words among numbers.
    """
    first = next(iter(frames.values()))
    for name, frame in frames.items():
        if not isinstance(frame, pd.DataFrame):
            kind = type(frame).__name__
            raise DataError(f"{name} is of type {kind}: give a DataFrame, pd.DataFrame(x) or samples.frame()")
        if not len(frame):
            raise DataError(f"{name}: the table has no rows; give at least one")
        if absent := [str(column) for column in first.columns if column not in frame]:
            kept = f"{next(iter(frames))}[{name}.columns]"
            raise DataError(
                f"{name}: no column {', '.join(absent)}; give all columns of the training table, or leave "
                f"these out of it: {kept}"
            )
    numbers: dict[str, dict[str, np.ndarray]] = {name: {} for name in frames}
    codes: dict[str, dict[str, np.ndarray]] = {name: {} for name in frames}
    levels: dict[str, tuple[str, ...]] = {}
    for column in first.columns:
        parts = {name: frame[column] for name, frame in frames.items()}
        if _is_number(first[column]) or _is_date(first[column]):
            for name, part in parts.items():
                numbers[name][str(column)] = _floats(name, part, _is_date(first[column]))
            continue
        joined = pd.concat([part.astype(object) for part in parts.values()], ignore_index=True)
        coded, found = pd.factorize(joined)
        levels[str(column)] = tuple(map(str, found))
        for (name, part), end in zip(parts.items(), np.cumsum([len(p) for p in parts.values()]), strict=True):
            codes[name][str(column)] = coded[end - len(part) : end].astype(np.int64)
    order = tuple(map(str, first.columns))
    return {name: Cells(numbers[name], codes[name], levels, order) for name in frames}


def _is_number(column: pd.Series) -> bool:
    return pd.api.types.is_numeric_dtype(column) and not pd.api.types.is_bool_dtype(column)


def _is_date(column: pd.Series) -> bool:
    return pd.api.types.is_datetime64_any_dtype(column)


def _floats(table: str, column: pd.Series, is_date: bool) -> Float64[np.ndarray, " n"]:
    """The numbers or dates of a column. Errors: DataError for anything else."""
    try:
        if is_date:
            dates = pd.to_datetime(column, utc=True)
            seconds = dates.dt.as_unit("ns").astype("int64").to_numpy().astype(np.float64) / 1e9
            return np.where(dates.isna().to_numpy(), np.nan, seconds)
        return pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    except (ValueError, TypeError):
        kind = "dates" if is_date else "numbers"
        raise DataError(f"{table}: column {column.name!r} holds other values; give {kind}") from None
