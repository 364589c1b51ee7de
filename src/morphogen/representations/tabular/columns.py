r"""Columns of a table, whose cells are a code and an offset.

    code 0      the cell is missing
    code k      category k, or interval k of a column of numbers
    offset      where in its interval a number lies, in [0, 1)

With P(code) of a model and a uniform density in each interval, which has n grid points or the width n,

    log p(cell) = log P(code) - log n_code,

a histogram whose bins the data choose: exact, whatever models the codes. The weights of the codes are the
training rows that have them. Codes without a training row (a category, a gap of a grid or a missing cell that
only held-out rows have) share as much as the codes seen once have, at most half a row each (Good 1953, "The
population frequencies of species and the estimation of population parameters"). Only a column that is never
missing has a code of weight 0: code 0, which its models must not draw.
"""

__all__ = ["CategoryColumn", "Column", "smoothed"]

import re
from abc import ABC, abstractmethod
from collections.abc import Hashable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.representations.tabular.number_text import is_missing as is_missing_word
from morphogen.representations.tabular.pandas_series import dtype_named
from morphogen.representations.tabular.python_values import from_json, text_of
from morphogen.similar_names import did_you_mean, list_names

if TYPE_CHECKING:
    from pandas import Series

CATEGORIES = re.compile(r"(?P<kind>category|ordered)\[(?P<inner>.*)\]")  # a dtype, with that of the levels


class Column(Component, ABC):
    """Base class of columns: the codes of its cells, and how their values are written.

    Attributes:
        name: of the column.
        weights: training rows of each code, smoothed; (): one each, and no cell is missing.
        pandas_dtype: that pandas had for the column; "": that of its plain values.
        marker: text of a missing cell.
        step: width of a cell of a grid; 0: real numbers.
        low, high: the smallest and the largest value.
    """

    name: str
    weights: tuple[float, ...]
    pandas_dtype: str
    marker: str
    step: float
    low: float
    high: float

    @cached_property
    def masses(self) -> Float64[Tensor, " k"]:
        """The fraction of the training rows that has each code, smoothed; it sums to 1."""
        count = len(self.log_sizes)
        weights = torch.tensor(self.weights or (0.0, *[1.0] * (count - 1)), dtype=torch.float64)
        good = len(weights) == count and count > 1 and bool((weights[1:] > 0).all()) and weights[0] >= 0
        if not good or not weights.isfinite().all():
            raise ConfigError(
                f"column {self.name!r}: weights have {len(weights)} values; give one for missing cells, 0 or "
                f"more, and one above 0 for each of the {count - 1} categories or intervals"
            )
        return weights / weights.sum()

    @property
    def can_be_missing(self) -> bool:
        """Whether code 0 exists."""
        return bool(self.masses[0] > 0)

    @property
    @abstractmethod
    def log_sizes(self) -> Float64[Tensor, " k"]:
        """The log of the number of grid points in each code's interval, or of its width; else 0."""

    def encode(
        self, values: Float64[Tensor, " b"], u: Float[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        """The code and the offset of each cell.

        Arguments:
            values: from low to high; NaN: missing.
            u: uniform in [0, 1): the offset of a cell without a place in an interval, and a grid point's own.
        """
        missing = values.isnan()
        codes, offsets = self.place(torch.where(missing, self.low, values), u.double())
        return torch.where(missing, 0, codes + 1), torch.where(missing, u.double(), offsets)

    def decode(self, codes: Int[Tensor, " b"], offsets: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """The values of codes and offsets, NaN for code 0."""
        values = self.value((codes - 1).clamp_min(0), offsets.double().clamp(0, 1 - 2**-53))
        return torch.where(codes == 0, torch.nan, values)

    @abstractmethod
    def place(
        self, values: Float64[Tensor, " b"], u: Float64[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        """The category or interval of each value, from 0, and the offset in it."""

    @abstractmethod
    def value(self, places: Int[Tensor, " b"], offsets: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """The inverse of `place`."""

    @abstractmethod
    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        """The values as they are written: floats or integers, or text; none of them is missing."""

    @abstractmethod
    def series(self, values: Float[np.ndarray, " n"], pandas_dtype: str = "") -> "Series":
        """The values, NaN where missing, as a pandas column; without a dtype, as numbers and text."""

    def format_value(self, value: float) -> Any:
        """A value as it is written in the original table; None: missing."""
        return None if value != value else self.written(np.array([value], dtype=np.float64)).tolist()[0]

    def class_values(self) -> str:
        """Its values in words, if they are few enough to be classes; "" otherwise."""
        return ""

    @abstractmethod
    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        """The inverse of `series`: a pandas column as numbers of the medium. Errors: ConfigError."""

    def parse(self, text: str) -> float:
        """A value of the medium from its text. Errors: ConfigError."""
        return float(self.numbers([text])[0])

    def contains(self, values: Float64[Tensor, " b"]) -> Bool[Tensor, " b"]:
        """Whether the column has mass or density at each value."""
        return (values >= self.low) & (values <= self.high)

    def nearest(self, values: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """The value that `contains` nearest to each."""
        return values.clamp(self.low, self.high)

    def range_in_words(self) -> str:
        """What it contains, in words."""
        return f"{self.low:.15g} to {self.high:.15g}"


class CategoryColumn(Column):
    """A column of categories, stored in the medium as indices.

    Arguments:
        name: of the column.
        levels: the categories in the order of their indices.
        weights, pandas_dtype, marker: see `Column`.
        values: (level, value) of the Python values of the data, as `to_json` writes them, in the order of
            the dtype, whose further categories no row has; (): the levels themselves.
    """

    step, low = 1.0, 0.0

    def __init__(
        self, name: str, levels: tuple[str, ...], weights: tuple[float, ...] = (), pandas_dtype: str = "",
        marker: str = "", values: tuple[tuple[str, Any], ...] = (),
    ):  # fmt: skip
        self.name, self.levels, self.weights = name, tuple(levels), tuple(weights)
        self.values = tuple(values)
        self.pandas_dtype, self.marker = pandas_dtype, marker
        self.high = len(self.levels) - 1.0

    @cached_property
    def log_sizes(self) -> Float64[Tensor, " k"]:
        return torch.zeros(len(self.levels) + 1, dtype=torch.float64)

    def place(
        self, values: Float64[Tensor, " b"], u: Float64[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        return values.round().long(), u

    def value(self, places: Int[Tensor, " b"], offsets: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        return places.double()

    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        return np.array(self.levels, dtype=object)[values.round().astype(np.int64)]

    @cached_property
    def objects(self) -> tuple[list[Any], Int[np.ndarray, " k"]]:
        """The Python values of the data, and the place of each level among them."""
        pairs = self.values or [*zip(self.levels, self.levels, strict=True)]
        places = {text: place for place, (text, _) in reversed([*enumerate(pairs)])}
        objects = [from_json(value) for _, value in pairs]
        return objects, np.array([places[level] for level in self.levels], dtype=np.int64)

    def series(self, values: Float[np.ndarray, " n"], pandas_dtype: str = "") -> "Series":
        from pandas import Categorical, Index, Series

        objects, places = self.objects if pandas_dtype else ([*self.levels], np.arange(len(self.levels)))
        missing = np.isnan(values)
        codes = np.where(missing, -1, places[np.where(missing, 0, values).round().astype(np.int64)])
        if match := CATEGORIES.fullmatch(pandas_dtype):
            levels, is_ordered = Index(objects).astype(match["inner"]), match["kind"] == "ordered"
            return Series(Categorical.from_codes(codes, levels, ordered=is_ordered))
        typed = Series(objects, dtype=dtype_named(pandas_dtype or "object"))
        return Series(typed.array.take(codes, allow_fill=bool(missing.any())), dtype=typed.dtype)

    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        from pandas import isna

        index = {level: float(i) for i, level in enumerate(self.levels)}
        objects, places = self.objects
        equal = {objects[place]: float(i) for i, place in enumerate(places.tolist())}  # 1.0 for 1

        def number(cell: Any, is_missing: bool) -> float:
            if is_missing or (text := text_of(cell)) == self.marker != "":
                return np.nan
            found = index.get(text, equal.get(cell) if isinstance(cell, Hashable) else None)
            if found is None and is_missing_word(text.strip()):
                return np.nan
            if found is None:
                near, known = did_you_mean(text, self.levels), list_names(self.levels)
                raise ConfigError(f"column {self.name!r} has no category {text!r}; {near}it has {known}")
            return found

        cells = np.array([*values, None], dtype=object)[:-1]
        return np.array([number(cell, bool(gone)) for cell, gone in zip(cells, isna(cells), strict=True)])

    def check(self, low: float, high: float) -> None:
        """Check the smallest and the largest of given indices. Errors: ConfigError."""
        if low < 0 or high > self.high:
            raise ConfigError(
                f"column {self.name!r} has values from {low:g} to {high:g}, the model takes the indices 0 to "
                f"{self.high:g} of {self.class_values()}"
            )

    def range_in_words(self) -> str:
        return list_names(self.levels)

    def class_values(self) -> str:
        return ", ".join(self.levels[:5]) + (", ..." if len(self.levels) > 5 else "")


def smoothed(counts: Sequence[int], missing: int, can_be_missing: bool) -> tuple[float, ...]:
    """The weights of a column, code 0 first (Good 1953).

    Arguments:
        counts: training rows of each category or interval.
        missing: training rows with a missing cell.
        can_be_missing: whether any row has one.
    """
    weights = np.array([missing, *counts], dtype=np.float64)
    unseen = weights == 0
    unseen[0] &= can_be_missing
    weights[unseen] = min(0.5, max(1, int((weights == 1).sum())) / max(1, int(unseen.sum())))
    return tuple(weights.tolist())
