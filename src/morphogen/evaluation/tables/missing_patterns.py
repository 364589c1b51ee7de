"""Missing cells that always come together: A is missing if and only if B is.

The rule applies to rows in which one of the two is missing, so that a table without missing cells keeps it
in no row rather than in all. If the columns were independent, nearly all such rows would break it. No
paper: the monotone and file-matched patterns of Little & Rubin (1987) are of this kind.
"""

__all__ = ["missing_patterns"]

from collections.abc import Iterator

import numpy as np
from jaxtyping import Bool

from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.rules import BROKEN, Evidence, Rule


def missing_patterns(cells: Cells) -> Iterator[Rule]:
    """The columns that are missing together; of three or more, each with the first.

    Arguments:
        cells: the rows.
    """
    left = [name for name in cells.order if cells.missing(name).any()]
    while left:
        one = left.pop(0)
        a = cells.missing(one)
        for other in list(left):
            b = cells.missing(other)
            rows, broken = int((a | b).sum()), int((a ^ b).sum())
            expected = rows * (
                1 - a.mean() * b.mean() / max(a.mean() + b.mean() - a.mean() * b.mean(), 1e-12)
            )
            if broken <= BROKEN * rows and Evidence(rows, broken, expected):
                left.remove(other)
                yield _together(one, other)


def _together(one: str, other: str) -> Rule:
    def applies(cells: Cells) -> Bool[np.ndarray, " n"]:
        return cells.missing(one) | cells.missing(other)

    def keeps(cells: Cells) -> Bool[np.ndarray, " n"]:
        return cells.missing(one) == cells.missing(other)

    return Rule("missing", (one, other), f"{one} is missing if and only if {other} is", applies, keeps)
