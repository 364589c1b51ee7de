r"""Columns of a table as they are modelled.

    Words      categories, if their words repeat (see `words`)
    Numbers    a grid: the differences of its values are multiples of one step (integers, tenths, 25 g),
               unless decimals make its range more than 65536 steps; all others are real
    Durations  numbers of seconds
    Dates      a grid of whole days, hours, ... or microseconds since 1970, of which 15 may be a step
    Periods    a grid of months, quarters, ...

A cell of any column may be missing. A column is dropped, with a note, if it is missing in all rows or nearly
(fewer than three cells, or one in a hundred, are left), is constant, numbers the rows (see
`Numbers.counts_rows`), or consists of words that few rows share (names, free text).
"""

__all__ = ["Dates", "Durations", "Numbers", "Periods", "Reading", "Times"]

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from typing import Any, Self

import numpy as np
import torch

from morphogen.representations.tabular.columns import CategoryColumn, Column, smoothed
from morphogen.representations.tabular.dates import DateColumn, PeriodColumn
from morphogen.representations.tabular.grid import Grid
from morphogen.representations.tabular.intervals import grid_intervals, real_intervals
from morphogen.representations.tabular.numbers import GridColumn, RealColumn
from morphogen.representations.tabular.python_values import to_json

FINEST = 2**16  # steps of a grid of decimals: a finer grid is indistinguishable from real numbers in float32
MOST_DECIMALS = 6  # that samples of real numbers keep, beyond the digits of a standard deviation
FEWEST, KNOWN = 3, 0.01  # least cells, and share of the rows, that a column with missing cells has
COUNTERS = ("", "id", "index", "row", "rowid", "rowname", "rownames", "rownumber", "unnamed0", "x1")
SOME = 20  # integers from which on a counter may have gaps, or be shuffled
YEARS = (1000, 2999)
WHOLE = 2**53  # integers up to it are float64
STRIDE = 10**4  # largest step of decimals that is looked for, in units of the last one
SECONDS = {"days": 86_400, "hours": 3600, "minutes": 60, "seconds": 1}
SMALLEST = 1e-150  # range of a column whose variance float64 holds


@dataclass(frozen=True)
class Reading(ABC):
    """A column of a table: its cells and what they are.

    Arguments:
        name: of the column.
        cells: [N]; NaN, or None in a column of words, where one is missing.
        notes: facts for the user.
        dtype: that pandas has for the column; "": its cells were text of something else.
        marker: the text of a missing cell.
    """

    name: str
    cells: np.ndarray
    notes: tuple[str, ...] = ()
    dtype: str = ""
    marker: str = ""

    @property
    @abstractmethod
    def kind(self) -> str:
        """The type of the column, in words."""

    @property
    def missing(self) -> np.ndarray:
        """Which cells are missing, bool [N]."""
        return np.isnan(self.cells)

    @property
    def known(self) -> np.ndarray:
        """The cells that are not missing."""
        return self.cells[~self.missing]

    @property
    def values(self) -> np.ndarray:
        """The medium, float64 [N]."""
        return self.cells

    def counts_rows(self) -> str:
        """How it only numbers the rows, in words; "": it does not."""
        return ""

    def keep(self, rows: np.ndarray) -> Self:
        """The column of these rows only."""
        return replace(self, cells=self.cells[rows])

    @property
    def is_constant(self) -> bool:
        """Whether all cells have the same value; a level that is missing at times is data."""
        return len(self.known) == len(self.cells) > 0 and bool((self.cells == self.cells[0]).all())

    def fault(self) -> str | None:
        """Why the column cannot be modelled; None: it can."""
        known, missing = self.known, self.missing
        if missing.any() and len(known) < max(FEWEST, KNOWN * len(missing)):
            return f"missing in {'all' if not len(known) else f'{missing.sum()} of {len(missing)}'} rows"
        if self.is_constant:
            return f"it is always {self.written(known[0])!r}"
        return None

    @abstractmethod
    def column(self, train: np.ndarray) -> Column:
        """The column, with the weights of its training rows."""

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Sorted class names, and the class index of each row, int64 [N]; no cell is missing."""
        distinct, labels = np.unique(self.cells, return_inverse=True)
        return tuple(map(self.written, distinct.tolist())), labels.astype(np.int64)

    def class_column(self, classes: Sequence[str], weights: Sequence[float]) -> CategoryColumn:
        """The column of the classes, of which these are left, with their weights."""
        known = np.unique(self.known)
        written = self.column(np.arange(len(self.cells))).series(known, self.dtype)
        values = {self.written(cell): to_json(value) for cell, value in zip(known, written, strict=True)}
        pairs = tuple((name, values[name]) for name in classes)
        return CategoryColumn(self.name, tuple(classes), tuple(weights), self.dtype, self.marker, pairs)

    def texts(self) -> list[str]:
        """All cells as text, "" where one is missing."""
        missing = self.missing
        texts = np.full(len(missing), "", dtype=object)
        distinct, index = np.unique(self.known, return_inverse=True)
        written = np.array([self.written(cell) for cell in distinct.tolist()], dtype=object)
        if len(written):
            texts[~missing] = written[index]
        return texts.tolist()

    def on_grid(self, grid: Grid, train: np.ndarray) -> tuple[tuple[int, ...], int, tuple[float, ...]]:
        """The starts of the intervals of a grid, its last step, and the weights of the training rows."""
        cells, missing = self.cells[train], self.missing
        ends = [float(self.known.min()), float(self.known.max())]
        steps = grid.steps(torch.tensor([*ends, *cells[~np.isnan(cells)].tolist()], dtype=torch.float64))
        first, last = steps[:2].tolist()
        starts, counts = grid_intervals(steps[2:].numpy(), first, last)
        return starts, last, smoothed(counts, int(missing[train].sum()), bool(missing.any()))

    @abstractmethod
    def written(self, cell: Any) -> str:
        """A cell as text: the same for equal cells, however they were stored."""


class Numbers(Reading):
    """A column of numbers, float64."""

    @cached_property
    def grid(self) -> Grid | None:
        """The grid of the values; None: real numbers.

        Decimals are those of 15 significant digits, so that 0.1 + 0.2 is on the grid of tenths.
        """
        values = np.unique(self.known)
        decimals = _common_decimals(values)
        if decimals is None:
            return None
        grid = _grid_of(values, decimals)
        too_fine = grid.decimals > 0 and np.ptp(values) / grid.step > FINEST
        return None if too_fine else grid

    @property
    def kind(self) -> str:
        if self.grid is None:
            return "real"
        decimals, stride, offset = self.grid
        step = f"{self.grid.step:,.{max(0, decimals)}f}"
        if offset:
            return f"in steps of {step} from {self.written(self.known.min())}"
        if stride > 1 or decimals < 0:
            return f"multiples of {step}"
        return "integers" if decimals == 0 else f"to {step}"

    def fault(self) -> str | None:
        if (fault := super().fault()) is None and 0 < (wide := float(np.ptp(self.known))) < SMALLEST:
            return f"its range is {wide:g}, too small for float64; multiply it"
        return fault

    def counts_rows(self) -> str:
        """How the column only numbers the rows, in words; "": it does not.

        A counter has distinct integers and a name such as "id", "index" or "rownames". Under another name, it
        has each integer between its ends once, or at least half of them in the order of the rows; distinct
        years, from 1000 to 2999, are data then.
        """
        numbers = self.known
        if len(numbers) < 3 or (numbers % 1).any() or len(np.unique(numbers)) < len(numbers):
            return ""
        if "".join(filter(str.isalnum, self.name)).casefold() in COUNTERS:
            return f"distinct integers under the name {self.name!r}"
        if numbers.min() >= YEARS[0] and numbers.max() <= YEARS[1]:
            return ""
        span, in_order = np.ptp(numbers) + 1, bool((np.diff(numbers) > 0).all())
        if in_order and (span == len(numbers) or (len(numbers) >= SOME and span <= 2 * len(numbers))):
            return f"{len(numbers)} integers from {numbers[0]:.0f} to {numbers[-1]:.0f} in order"
        if len(numbers) >= SOME and span == len(numbers):
            return f"each integer from {numbers.min():.0f} to {numbers.max():.0f} once"
        return ""

    def column(self, train: np.ndarray) -> Column:
        if self.grid is not None:
            starts, last, weights = self.on_grid(self.grid, train)
            decimals, spacing = self.grid.decimals, self.grid.spacing
            return GridColumn(self.name, starts, last, decimals, weights, self.dtype, self.marker, spacing)
        cells, missing = self.cells[train], self.missing
        low, high = float(self.known.min()), float(self.known.max())
        edges, counts = real_intervals(cells[~np.isnan(cells)], low, high)
        weights = smoothed(counts, int(missing[train].sum()), bool(missing.any()))
        decimals = max(map(_decimals, np.unique(self.known).tolist()))
        kept = decimals if decimals <= MOST_DECIMALS else None
        return RealColumn(self.name, edges, weights, self.dtype, self.marker, kept)

    def written(self, cell: float) -> str:
        return str(int(cell)) if cell % 1 == 0 and abs(cell) < 2**63 else repr(float(cell))


class Durations(Numbers):
    """A column of durations, float64 [N] of seconds."""

    @property
    def kind(self) -> str:
        if self.grid is None or self.grid.decimals > 0:
            return f"durations, {super().kind} of a second"
        seconds = round(self.grid.step)
        unit, size = next((unit, size) for unit, size in SECONDS.items() if seconds % size == 0)
        return f"durations {_every(seconds // size, unit)}"


class Times(Reading):
    """A column of whole units since 1970, float64 [N]."""

    @cached_property
    def grid(self) -> Grid:
        """The grid of the values, in units."""
        return _grid_of(np.unique(self.known), 0)


@dataclass(frozen=True)
class Dates(Times):
    """A column of dates or times, float64 [N] of whole units since 1970.

    Arguments:
        format: as `strftime` takes it.
        unit: "days", "hours", ... or "microseconds".
        zone: time zone of the clocks; "": the times have none.
    """

    format: str = "%Y-%m-%d"
    unit: str = "days"
    zone: str = ""

    @property
    def kind(self) -> str:
        low, high = (self.written(cell) for cell in (self.known.min(), self.known.max()))
        step = f" {_every(self.grid.stride, self.unit)}" if self.grid.stride > 1 else ""
        zone = f", time zone {self.zone}" if self.zone else ""
        return f"{'dates' if self.unit == 'days' else 'times'} from {low} to {high}{step}{zone}"

    def column(self, train: np.ndarray) -> Column:
        (starts, last, weights), spacing = self.on_grid(self.grid, train), self.grid.spacing
        return DateColumn(
            self.name, starts, last, self.format, self.unit, weights, self.dtype, self.marker,
            spacing, self.zone,
        )  # fmt: skip

    def written(self, cell: float) -> str:
        return str(DateColumn("", (0,), 0, self.format, self.unit).format_value(cell))


@dataclass(frozen=True)
class Periods(Times):
    """A column of periods, float64 [N] of their numbers since 1970.

    Arguments:
        frequency: as pandas writes it.
    """

    frequency: str = "M"

    @property
    def kind(self) -> str:
        low, high = (self.written(cell) for cell in (self.known.min(), self.known.max()))
        return f"periods {self.frequency} from {low} to {high}"

    def column(self, train: np.ndarray) -> Column:
        (starts, last, weights), spacing = self.on_grid(self.grid, train), self.grid.spacing
        return PeriodColumn(
            self.name, starts, last, self.frequency, weights, self.dtype, self.marker, spacing
        )

    def written(self, cell: float) -> str:
        return str(PeriodColumn("", (0,), 0, self.frequency).format_value(cell))


def _common_decimals(values: np.ndarray) -> int | None:
    """Decimals of all values, negative for tens and thousands; None: more than float64 has."""
    wide, decimals = float(np.ptp(values)), 0
    if not (values % 1).any():
        while values.any() and not (values % 10.0 ** (1 - decimals)).any():
            decimals -= 1
        return decimals if np.abs(values).max() <= WHOLE * 10.0**-decimals else None
    for value in values.tolist():
        decimals = max(decimals, _decimals(value))
        if decimals > 300 or wide * 10.0**decimals > min(WHOLE, FINEST * STRIDE):
            return None
    return decimals


def _grid_of(values: np.ndarray, decimals: int) -> Grid:
    """The coarsest grid of distinct values in ascending order that have these decimals.

    A value is a multiple of the step if all are: then the grid has no offset.
    """
    units = Grid(decimals).steps(torch.from_numpy(values)).numpy()
    exact = np.abs(values).max(initial=0.0) * 10.0**decimals <= WHOLE
    stride = int(np.gcd.reduce(np.diff(units))) if exact and len(units) > 1 else 1
    return Grid(decimals, stride, int(units[0] % stride)) if stride > 1 else Grid(decimals)


def _every(count: int, unit: str) -> str:
    """A step in words: every 15 minutes."""
    return f"every {unit.removesuffix('s')}" if count == 1 else f"every {count} {unit}"


def _decimals(value: float) -> int:
    """Decimals that a number needs: one for 2.5, none for 12000."""
    exponent = Decimal(f"{value:.15g}").normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
