r"""Columns of a table as they are modelled.

    Words      categories, if there are at most 256 distinct ones and at most half as many as rows
    Numbers    a grid: multiples of 10^-decimals (integers, tenths, thousands), unless decimals make its range
               more than 65536 steps; all others are real
    Dates      whole days, hours, ... or microseconds since 1970

A column is dropped, with a note, if it is missing in more than a quarter of the rows, is constant, numbers
the rows, or consists of words that are nearly all different (names, free text).
"""

__all__ = ["MOST_WORDS", "Dates", "Numbers", "Reading", "Words"]

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Self

import numpy as np

from morphogen.data.number_marks import is_number
from morphogen.representations.tabular import CategoryColumn, Column, DateColumn, GridColumn, RealColumn

MOST_WORDS = 256  # categories per column
FINEST = 2**16  # steps of a grid of decimals: a finer grid is indistinguishable from real numbers in float32
SMALLEST = 1e-150  # range of a column whose variance float64 holds


@dataclass(frozen=True)
class Reading(ABC):
    """A column of a table: its cells and what they are.

    Arguments:
        name: of the column.
        cells: [N]; NaN, or None in a column of words, where one is missing.
        notes: facts for the user.
    """

    name: str
    cells: np.ndarray
    notes: tuple[str, ...] = ()

    @property
    @abstractmethod
    def kind(self) -> str:
        """The type of the column, in words."""

    @property
    def missing(self) -> np.ndarray:
        """Which cells are missing, bool [N]."""
        return np.isnan(self.cells)

    @property
    def values(self) -> np.ndarray:
        """The medium, float64 [N]."""
        return self.cells

    @property
    def numbers_rows(self) -> bool:
        """Whether it only numbers the rows, in their order or in any other."""
        known = ~self.missing
        numbers = self.values[known]
        if len(numbers) < 3 or (numbers % 1).any() or len(np.unique(numbers)) < len(numbers):
            return False
        in_order = np.ptp(numbers - known.nonzero()[0]) == 0
        return bool(in_order or (len(numbers) >= 20 and np.ptp(numbers) == len(numbers) - 1))

    def keep(self, rows: np.ndarray) -> Self:
        """The column of these rows only."""
        return replace(self, cells=self.cells[rows])

    def fault(self) -> str | None:
        """Why the complete column cannot be modelled; None: it can."""
        if (self.cells == self.cells[0]).all():
            return f"it is always {self.written(self.cells[0])!r}"
        return None

    @abstractmethod
    def column(self, train: np.ndarray) -> Column:
        """The column with the moments of its training rows; a grid's variance includes that of a cell."""

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Sorted class names, and the class index of each row, int64 [N]."""
        distinct, labels = np.unique(self.cells, return_inverse=True)
        return tuple(map(self.written, distinct.tolist())), labels.astype(np.int64)

    def texts(self) -> list[str]:
        """All cells as text."""
        distinct, index = np.unique(self.cells, return_inverse=True)
        return np.array([self.written(cell) for cell in distinct.tolist()], dtype=object)[index].tolist()

    @abstractmethod
    def written(self, cell: Any) -> str:
        """A cell as text: the same for equal cells, however they were stored."""

    def _moments(self, train: np.ndarray, step: float) -> tuple[float, float]:
        training = self.values[train]
        floor = float(np.ptp(self.values)) * 1e-3  # the training rows may all be equal
        return float(training.mean()), max((float(training.var()) + step**2 / 12) ** 0.5, floor)


class Numbers(Reading):
    """A column of numbers, float64."""

    @cached_property
    def decimals(self) -> int | None:
        """Decimals of the grid of the values, negative for tens and thousands; None: real numbers.

        Decimals are those of 15 significant digits, so that 0.1 + 0.2 is on the grid of tenths.
        """
        values = np.unique(self.cells)
        wide, decimals = float(np.ptp(values)), 0
        if not (values % 1).any():
            while not (values % 10.0 ** (1 - decimals)).any():
                decimals -= 1
            return decimals
        for value in values.tolist():
            decimals = max(decimals, _decimals(value))
            if decimals > 0 and (decimals > 300 or wide * 10.0**decimals > FINEST):
                return None
        return decimals

    @property
    def kind(self) -> str:
        if self.decimals is None:
            return "real"
        if self.decimals > 0:
            return f"to {10.0**-self.decimals:.{self.decimals}f}"
        return "integers" if self.decimals == 0 else f"multiples of {10**-self.decimals:,}"

    def fault(self) -> str | None:
        if (wide := float(np.ptp(self.cells))) and wide < SMALLEST:
            return f"its range is {wide:g}, too small for float64; multiply it"
        return super().fault()

    def column(self, train: np.ndarray) -> Column:
        if self.decimals is None:
            return RealColumn(self.name, *self._moments(train, 0.0))
        mean, std = self._moments(train, 10.0**-self.decimals)
        low, high = float(self.cells.min()), float(self.cells.max())
        return GridColumn(self.name, mean, std, low, high, self.decimals)

    def written(self, cell: float) -> str:
        return str(int(cell)) if cell % 1 == 0 and abs(cell) < 2**63 else repr(float(cell))


@dataclass(frozen=True)
class Dates(Reading):
    """A column of dates or times, float64 [N] of whole units since 1970.

    Arguments:
        format: as `strftime` takes it.
        unit: "days", "hours", ... or "microseconds".
    """

    format: str = "%Y-%m-%d"
    unit: str = "days"

    @property
    def kind(self) -> str:
        low, high = (self.written(cell) for cell in (self.cells.min(), self.cells.max()))
        return f"{'dates' if self.unit == 'days' else 'times'} from {low} to {high}"

    @property
    def numbers_rows(self) -> bool:
        return False  # a series of days is data

    def column(self, train: np.ndarray) -> Column:
        low, high = float(self.cells.min()), float(self.cells.max())
        return DateColumn(self.name, *self._moments(train, 1.0), low, high, self.format, self.unit)

    def written(self, cell: float) -> str:
        return DateColumn("", 0.0, 1.0, 0.0, 0.0, self.format, self.unit).format_value(cell)


@dataclass(frozen=True)
class Words(Reading):
    """A column of words, object [N] of strings.

    Arguments:
        order: all categories in their own order; (): in alphabetical order.
    """

    order: tuple[str, ...] = ()

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """The distinct words, in order."""
        present = set(self.cells)
        return tuple(word for word in self.order if word in present) or tuple(sorted(present))

    @property
    def kind(self) -> str:
        return f"{len(self.levels)} categories"

    @property
    def missing(self) -> np.ndarray:
        return self.cells == None  # noqa: E711  (element by element)

    @property
    def values(self) -> np.ndarray:
        index = {word: i for i, word in enumerate(self.levels)}
        return np.array([index[word] for word in self.cells], dtype=np.float64)

    @property
    def numbers_rows(self) -> bool:
        return False

    def fault(self) -> str | None:
        n, rows = len(self.levels), len(self.cells)
        if n > MOST_WORDS or n > max(2, rows / 2):
            word = next((word for word in self.levels if not is_number(word)), self.levels[0])
            return f"{n} different words in {rows} rows, such as {word[:20]!r}"
        return super().fault()

    def column(self, train: np.ndarray) -> Column:
        return CategoryColumn(self.name, *self._moments(train, 1.0), self.levels)

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        return self.levels, self.values.astype(np.int64)

    def written(self, cell: str) -> str:
        return cell


def _decimals(value: float) -> int:
    """Decimals that a number needs: one for 2.5, none for 12000."""
    exponent = Decimal(f"{value:.15g}").normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
