r"""Tables: a row is a vector of numbers, each column measured in its own standard deviations.

    x_j = (v_j + step_j (u_j - 1/2) - mean_j) / std_j,     u_j ~ U(0, 1)

A column of real numbers has step 0 and stays as it is. A column on a grid (counts, sizes read to a tenth) or of categories
(numbered 0, 1, ...) is dequantised, for a density could stand on its values without bound: each value stands for a cell of width
step, and the mass of the cell is bounded from below (Uria, Murray & Larochelle 2013; Theis et al. 2016),

    log P(v) >= E_u log p(x) + sum_{j on a grid} log step_j - sum_j log std_j

With every column on a grid this is a mass; with none it is an exact density, in the units of the columns; with some of each it is
a lower bound of the density over the real columns and mass over the others. Categories have an order they do not deserve: the
bound holds all the same, and a law with several modes can do without it.
"""

__all__ = ["CategoryColumn", "Column", "GridColumn", "Jitter", "RealColumn", "Tabular"]

from abc import ABC, abstractmethod
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.numerics.randomness import Rng
from morphogen.plan import Augmentation


class Column(Component, ABC):
    """One column: its name, the moments it is standardised with, the cell that a value stands for."""

    name: str
    mean: float
    std: float
    step: float  # 0: real numbers
    low: float
    high: float

    @abstractmethod
    def show(self, value: float) -> Any:
        """A value as it stands in the person's table."""


class RealColumn(Column):
    """Real numbers.

    Arguments:
        name: of the column.
        mean, std: of its values, std above 0.
    """

    step = 0.0
    low, high = -torch.inf, torch.inf

    def __init__(self, name: str, mean: float = 0.0, std: float = 1.0):
        self.name, self.mean, self.std = name, mean, std

    def show(self, value: float) -> float:
        return float(f"{value:.6g}")


class GridColumn(Column):
    """Numbers low, low + step, ..., high; drawn values outside become the nearest inside.

    Arguments:
        name: of the column.
        mean, std: of its values, std above 0.
        low, high: the least and the greatest value.
        decimals: the step is 10^-decimals; 0: integers.
    """

    def __init__(self, name: str, mean: float, std: float, low: float, high: float, decimals: int = 0):
        self.name, self.mean, self.std, self.low, self.high, self.decimals = name, mean, std, low, high, decimals
        self.step = 10.0**-decimals

    def show(self, value: float) -> float | int:
        return round(value, self.decimals) if self.decimals else round(value)


class CategoryColumn(Column):
    """Words out of a list; the medium holds their numbers.

    Arguments:
        name: of the column.
        mean, std: of the numbers, std above 0.
        levels: the words, number 0 first.
    """

    step, low = 1.0, 0.0

    def __init__(self, name: str, mean: float, std: float, levels: tuple[str, ...]):
        self.name, self.mean, self.std, self.levels = name, mean, std, tuple(levels)
        self.high = len(self.levels) - 1.0

    def show(self, value: float) -> str:
        return self.levels[round(value)]


class Tabular(Representation):
    """Rows as standardised, dequantised vectors [B, D], D columns in their order.

    The medium is float64, for a column of dates or amounts has more digits than float32; x is float32.

    Arguments:
        columns: one `Column` for each.

    Errors: ConfigError without columns, or where a std is not above 0.
    """

    def __init__(self, columns: tuple[Column, ...]):
        super().__init__()
        self.columns = tuple(columns)
        if not self.columns or any(not column.std > 0 for column in self.columns):
            raise ConfigError("Tabular needs at least one column, each with a standard deviation above 0; leave constant columns out")
        self.shape = (len(self.columns),)
        self.discrete = False  # what lies on a grid is dequantised
        self.medium_discrete = all(column.step > 0 for column in self.columns)

    def encode(self, medium: Float[Tensor, "b d"], rng: Rng) -> Encoded:
        values = medium.double()
        mean, std, step = (self._of(values, name) for name in ("mean", "std", "step"))
        exact = not step.any()
        cells = values if exact else values + step * (rng.fork("dequantise").uniform(*self.shape).double() - 0.5)
        log_weight = step[step > 0].log().sum() - std.log().sum()
        dims = torch.full_like(values[:, 0], len(self.columns), dtype=torch.float32)
        return Encoded(((cells - mean) / std).float(), log_weight.float().expand_as(dims), dims, exact)

    def decode(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        mean, std, step, low, high = (self._of(x.double(), name) for name in ("mean", "std", "step", "low", "high"))
        values = mean + std * x.double()
        start = torch.where(step > 0, low, 0.0)
        cells = torch.where(step > 0, step, 1.0)
        on_grid = start + ((values - start) / cells).round() * cells
        return torch.where(step > 0, on_grid, values).clamp(low, high)

    def present(self, medium: Float[Tensor, "b d"]) -> list[Any]:
        """A dict a row, column name to value, as `csv.DictWriter` takes them."""
        rows = medium.double().tolist()
        return [{column.name: column.show(value) for column, value in zip(self.columns, row, strict=True)} for row in rows]

    def _of(self, like: Tensor, name: str) -> Tensor:
        """A number of every column, [D], in the type and place of `like`."""
        return like.new_tensor([getattr(column, name) for column in self.columns])


class Jitter(Augmentation):
    """v_j + share std_j eps, eps ~ N(0, 1): noise that keeps a density of few rows from standing on each of them.

    Training sees it, the likelihood does not (Rothfuss, Ferreira, Boehm, Walther, Ulrich, Asfour & Krause 2019, "Noise
    regularization for conditional density estimation").

    Arguments:
        tabular: whose columns say what a standard deviation is.
        share: of it.
    """

    def __init__(self, tabular: Tabular, share: float):
        self.tabular, self.share = tabular, share

    def __call__(self, medium: Float[Tensor, "b d"], rng: Rng) -> Float[Tensor, "b d"]:
        std = medium.new_tensor([column.std for column in self.tabular.columns])
        return medium + self.share * std * rng.normal(*self.tabular.shape).to(medium)
