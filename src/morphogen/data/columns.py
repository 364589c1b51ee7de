r"""Column types of a table, inferred from the cells.

    words       cells that are not all numbers: categories, if there are at most 256 distinct ones and at
                most half as many as rows
    grid        integers, and numbers with so few decimals that their range is at most 65536 steps of
                10^-decimals: rounded numbers
    real        all other numbers

A column is dropped, with a note, if it is missing in more than a quarter of the rows, is constant, is a row
counter, or consists of words that are nearly all different (names, free text).
"""

__all__ = ["MISSING", "NUMBER", "Reading", "read_column"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from morphogen.representations.tabular import CategoryColumn, Column, GridColumn, RealColumn

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # compared in lower case
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
MOST_WORDS = 256  # categories per column
FINEST = 2**16  # steps of a grid of decimals: a finer grid is indistinguishable from real numbers in float32


@dataclass(frozen=True)
class Reading:
    """A parsed column and its inferred type.

    Arguments:
        name: of the column.
        values: float64 [N]; for words, their indices in `levels`.
        levels: the distinct words in alphabetical order; () for numbers.
        decimals: of a grid; None: real numbers.
    """

    name: str
    values: np.ndarray
    levels: tuple[str, ...] = ()
    decimals: int | None = None

    def column(self, train: np.ndarray) -> Column:
        """The column with the moments of its training rows; a grid's variance includes that of a cell."""
        training = self.values[train]
        mean, variance = float(training.mean()), float(training.var())
        step = 0.0 if self.decimals is None else 10.0**-self.decimals
        floor = float(np.ptp(self.values)) * 1e-3  # the training rows may all be equal
        std = max((variance + step**2 / 12) ** 0.5, floor)
        if self.levels:
            return CategoryColumn(self.name, mean, std, self.levels)
        if self.decimals is None:
            return RealColumn(self.name, mean, std)
        low, high = float(self.values.min()), float(self.values.max())
        return GridColumn(self.name, mean, std, low, high, self.decimals)

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Sorted class names, and the class index of each row, int64 [N]."""
        if self.levels:
            return self.levels, self.values.astype(np.int64)
        distinct, labels = np.unique(self.values, return_inverse=True)
        return tuple(f"{value:.12g}" for value in distinct), labels.astype(np.int64)

    @property
    def kind(self) -> str:
        """The type of the column, in words."""
        if self.levels:
            return f"{len(self.levels)} categories"
        if self.decimals is None:
            return "real"
        return "integers" if self.decimals == 0 else f"to {10.0**-self.decimals:.{self.decimals}f}"


def read_column(name: str, cells: Sequence[str]) -> Reading | str:
    """Infer the type of a column without missing cells, or return the reason why it is dropped."""
    non_number = next((cell for cell in cells if not NUMBER.fullmatch(cell)), None)
    distinct = sorted(set(cells))
    if len(distinct) < 2:
        return f"it is always {cells[0]!r}"
    if non_number is not None:
        if len(distinct) > MOST_WORDS or len(distinct) > max(2, len(cells) / 2):
            return f"{len(distinct)} different words in {len(cells)} rows, such as {non_number[:20]!r}"
        indices = np.array([distinct.index(cell) for cell in cells], dtype=np.float64)
        return Reading(name, indices, tuple(distinct))
    values = np.array([float(cell) for cell in cells])
    n_distinct = len(np.unique(values))
    if not np.isfinite(values).all():
        return "it has numbers too large for float64"
    if n_distinct < 2:
        return f"it is always {cells[0]}"
    decimals = max(_decimals(cell) for cell in distinct)
    if decimals == 0 and n_distinct == len(values) > 2 and (np.diff(values) == 1).all():
        return "it only counts the rows"
    on_grid = decimals == 0 or np.ptp(values) * 10.0**decimals <= FINEST
    return Reading(name, values, decimals=decimals if on_grid else None)


def _decimals(cell: str) -> int:
    """Number of decimals that a number needs: one for 2.50 and for 25e-1."""
    exponent = Decimal(cell).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
