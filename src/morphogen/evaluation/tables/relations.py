r"""Arithmetic relations between columns of numbers that always hold: digits, sums and order.

    a = b // 10^k, a = b % 10^k        digits: hour and minute of a time written as 1745
    a = b + c                          sums; a = b - c is b = a + c
    a = b                              copies
    a <= b                             order

How many rows would break a relation if the columns were independent is counted after a permutation of one
of them. No paper: equations are tried one by one, as in Langley's BACON (1977) but without a search.
"""

__all__ = ["Equation", "relations"]

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations, permutations

import numpy as np
from jaxtyping import Bool

from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.rules import BROKEN, Evidence, Rule
from morphogen.numerics.randomness import Rng

GLANCE = 64  # rows that are tried before all
POWERS = (10, 100, 1000, 10_000)
TOLERANCE = 1e-9  # of the largest number in an equation


@dataclass(frozen=True)
class Equation:
    """An equation, or an order, between columns.

    Arguments:
        text: with a place for the name of each column.
        operation: what is found only once between the same columns.
        holds: which rows fulfil it, from the numbers of each column.
        determined: places of the columns that the others determine.
    """

    text: str
    operation: str
    holds: Callable[..., Bool[np.ndarray, " n"]]
    determined: tuple[int, ...]

    def rule(self, names: tuple[str, ...]) -> Rule:
        """The rule about some columns."""

        def applies(cells: Cells) -> Bool[np.ndarray, " n"]:
            return ~np.isnan(np.sum([cells.numbers[name] for name in names], axis=0))

        def keeps(cells: Cells) -> Bool[np.ndarray, " n"]:
            return self.holds(*(cells.numbers[name] for name in names))

        implies = tuple((names[:i] + names[i + 1 :], names[i]) for i in self.determined)
        return Rule("relation", names, self.text.format(*names), applies, keeps, implies=implies)


def relations(cells: Cells, seed: int = 0) -> list[Rule]:
    """The relations that the rows of a table support, equations first, without those that follow from others.

    Arguments:
        cells: the rows.
        seed: of the permutation.
    """
    shuffled = np.argsort(Rng(seed, len(cells), ("rules", "independent")).uniform().double().numpy())
    numbers = [name for name in cells.order if name in cells.numbers]
    numbers = [name for name in numbers if np.nanmin(cells.numbers[name]) < np.nanmax(cells.numbers[name])]
    tables = {name: (cells.numbers[name], cells.numbers[name][shuffled]) for name in numbers}
    found: dict[tuple[tuple[str, ...], str], Equation] = {}  # of a = b // 10 and a = b // 100 the first
    for names, equation in _candidates(numbers):
        copied = (names, "=") in found or (names[::-1], "=") in found
        known = copied or (names, equation.operation) in found
        if not known and _supported([tables[name] for name in names], equation):
            found[names, equation.operation] = equation
    related = {frozenset(names) for names, _ in found}
    ordered = {
        pair
        for pair in permutations(numbers, 2)
        if frozenset(pair) not in related and _supported([tables[name] for name in pair], AT_MOST)
    }
    direct = [
        (one, other)
        for one, other in sorted(ordered)
        if not any((one, middle) in ordered and (middle, other) in ordered for middle in numbers)
    ]
    return [equation.rule(names) for (names, _), equation in found.items()] + [
        AT_MOST.rule(p) for p in direct
    ]


def _candidates(numbers: list[str]) -> Iterator[tuple[tuple[str, ...], Equation]]:
    """All equations between two and three columns, the simplest first."""
    for pair in combinations(numbers, 2):
        yield pair, EQUAL
    for pair in permutations(numbers, 2):
        for equation in (*QUOTIENTS, *REMAINDERS):
            yield pair, equation
    for pair in combinations(numbers, 2):
        for total in numbers:
            if total not in pair:
                yield (total, *pair), SUM


def _supported(tables: list[tuple[np.ndarray, np.ndarray]], equation: Equation) -> bool:
    """Whether nearly all rows fulfil an equation, and would not if its first column were independent."""
    known = [values for values, _ in tables]
    if len(_broken([values[:GLANCE] for values in known], equation)[1]) > 1:
        return False
    rows, broken = _broken(known, equation)
    if len(broken) > BROKEN * rows:
        return False
    return bool(Evidence(rows, len(broken), len(_broken([tables[0][1], *known[1:]], equation)[1])))


def _broken(values: list[np.ndarray], equation: Equation) -> tuple[int, np.ndarray]:
    """The number of rows without missing cells, and which of them break an equation."""
    present = ~np.isnan(np.sum(values, axis=0))
    return int(present.sum()), np.flatnonzero(present & ~equation.holds(*values))


def _close(one: np.ndarray, other: np.ndarray, scale: np.ndarray) -> Bool[np.ndarray, " n"]:
    return np.abs(one - other) <= TOLERANCE * np.maximum(scale, 1)


def _equal(a: np.ndarray, b: np.ndarray) -> Bool[np.ndarray, " n"]:
    return _close(a, b, np.abs(a))


def _sum(a: np.ndarray, b: np.ndarray, c: np.ndarray) -> Bool[np.ndarray, " n"]:
    return _close(a, b + c, np.abs(b) + np.abs(c))


def _at_most(a: np.ndarray, b: np.ndarray) -> Bool[np.ndarray, " n"]:
    return a <= b + TOLERANCE * np.maximum(np.abs(a), 1)


def _quotient(power: int) -> Equation:
    return Equation(f"{{}} = {{}} // {power}", "//", lambda a, b: _equal(a, b // power), (0,))


def _remainder(power: int) -> Equation:
    return Equation(f"{{}} = {{}} % {power}", "%", lambda a, b: _equal(a, b % power), (0,))


EQUAL = Equation("{} = {}", "=", _equal, (0, 1))
SUM = Equation("{} = {} + {}", "+", _sum, (0, 1, 2))
AT_MOST = Equation("{} ≤ {}", "≤", _at_most, ())
QUOTIENTS = tuple(map(_quotient, POWERS))
REMAINDERS = tuple(map(_remainder, POWERS))
