r"""Columns of numbers: intervals that cover their range, on a grid or on the real line.

    u = F_left(code) + dF(code) offset,     z = Phi^-1(u)

F is the cumulative mass of the intervals without that of missing cells, and z the normal score of a cell: the
column becomes standard normal, whatever its distribution is. `intervals.py` chooses the intervals.
"""

__all__ = ["DateColumn", "GridColumn", "NumberColumn", "RealColumn", "to_steps"]

import math
from abc import abstractmethod
from datetime import UTC, datetime, timedelta
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from jaxtyping import Float, Float64, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.numerics.distributions import gaussian_cdf
from morphogen.representations.tabular.columns import Column

if TYPE_CHECKING:
    from pandas import Series

EDGE = 1e-9  # u is at least that far from 0 and 1: scores are between -6 and 6
UNITS = {
    "days": "D",
    "hours": "h",
    "minutes": "m",
    "seconds": "s",
    "milliseconds": "ms",
    "microseconds": "us",
}
TEXT = ("", "object", "str", "string")  # dtypes of dates that are text
POWERS = 22  # powers of ten up to this one are exact in float64


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

    def series(self, values: Float[np.ndarray, " n"], pandas_dtype: str = "") -> "Series":
        from pandas import Series, to_timedelta

        known = ~np.isnan(values)
        written = self.written(values[known])
        if written.dtype.kind == "i" and not pandas_dtype:
            pandas_dtype = "Int64" if self.can_be_missing or not known.all() else "int64"
        cells = np.full(len(values), np.nan)
        cells[known] = written
        if pandas_dtype.startswith("timedelta"):
            return Series(to_timedelta(cells, unit="s")).astype(pandas_dtype)
        return Series(cells).astype(pandas_dtype or "float64")

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

    Errors: ConfigError for edges that are not in order.
    """

    step = 0.0

    def __init__(
        self, name: str, edges: tuple[float, ...], weights: tuple[float, ...] = (), pandas_dtype: str = "",
        marker: str = "",
    ):  # fmt: skip
        self.name, self.edges, self.weights = name, tuple(map(float, edges)), tuple(weights)
        self.pandas_dtype, self.marker = pandas_dtype, marker
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
        """Six digits of a standard deviation, within the range of the data; atoms are as they are."""
        digits = 5 - math.floor(math.log10(self.std))
        coarse = np.abs(values) * 10.0**digits < 2**53  # others have no digit to lose
        rounded = np.where(coarse, np.round(values, digits), values).clip(self.low, self.high)
        return np.where(np.isin(values, self.atoms.numpy()), values, rounded)


class GridColumn(NumberColumn):
    """A column of multiples of a step, from the smallest to the largest value.

    Arguments:
        name: of the column.
        starts: the first grid point of each interval, in steps, in order.
        last: the largest value, in steps.
        decimals: the step is 10^-decimals; 0: integers, -3: thousands.
        weights, pandas_dtype, marker: see `Column`.

    Errors: ConfigError for starts that are not in order.
    """

    def __init__(
        self, name: str, starts: tuple[int, ...], last: int, decimals: int = 0,
        weights: tuple[float, ...] = (), pandas_dtype: str = "", marker: str = "",
    ):  # fmt: skip
        self.name, self.starts, self.last = name, tuple(map(int, starts)), int(last)
        self.decimals, self.weights = decimals, tuple(weights)
        self.pandas_dtype, self.marker, self.step = pandas_dtype, marker, 10.0**-decimals
        if not starts or (np.diff([*self.starts, self.last + 1]) < 1).any():
            raise ConfigError(f"column {name!r}: starts of intervals ascend up to last={last}")
        self.low, self.high = self._from_steps(torch.tensor([self.starts[0], self.last])).tolist()

    @cached_property
    def _firsts(self) -> Int[Tensor, " k"]:
        return torch.tensor([*self.starts, self.last + 1])

    @cached_property
    def log_sizes(self) -> Float64[Tensor, " k"]:
        return torch.cat([torch.zeros(1).double(), self._firsts.diff().double().log()])

    @property
    def middles(self) -> Float64[Tensor, " k"]:
        return self._from_steps(self._firsts[:-1] + (self._firsts.diff() - 1) // 2)

    @property
    def widths(self) -> Float64[Tensor, " k"]:
        return self._firsts.diff() * self.step

    def place(
        self, values: Float64[Tensor, " b"], u: Float64[Tensor, " b"]
    ) -> tuple[Int[Tensor, " b"], Float64[Tensor, " b"]]:
        firsts = self._firsts.to(values.device)
        steps = to_steps(values, self.decimals).clamp(self.starts[0], self.last)
        places = torch.searchsorted(firsts, steps, right=True) - 1
        size = (firsts[places + 1] - firsts[places]).double()
        margin = (size * 2**-50).clamp_max(0.25)  # rounding must not reach the next grid point
        inside = torch.minimum(torch.maximum(u, margin), 1 - margin)
        return places, (((steps - firsts[places]).double() + inside) / size).clamp(0, 1 - 2**-53)

    def value(self, places: Int[Tensor, " b"], offsets: Float64[Tensor, " b"]) -> Float64[Tensor, " b"]:
        firsts = self._firsts.to(offsets.device)
        size = firsts[places + 1] - firsts[places]
        steps = torch.minimum((offsets * size).floor().long(), size - 1)
        return self._from_steps(firsts[places] + steps)

    def _from_steps(self, steps: Int[Tensor, " b"]) -> Float64[Tensor, " b"]:
        """Multiples of the step as the nearest float64: 3 tenths are 0.3, not 3 * 0.1."""
        if 0 <= self.decimals <= POWERS:
            return steps.double() / 10.0**self.decimals
        if -POWERS <= self.decimals < 0:
            return steps.double() * 10.0**-self.decimals
        distinct, index = steps.unique(return_inverse=True)
        exact = [float(f"{step}e{-self.decimals}") for step in distinct.tolist()]
        return torch.tensor(exact, dtype=torch.float64, device=steps.device)[index]

    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        return values.astype(np.float64) if self.decimals > 0 else values.round().astype(np.int64)

    def class_values(self) -> str:
        few_integers = self.decimals == 0 and self.high - self.low <= 20
        return f"{self.low:g} to {self.high:g}" if few_integers else ""


class DateColumn(GridColumn):
    """A column of dates or times, stored in the medium as whole units since 1970.

    Arguments:
        name: of the column.
        starts: the first date of each interval, in units, in order.
        last: the last one, in units.
        format: how they are written, as `strftime` takes it.
        unit: "days", "hours", "minutes", "seconds", "milliseconds" or "microseconds".
        weights, pandas_dtype, marker: see `Column`.
    """

    def __init__(
        self, name: str, starts: tuple[int, ...], last: int, format: str, unit: str = "days",
        weights: tuple[float, ...] = (), pandas_dtype: str = "", marker: str = "",
    ):  # fmt: skip
        super().__init__(name, starts, last, 0, weights, pandas_dtype, marker)
        self.format, self.unit = format, unit

    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        """Dates, as text in the format of the column or of pandas, as whole units since 1970."""
        from pandas import Series, Timedelta, Timestamp, to_datetime

        given = Series(values)
        if given.dtype.kind in "iuf":
            return super().numbers(values)
        try:
            times = to_datetime(given, format=None if given.dtype.kind == "M" else self.format, utc=True)
        except (TypeError, ValueError):
            raise ConfigError(
                f"column {self.name!r}: {given.iloc[0]!r} is not a date in the format {self.format}"
            ) from None
        return ((times - Timestamp(0, tz="UTC")) / Timedelta(1, self.unit)).to_numpy(dtype=np.float64)

    def written(self, values: Float[np.ndarray, " n"]) -> np.ndarray:
        distinct, index = np.unique(values.round(), return_inverse=True)
        return np.array([self._text(value) for value in distinct.tolist()], dtype=object)[index]

    def series(self, values: Float[np.ndarray, " n"], pandas_dtype: str = "") -> "Series":
        from pandas import Series

        known = ~np.isnan(values)
        if pandas_dtype in TEXT:
            texts = np.full(len(values), None, dtype=object)
            texts[known] = self.written(values[known])
            return Series(texts, dtype=pandas_dtype or object)
        times = np.full(len(values), np.datetime64("NaT", "us"))
        times[known] = values[known].round().astype(np.int64).astype(f"datetime64[{UNITS[self.unit]}]")
        if pandas_dtype == "date":
            return Series(times).dt.date.astype(object)
        zoned = "," in pandas_dtype  # "datetime64[ns, Europe/Berlin]"; the medium is in UTC
        return (Series(times).dt.tz_localize("UTC") if zoned else Series(times)).astype(pandas_dtype)

    def class_values(self) -> str:
        return ""

    def _text(self, value: float) -> str:
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(**{self.unit: value})
        milliseconds = f"{time.microsecond // 1000:03d}"
        return time.strftime(
            self.format.replace("%f", milliseconds) if self.unit == "milliseconds" else self.format
        )


def to_steps(values: Float64[Tensor, " b"], decimals: int) -> Int[Tensor, " b"]:
    """Values as multiples of the step 10^-decimals."""
    scaled = values * 10.0**decimals if decimals >= 0 else values / 10.0**-decimals
    return scaled.round().long()
