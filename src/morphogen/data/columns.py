r"""What the columns of a table are, read from their cells.

    words       cells that are not all numbers: categories, if at most 256 of them and less than half as many as rows
    grid        integers, and numbers written to so few decimals that they are at most 65536 cells of 10^-decimals: rounded numbers
    real        all other numbers

Left out, with a note that says so: a column that is missing in more than a quarter of the rows, that never changes, that only
counts the rows, or whose words are nearly all different (names, free text).
"""

__all__ = ["MISSING", "NUMBER", "Reading", "read_column"]

import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from morphogen.representations.tabular import CategoryColumn, Column, GridColumn, RealColumn

MISSING = frozenset({"", "na", "n/a", "nan", "null", "none", "?"})  # in any case
NUMBER = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?")
MOST_WORDS = 256  # categories of one column
FINEST = 2**16  # cells of a grid of decimals: finer rounding is no different from none, in what float32 keeps of x


@dataclass(frozen=True)
class Reading:
    """A column as read.

    Arguments:
        name: of the column.
        values: float64 [N]; of words their number in `levels`.
        levels: the different words in alphabetical order; () for numbers.
        decimals: of a grid; None: real numbers.
    """

    name: str
    values: np.ndarray
    levels: tuple[str, ...] = ()
    decimals: int | None = None

    def column(self, train: np.ndarray) -> Column:
        """The column with the moments of its training rows, a grid's with the spread of its cells."""
        of = self.values[train]
        mean, variance = float(of.mean()), float(of.var())
        step = 0.0 if self.decimals is None else 10.0**-self.decimals
        floor = float(np.ptp(self.values)) * 1e-3  # the training rows may all agree
        std = max((variance + step**2 / 12) ** 0.5, floor)
        if self.levels:
            return CategoryColumn(self.name, mean, std, self.levels)
        if self.decimals is None:
            return RealColumn(self.name, mean, std)
        return GridColumn(self.name, mean, std, float(self.values.min()), float(self.values.max()), self.decimals)

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        """The different values as names of classes, in order, and the class of each row, int64 [N]."""
        if self.levels:
            return self.levels, self.values.astype(np.int64)
        distinct, labels = np.unique(self.values, return_inverse=True)
        return tuple(f"{value:.12g}" for value in distinct), labels.astype(np.int64)

    @property
    def kind(self) -> str:
        """In words."""
        if self.levels:
            return f"{len(self.levels)} categories"
        return "real" if self.decimals is None else "integers" if self.decimals == 0 else f"to {10.0**-self.decimals:.{self.decimals}f}"


def read_column(name: str, cells: Sequence[str]) -> Reading | str:
    """What a column without missing cells is; or why it is left out."""
    wrong = next((cell for cell in cells if not NUMBER.fullmatch(cell)), None)
    distinct = sorted(set(cells))
    if len(distinct) < 2:
        return f"it is always {cells[0]!r}"
    if wrong is not None:
        if len(distinct) > MOST_WORDS or len(distinct) > max(2, len(cells) / 2):
            return f"{len(distinct)} different words in {len(cells)} rows, such as {wrong[:20]!r}"
        return Reading(name, np.array([distinct.index(cell) for cell in cells], dtype=np.float64), tuple(distinct))
    values = np.array([float(cell) for cell in cells])
    unlike = len(np.unique(values))
    if not np.isfinite(values).all():
        return "it holds numbers too large"
    if unlike < 2:
        return f"it is always {cells[0]}"
    decimals = max(_decimals(cell) for cell in distinct)
    if decimals == 0 and unlike == len(values) > 2 and (np.diff(values) == 1).all():
        return "it counts the rows"
    on_grid = decimals == 0 or np.ptp(values) * 10.0**decimals <= FINEST
    return Reading(name, values, decimals=decimals if on_grid else None)


def _decimals(cell: str) -> int:
    """How many decimals a number needs: 2.50 and 25e-1 need one."""
    exponent = Decimal(cell).normalize().as_tuple().exponent
    return max(0, -exponent) if isinstance(exponent, int) else 0
