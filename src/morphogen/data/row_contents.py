r"""What a row of a table is to the split: its cells, and where rows repeat by chance also its number.

Equal rows of real numbers are copies, and the split keeps copies in one part. Equal rows of a few categories
are repeated draws; kept together, whole groups of a population would be missing from train. A table of
independent columns, with p_jk the fraction of cells of column j that equal k, has for each of its n rows

    n prod_j sum_k p_jk^2

equal ones; the sum is Simpson's index (Simpson 1949, "Measurement of diversity"). If this is 1 or more, rows
repeat by chance, and the k-th of several equal rows is a row of its own.
"""

__all__ = ["row_contents"]

import math
from collections import Counter
from collections.abc import Sequence


def row_contents(columns: Sequence[Sequence[str]]) -> tuple[list[bytes], tuple[str, ...]]:
    """The content of each row, which the split hashes, and a note if equal rows are told apart.

    Arguments:
        columns: the cells of each column as text.
    """
    rows = list(zip(*columns, strict=True))
    numbers = _numbers(rows) if _equal_by_chance(columns) >= 1 else [0] * len(rows)
    contents = [
        "\x1f".join([*row, *[str(k)] * (k > 0)]).encode() for row, k in zip(rows, numbers, strict=True)
    ]
    repeated = sum(k > 0 for k in numbers)
    told = f"{repeated:,} of {len(rows):,} rows equal an earlier one, as rows of few categories do by chance"
    return contents, (f"{told}: the split tells them apart",) * (repeated > 0)


def _equal_by_chance(columns: Sequence[Sequence[str]]) -> float:
    """How many rows equal a given one in a table of independent columns."""
    n = len(columns[0])
    return n * math.prod(sum((count / n) ** 2 for count in Counter(column).values()) for column in columns)


def _numbers(rows: Sequence[tuple[str, ...]]) -> list[int]:
    """Of each row, how many equal rows precede it."""
    seen: Counter[tuple[str, ...]] = Counter()
    numbers = []
    for row in rows:
        numbers.append(seen[row])
        seen[row] += 1
    return numbers
