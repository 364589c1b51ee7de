r"""Columns of numbers: intervals that cover their range, on a grid or on the real line.

    u = F_left(code) + dF(code) offset,     z = Phi^-1(u)

F is the cumulative mass of the intervals without that of missing cells, and z the normal score of a cell: the
column becomes standard normal, whatever its distribution is. `intervals.py` chooses the intervals.
"""

__all__ = ["GridColumn", "NumberColumn", "RealColumn"]

import math
from abc import abstractmethod
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int
from torch import Tensor

from morphogen.component import ConfigError, first_line
from morphogen.numerics.distributions import gaussian_cdf
from morphogen.representations.tabular.columns import Column
from morphogen.representations.tabular.grid import Grid
from morphogen.representations.tabular.number_text import read_numbers
from morphogen.representations.tabular.pandas_series import known_cells, number_series, numbers_of, texts_of

if TYPE_CHECKING:
    from pandas import Series

EDGE = 1e-9  # u is at least that far from 0 and 1: scores are between -6 and 6


class NumberColumn(Column):
    """Base class of columns whose codes from 1 on are adjacent intervals from low to high."""

    @cached_property
    def cumulative(self) -> Float64[Tensor, " k"]:
        """F at the ends of the intervals: F[k] is the mass of codes 1 to k among the cells that exist."""
        masses = self.masses.clone()
        masses[0] = 0
        cumulative = masses.cumsum(0)
        return cumulative / cumulative[-1]

    @property
    @abstractmethod
    def middles(self) -> Float64[Tensor, " k"]:
        """The middle of each interval, as a value."""

    @property
    @abstractmethod
    def widths(self) -> Float64[Tensor, " k"]:
        """The width of each interval, in units of the values."""

    @property
    def mean(self) -> float:
        """Mean of the training rows, were they uniform in their intervals."""
        return float((self.cumulative.diff() * self.middles).sum())

    @property
    def std(self) -> float:
        """Standard deviation of the same; 1 for a column of one value."""
        squares = (self.middles - self.mean).square() + self.widths.square() / 12
        return math.sqrt(float((self.cumulative.diff() * squares).sum())) or 1.0

    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        """Numbers, their text as tables write it (`17 %`, `1.234,50 €`), and durations in seconds."""
        from pandas import Series

        cells = known_cells(Series(values), self.marker)
        try:
            if (texts := texts_of(cells)) is not None:
                return read_numbers(texts, self.low, self.high)
            return numbers_of(cells)
        except (TypeError, ValueError) as error:
            raise ConfigError(
                f"column {self.name!r} is not of numbers ({first_line(error)}): write them as the data do"
            ) from None

    def parse(self, text: str) -> float:
        try:
            return float(self.numbers([text])[0])
        except ConfigError:
            known = self.range_in_words()
            raise ConfigError(f"column {self.name!r}: {text!r} is not one of its values, {known}") from None

    def series(self, values: Float[np.ndarray, " n"], pandas_dtype: str = "") -> "Series":
        known = ~np.isnan(values)
        written = self.written(values[known])
        if written.dtype.kind == "i" and not pandas_dtype:
            pandas_dtype = "Int64" if self.can_be_missing or not known.all() else "int64"
        cells = np.full(len(values), np.nan)
        cells[known] = written
        return number_series(cells, pandas_dtype)

    def scores(self, codes: Int[Tensor, " b"], offsets: Float[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """The normal score of each cell; 0 where it is missing.

        A score is rounded to float32 later: it keeps a distance from the ends of its interval, so that it
        remains in it.
        """
        left, right = (self._score_at(codes + side) for side in (-1, 0))
        edges = self.cumulative.to(codes.device)
        start, end = edges[(codes - 1).clamp_min(0)], edges[codes]
        z = torch.special.ndtri((start + (end - start) * offsets).clamp(EDGE, 1 - EDGE))
        margin = ((right - left) / 4).clamp_max(1e-6)
        z = torch.minimum(torch.maximum(z, left + margin), right - margin)
        return torch.where(codes == 0, 0.0, z)

    def cells(self, scores: Float[Tensor, " b"]) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        """The code, from 1 on, and the offset of a score: the inverse of `scores`."""
        u = gaussian_cdf(scores.double()).clamp(EDGE, 1 - EDGE)
        edges = self.cumulative.to(u.device)
        codes = torch.searchsorted(edges, u, right=True).clamp(1, len(edges) - 1)
        start, end = edges[codes - 1], edges[codes]
        return codes, ((u - start) / (end - start)).clamp(0, 1 - 2**-53)

    def _score_at(self, place: Int[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """The score at the end of an interval."""
        edges = self.cumulative.to(place.device)[place.clamp_min(0)]
        return torch.special.ndtri(edges.clamp(EDGE, 1 - EDGE))


class RealColumn(NumberColumn):
    """A column of real numbers.

    An interval of width 0 is an atom: a value that many rows have, such as 0. Its mass is a probability; the
    rest of the column has a density. Likelihoods are then relative to the sum of Lebesgue's measure and a
    point measure at each atom.

    Arguments:
        name: of the column.
        edges: ends of the intervals, in order; an atom is in it twice.
        weights, pandas_dtype, marker: see `Column`.
        decimals: of all values, which samples keep, on a grid that is too fine for `GridColumn`; None: more
            than a standard deviation in six digits has.

    Errors: ConfigError for edges that are not in order.
    """

    step = 0.0

    def __init__(
        self, name: str, edges: tuple[float, ...], weights: tuple[float, ...] = (), pandas_dtype: str = "",
        marker: str = "", decimals: int | None = None,
    ):  # fmt: skip
        self.name, self.edges, self.weights = name, tuple(map(float, edges)), tuple(weights)
        self.pandas_dtype, self.marker, self.decimals = pandas_dtype, marker, decimals
        if len(edges) < 2 or list(edges) != sorted(edges) or not np.isfinite(edges).all():
            raise ConfigError(f"column {name!r}: give two or more edges of intervals, in ascending order")
        self.low, self.high = self.edges[0], self.edges[-1]

    @cached_property
    def _ends(self) -> Float64[Tensor, " k"]:
        return torch.tensor(self.edges, dtype=torch.float64)

    @cached_property
    def atoms(self) -> Float64[Tensor, " n"]:
        """The values of the intervals of width 0."""
        return self._ends[:-1][self._ends.diff() == 0]

    @cached_property
    def log_sizes(self) -> Float64[Tensor, " k"]:
        widths = self._ends.diff()
        return torch.cat([widths.new_zeros(1), torch.where(widths > 0, widths, 1.0).log()])

    @property
    def middles(self) -> Float64[Tensor, " k"]:
        return self._ends[:-1] + self._ends.diff() / 2

    @property
    def widths(self) -> Float64[Tensor, " k"]:
        return self._ends.diff()

    def place(
        self, values: Float64[Tensor, " b"], u: Float64[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        ends = self._ends.to(values.device)
        last = len(ends) - 2
        first = torch.searchsorted(ends, values).clamp_max(last)
        is_atom = (ends[first] == values) & (ends[first + 1] == values)
        places = torch.where(
            is_atom, first, (torch.searchsorted(ends, values, right=True) - 1).clamp(0, last)
        )
        start, width = ends[places], ends[places + 1] - ends[places]
        offsets = torch.where(is_atom, u, (values - start) / torch.where(is_atom, 1.0, width))
        return places, offsets.clamp(0, 1 - 2**-53)

    def value(self, places: Int[Tensor, " b"], offsets: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        ends = self._ends.to(offsets.device)
        start, end = ends[places], ends[places + 1]
        return (start + (end - start) * offsets).clamp(self.low, self.high)

    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        """To the decimals of the data, or six digits of a standard deviation; atoms are as they are."""
        digits = 5 - math.floor(math.log10(self.std)) if self.decimals is None else self.decimals
        coarse = np.abs(values) * 10.0**digits < 2**53  # others have no digit to lose
        rounded = np.where(coarse, np.round(values, digits), values).clip(self.low, self.high)
        return np.where(np.isin(values, self.atoms.numpy()), values, rounded)


class GridColumn(NumberColumn):
    """A column of numbers on a grid, from the smallest to the largest value.

    Arguments:
        name: of the column.
        starts: the first grid point of each interval, in steps, in order.
        last: the largest value, in steps.
        decimals: of the values; 0: integers, -3: thousands.
        weights, pandas_dtype, marker: see `Column`.
        spacing: stride and offset of the grid, in units of the last decimal; see `Grid`.

    Errors: ConfigError for starts that are not in order, and for a stride below 1.
    """

    def __init__(
        self, name: str, starts: tuple[int, ...], last: int, decimals: int = 0,
        weights: tuple[float, ...] = (), pandas_dtype: str = "", marker: str = "",
        spacing: tuple[int, int] = (1, 0),
    ):  # fmt: skip
        self.name, self.starts, self.last = name, tuple(map(int, starts)), int(last)
        self.decimals, self.weights = decimals, tuple(weights)
        self.spacing = tuple(spacing)
        self.pandas_dtype, self.marker = pandas_dtype, marker
        if len(self.spacing) != 2 or self.spacing[0] < 1:
            raise ConfigError(f"column {name!r}: spacing={spacing}: give a stride, 1 or more, and an offset")
        if not starts or (np.diff([*self.starts, self.last + 1]) < 1).any():
            raise ConfigError(f"column {name!r}: starts of intervals ascend up to last={last}")
        self.grid = Grid(decimals, *self.spacing)
        self.step = self.grid.step
        self.low, self.high = self.grid.values(torch.tensor([self.starts[0], self.last])).tolist()

    @cached_property
    def _firsts(self) -> Int[Tensor, " k"]:
        return torch.tensor([*self.starts, self.last + 1])

    @cached_property
    def log_sizes(self) -> Float64[Tensor, " k"]:
        return torch.cat([torch.zeros(1).double(), self._firsts.diff().double().log()])

    @property
    def middles(self) -> Float64[Tensor, " k"]:
        return self.grid.values(self._firsts[:-1] + (self._firsts.diff() - 1) // 2)

    @property
    def widths(self) -> Float64[Tensor, " k"]:
        return self._firsts.diff().double() * self.step

    def contains(self, values: Float64[Tensor, " b"]) -> Bool[Tensor, " b"]:
        return super().contains(values) & self.grid.contains(values)

    def nearest(self, values: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        return self.grid.values(self.grid.steps(super().nearest(values)).clamp(self.starts[0], self.last))

    def range_in_words(self) -> str:
        step = "" if self.step == 1 else f" in steps of {self.step:g}"
        return f"{self.format_value(self.low)} to {self.format_value(self.high)}{step}"

    def place(
        self, values: Float64[Tensor, " b"], u: Float64[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        firsts = self._firsts.to(values.device)
        steps = self.grid.steps(values).clamp(self.starts[0], self.last)
        places = torch.searchsorted(firsts, steps, right=True) - 1
        size = (firsts[places + 1] - firsts[places]).double()
        margin = (size * 2**-50).clamp_max(0.25)  # rounding must not reach the next grid point
        inside = torch.minimum(torch.maximum(u, margin), 1 - margin)
        return places, (((steps - firsts[places]).double() + inside) / size).clamp(0, 1 - 2**-53)

    def value(self, places: Int[Tensor, " b"], offsets: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        firsts = self._firsts.to(offsets.device)
        size = firsts[places + 1] - firsts[places]
        steps = torch.minimum((offsets * size).floor().long(), size - 1)
        return self.grid.values(firsts[places] + steps)

    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        return values.astype(np.float64) if self.decimals > 0 else values.round().astype(np.int64)

    def class_values(self) -> str:
        few_integers = self.decimals == 0 and self.high - self.low <= 20 * self.step
        return self.range_in_words() if few_integers else ""
