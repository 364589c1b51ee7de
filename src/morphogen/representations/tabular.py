r"""Tables: rows as vectors of standardised columns.

    x_j = (v_j + step_j (u_j - 1/2) - mean_j) / std_j,     u_j ~ U(0, 1)

A column of real numbers has step 0 and is only standardised. A column on a grid (counts, sizes rounded to a
tenth) or of categories (numbered 0, 1, ...) is also dequantised, because a density concentrated on its values
would be unbounded: each value represents a cell of width step, and the mass of the cell is bounded from below
(Uria, Murray & Larochelle 2013; Theis et al. 2016),

    log P(v) >= E_u log p(x) + sum_{j on a grid} log step_j - sum_j log std_j

If all columns are on a grid, this is a probability mass; if none is, it is an exact density in the units of
the columns; otherwise it is a lower bound of the density over the real columns and mass over the others. The
numbering of categories imposes an arbitrary order: the bound holds nevertheless, and a multimodal
distribution need not depend on it.
"""

__all__ = ["CategoryColumn", "Column", "DateColumn", "GridColumn", "Jitter", "RealColumn", "Tabular"]

import math
from abc import ABC, abstractmethod
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.media.table import TABLE
from morphogen.numerics.randomness import Rng
from morphogen.plan import Augmentation
from morphogen.representations.given import check_finite, check_shape, tensor_of


class Column(Component, ABC):
    """Base class of columns: name, mean and std for standardisation, range, and width of a cell."""

    name: str
    mean: float
    std: float
    step: float  # 0: real numbers
    low: float
    high: float

    @abstractmethod
    def format_value(self, value: float) -> Any:
        """A value as it is written in the original table."""

    def class_values(self) -> str:
        """Its values in words, if they are few enough to be classes; "" otherwise."""
        return ""

    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        """The values of a table as numbers of the medium. Errors: ConfigError."""
        try:
            return np.asarray(values, dtype=np.float64)
        except (TypeError, ValueError):
            raise ConfigError(f"column {self.name!r} is not of numbers: give load_data's rows") from None

    def check(self, low: float, high: float) -> None:
        """Check the smallest and the largest of given values. Errors: ConfigError."""


class RealColumn(Column):
    """A column of real numbers.

    Arguments:
        name: of the column.
        mean, std: of its values, std above 0.
    """

    step = 0.0
    low, high = -torch.inf, torch.inf

    def __init__(self, name: str, mean: float = 0.0, std: float = 1.0):
        self.name, self.mean, self.std = name, mean, std

    def format_value(self, value: float) -> float:
        return round(value, 5 - math.floor(math.log10(self.std)))  # six digits of a standard deviation


class GridColumn(Column):
    """A column of numbers low, low + step, ..., high; sampled values are clamped to this range.

    Arguments:
        name: of the column.
        mean, std: of its values, std above 0.
        low, high: the smallest and the largest value.
        decimals: the step is 10^-decimals; 0: integers, -3: thousands.
    """

    def __init__(self, name: str, mean: float, std: float, low: float, high: float, decimals: int = 0):
        self.name, self.mean, self.std = name, mean, std
        self.low, self.high, self.decimals = low, high, decimals
        self.step = 10.0**-decimals

    def format_value(self, value: float) -> float | int:
        number = round(value, self.decimals)
        return number if self.decimals > 0 else round(number)

    def class_values(self) -> str:
        few_integers = self.decimals == 0 and self.high - self.low <= 20
        return f"{self.low:g} to {self.high:g}" if few_integers else ""


class DateColumn(Column):
    """A column of dates or times, stored in the medium as whole units since 1970; samples are clamped.

    Arguments:
        name: of the column.
        mean, std: in units, std above 0.
        low, high: the first and the last one, in units.
        format: how they are written, as `strftime` takes it.
        unit: "days", "hours", "minutes", "seconds", "milliseconds" or "microseconds".
    """

    step = 1.0

    def __init__(
        self, name: str, mean: float, std: float, low: float, high: float, format: str, unit: str = "days"
    ):
        self.name, self.mean, self.std = name, mean, std
        self.low, self.high, self.format, self.unit = low, high, format, unit

    def format_value(self, value: float) -> str:
        time = datetime(1970, 1, 1, tzinfo=UTC) + timedelta(**{self.unit: round(value)})
        milliseconds = f"{time.microsecond // 1000:03d}"
        return time.strftime(
            self.format.replace("%f", milliseconds) if self.unit == "milliseconds" else self.format
        )


class CategoryColumn(Column):
    """A column of categories, stored in the medium as indices.

    Arguments:
        name: of the column.
        mean, std: of the indices, std above 0.
        levels: the categories in the order of their indices.
    """

    step, low = 1.0, 0.0

    def __init__(self, name: str, mean: float, std: float, levels: tuple[str, ...]):
        self.name, self.mean, self.std, self.levels = name, mean, std, tuple(levels)
        self.high = len(self.levels) - 1.0

    def format_value(self, value: float) -> str:
        return self.levels[round(value)]

    def numbers(self, values: Any) -> Float[np.ndarray, " n"]:
        place = {level: float(i) for i, level in enumerate(self.levels)}
        if unknown := [str(value) for value in values if str(value) not in place]:
            known = self.class_values()
            raise ConfigError(f"column {self.name!r} has no category {unknown[0]!r}; it has {known}")
        return np.array([place[str(value)] for value in values])

    def check(self, low: float, high: float) -> None:
        if low < 0 or high > self.high:
            raise ConfigError(
                f"column {self.name!r} has values from {low:g} to {high:g}, the model takes the indices 0 to "
                f"{self.high:g} of {self.class_values()}"
            )

    def class_values(self) -> str:
        return ", ".join(self.levels[:5]) + (", ..." if len(self.levels) > 5 else "")


class Tabular(Representation):
    """Rows as standardised, dequantised vectors [B, D].

    The medium is float64, because dates and amounts may have more digits than float32 holds; x is float32.

    Arguments:
        columns: the D columns in order.

    Errors: ConfigError without columns, or for a std that is not above 0.
    """

    medium = TABLE

    def __init__(self, columns: tuple[Column, ...]):
        super().__init__()
        self.columns = tuple(columns)
        if not self.columns or any(not column.std > 0 for column in self.columns):
            raise ConfigError(
                "Tabular requires at least one column, each with a standard deviation above 0; "
                "drop constant columns"
            )
        self.shape = (len(self.columns),)
        self.discrete = False  # columns on a grid are dequantised
        self.medium_discrete = all(column.step > 0 for column in self.columns)

    def check(self, medium: Any) -> Float[Tensor, "b d"]:
        """Rows as float64, in the order of the columns, categories as indices. Errors: ConfigError."""
        what = f"rows of the columns {', '.join(column.name for column in self.columns)}"
        values = tensor_of(self._numbers(medium), what, torch.float64)
        check_shape(values, self.shape, what)
        check_finite(values, what)
        for column, low, high in zip(self.columns, values.amin(0), values.amax(0), strict=True):
            column.check(low.item(), high.item())
        return values.double()

    def _numbers(self, medium: Any) -> Any:
        """The columns of a DataFrame as numbers; anything else unchanged. Errors: ConfigError."""
        if not hasattr(medium, "columns"):
            return medium
        if missing := [column.name for column in self.columns if column.name not in medium.columns]:
            raise ConfigError(f"the table has no column {missing[0]!r}, which the model takes")
        return np.stack([column.numbers(medium[column.name]) for column in self.columns], 1)

    def encode(self, medium: Float[Tensor, "b d"], rng: Rng, measure: bool = True) -> Encoded:
        values = medium.double()
        mean, std, step = (self._vector(values, name) for name in ("mean", "std", "step"))
        exact = not step.any()
        cells = (
            values if exact else values + step * (rng.fork("dequantise").uniform(*self.shape).double() - 0.5)
        )
        log_weight = step[step > 0].log().sum() - std.log().sum()
        dims = torch.full_like(values[:, 0], len(self.columns), dtype=torch.float32)
        return Encoded(((cells - mean) / std).float(), log_weight.float().expand_as(dims), dims, exact)

    def decode(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        mean, std, step, low, high = (
            self._vector(x.double(), name) for name in ("mean", "std", "step", "low", "high")
        )
        values = mean + std * x.double()
        start = torch.where(step > 0, low, 0.0)
        cells = torch.where(step > 0, step, 1.0)
        on_grid = start + ((values - start) / cells).round() * cells
        return torch.where(step > 0, on_grid, values).clamp(low, high)

    def present(self, medium: Float[Tensor, "b d"]) -> list[Any]:
        """A dict per row from column name to value, as `csv.DictWriter` takes them."""
        rows = medium.double().tolist()
        return [
            {column.name: column.format_value(value) for column, value in zip(self.columns, row, strict=True)}
            for row in rows
        ]

    def _vector(self, like: Tensor, name: str) -> Tensor:
        """An attribute of all columns as a tensor [D], with the dtype and device of `like`."""
        return like.new_tensor([getattr(column, name) for column in self.columns])


class Jitter(Augmentation):
    """Noise regularisation: v_j + scale std_j eps, eps ~ N(0, 1), against overfitting a density to few rows.

    Applied in training only, not in the likelihood (Rothfuss, Ferreira, Boehm, Walther, Ulrich, Asfour &
    Krause 2019, "Noise regularization for conditional density estimation").

    Arguments:
        tabular: the representation with the standard deviations of the columns.
        scale: of the noise, in standard deviations.
    """

    def __init__(self, tabular: Tabular, scale: float):
        self.tabular, self.scale = tabular, scale

    def __call__(self, medium: Float[Tensor, "b d"], rng: Rng) -> Float[Tensor, "b d"]:
        std = medium.new_tensor([column.std for column in self.tabular.columns])
        return medium + self.scale * std * rng.normal(*self.tabular.shape).to(medium)
