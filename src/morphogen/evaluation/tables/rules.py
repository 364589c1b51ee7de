"""Rules about the rows of a table, the evidence for them, and the fraction of rows that keep them.

`find_rules` finds them. No paper: that of each kind of rule is named where it is found.
"""

__all__ = ["BROKEN", "FEWEST", "Evidence", "Rule", "breaks_none", "kept"]

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool

from morphogen.evaluation.intervals import Interval, proportion
from morphogen.evaluation.tables.cells import Cells

BROKEN = 0.001  # largest fraction of the training rows that break a rule
SURPRISE = 0.05  # smallest fraction of rows that would break it if the columns were independent
FEWEST = 10  # such rows, and held-out rows that it applies to


@dataclass(frozen=True)
class Rule:
    """A statement about each row of a table.

    Arguments:
        kind: "dependency", "relation", "pairs" or "missing".
        columns: that it is about.
        text: the rule in words.
        applies, keeps: which rows it applies to, and which of all rows keep it.
        least: smallest fraction of held-out rows that must keep it, at the upper end of its interval.
        implies: the dependencies (columns, column) that it contains.
    """

    kind: str
    columns: tuple[str, ...]
    text: str
    applies: Callable[[Cells], Bool[np.ndarray, " n"]]
    keeps: Callable[[Cells], Bool[np.ndarray, " n"]]
    least: float = 1 - BROKEN
    implies: tuple[tuple[tuple[str, ...], str], ...] = ()


@dataclass(frozen=True)
class Evidence:
    """Decides whether the training rows support a rule.

    Arguments:
        rows: number of rows that it applies to.
        broken: number of them that break it.
        expected: number of them that would break it if the columns were independent.
    """

    rows: int
    broken: float
    expected: float

    def __bool__(self) -> bool:
        surprising = self.expected >= max(FEWEST, SURPRISE * self.rows)
        return bool(self.rows > 0 and self.broken <= BROKEN * self.rows and surprising)


def kept(rule: Rule, cells: Cells) -> Interval | None:
    """The fraction of rows that keep a rule, of those that it applies to; None if there is none.

    Arguments:
        rule: the rule.
        cells: the rows.
    """
    applies = rule.applies(cells)
    return proportion(torch.from_numpy(rule.keeps(cells)[applies])) if applies.any() else None


def breaks_none(rules: Sequence[Rule], cells: Cells) -> Interval | None:
    """The fraction of rows that break no rule; None without rules.

    Arguments:
        rules: the rules.
        cells: the rows.
    """
    if not rules:
        return None
    good = np.ones(len(cells), dtype=bool)
    for rule in rules:
        good &= rule.keeps(cells) | ~rule.applies(cells)
    return proportion(torch.from_numpy(good))
