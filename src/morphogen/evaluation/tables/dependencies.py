r"""Functional dependencies, A -> B and A, B -> C, and the pairs of categories that occur.

With n rows in which A takes m values, n - m rows repeat a value of A and could break A -> B. If B were
independent of A, each would differ from the first row of its group with probability 1 - sum_b p_b^2:

    expected = (n - m) (1 - sum_b p_b^2)

so that a key (m = n) and a constant B (p_b = 1) support nothing (Huhtala et al. 1999, "TANE", search;
Kivinen & Mannila 1995, the error g3 = the fraction of rows to remove). A rule from two columns is tried
only for what neither of them determines alone.
"""

__all__ = ["existing_pairs", "functional_dependencies", "minimal_cover"]

from collections.abc import Iterator, Sequence
from itertools import combinations

import numpy as np
from jaxtyping import Bool, Int

from morphogen.evaluation.tables.cells import Cells
from morphogen.evaluation.tables.rules import BROKEN, Evidence, Rule

Dependency = tuple[tuple[str, ...], str]
HOPELESS = 0.05  # fraction of rows that differ from the first row of their group: no need to count further
PAIRS_KEPT = 0.95  # of held-out rows whose pair of categories must occur in training rows


def functional_dependencies(cells: Cells, train: Cells) -> Iterator[Rule]:
    """The dependencies on one column, then on two, that the rows of a table support.

    Arguments:
        cells: rows in which dependencies are searched for.
        train: the rows that say which value belongs to which.
    """
    codes = {name: _codes(cells.values[name]) for name in cells.order}
    varying = [name for name in cells.order if codes[name].max() > 0]
    single = {
        (one, other)
        for one in varying
        for other in varying
        if one != other and _determines(codes[one], codes[other])
    }
    for one, other in sorted(single):
        yield _dependency((one,), other, train)
    for pair in combinations(varying, 2):
        if pair in single or pair[::-1] in single:
            continue  # the pair says what one of its columns says
        joint = _joint(*(codes[name] for name in pair))
        if not Evidence(len(cells), 0, len(cells) - int(joint.max()) - 1):
            continue  # nearly a key
        for other in varying:
            known = other in pair or (pair[0], other) in single or (pair[1], other) in single
            if not known and _determines(joint, codes[other]):
                yield _dependency(pair, other, train)


def minimal_cover(rules: Sequence[Rule], given: Sequence[Dependency]) -> list[Rule]:
    """The rules without those that follow from the others and from given dependencies (Maier 1980).

    Arguments:
        rules: dependencies.
        given: further ones, which are not removed.
    """
    left = list(rules)
    for rule in reversed(rules):  # those from two columns are last, and the first to go
        others = [each for other in left if other is not rule for each in other.implies]
        if rule.columns[-1] in _closure(rule.columns[:-1], [*given, *others]):
            left.remove(rule)
    return left


def existing_pairs(cells: Cells, train: Cells, dependencies: Sequence[Rule]) -> Iterator[Rule]:
    """The pairs of columns of categories of which only some values occur together.

    No paper: with independent columns, at least 5 % of the rows would have a pair that does not occur.

    Arguments:
        cells: rows in which pairs of columns are searched for.
        train: the rows that say which values occur together.
        dependencies: those of the table; a pair of which one determines the other is not repeated.
    """
    stated = {frozenset(rule.columns) for rule in dependencies}
    for one, other in combinations(cells.codes, 2):
        if {one, other} in stated:
            continue
        a, b = cells.codes[one], cells.codes[other]
        present = (a >= 0) & (b >= 0)
        n = int(present.sum())
        if not n:
            continue
        p, q = (np.bincount(codes[present]) / n for codes in (a, b))
        occurring = np.unique(np.stack([a, b])[:, present], axis=1)
        expected = n * (1 - (p[occurring[0]] * q[occurring[1]]).sum())
        if Evidence(n, 0, expected):
            yield _pairs(one, other, train)


def _determines(determinant: Int[np.ndarray, " n"], dependent: Int[np.ndarray, " n"]) -> bool:
    """Whether rows of the same determinant have the same dependent; codes are from 0, -1 where missing."""
    present = (determinant >= 0) & (dependent >= 0)
    one, other = determinant[present], dependent[present]
    n = len(one)
    if not n:
        return False
    first = np.zeros(int(one.max()) + 1, dtype=np.int64)
    first[one[::-1]] = other[::-1]
    if (first[one] != other).mean() > HOPELESS:
        return False
    groups = len(np.unique(one))
    expected = (n - groups) * (1 - ((np.bincount(other) / n) ** 2).sum())
    if not Evidence(n, 0, expected):
        return False
    return bool(n - _majorities(one, other)[1].sum() <= BROKEN * n)


def _majorities(one: np.ndarray, other: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """For each value of `one`: the value, the number of rows with its most frequent `other`, and that."""
    width = int(other.max()) + 1
    cells, count = np.unique(one * width + other, return_counts=True)
    value = cells // width
    order = np.lexsort((count, value))
    last = np.append(np.flatnonzero(np.diff(value[order])), len(order) - 1)  # the largest count of each value
    return value[order][last], count[order][last], (cells % width)[order][last]


def _dependency(names: tuple[str, ...], other: str, cells: Cells) -> Rule:
    """The rule that rows with the values of `names` in a training row have its value of `other`."""
    keys, targets = _rows(cells, names), cells.values[other]
    present = (keys >= 0) & ~np.isnan(targets)
    distinct, place = np.unique(targets[present], return_inverse=True)
    return _LookUp(names, other, cells, distinct, keys[present], place).rule()


class _LookUp:
    """The value of a column for each combination of values of other columns in the training rows."""

    def __init__(
        self,
        names: tuple[str, ...],
        other: str,
        cells: Cells,
        distinct: np.ndarray,
        keys: np.ndarray,
        place: np.ndarray,
    ):
        self.names, self.other = names, other
        self.known = [np.unique(_present(cells.values[name])) for name in names]
        self.keys, _, majority = _majorities(keys, place)
        self.targets = distinct[majority]

    def rule(self) -> Rule:
        """The rule of this table."""
        text = f"{', '.join(self.names)} → {self.other}"
        columns = (*self.names, self.other)
        implies = ((self.names, self.other),)
        return Rule("dependency", columns, text, self.applies, self.keeps, implies=implies)

    def applies(self, cells: Cells) -> Bool[np.ndarray, " n"]:
        """Rows whose values of the determinant a training row has."""
        return self._find(cells)[1] & ~np.isnan(cells.values[self.other])

    def keeps(self, cells: Cells) -> Bool[np.ndarray, " n"]:
        """Rows that have the value of those training rows."""
        place, found = self._find(cells)
        return found & (self.targets[place] == cells.values[self.other])

    def _find(self, cells: Cells) -> tuple[np.ndarray, np.ndarray]:
        keys = _rows(cells, self.names, self.known)
        place = np.searchsorted(self.keys, keys).clip(0, len(self.keys) - 1)
        return place, (keys >= 0) & (self.keys[place] == keys)


def _pairs(one: str, other: str, train: Cells) -> Rule:
    """The rule that the values of two columns occur together in the training rows."""
    width = len(train.levels[other])

    def keys(cells: Cells) -> Int[np.ndarray, " n"]:
        return cells.codes[one] * width + cells.codes[other]

    def applies(cells: Cells) -> Bool[np.ndarray, " n"]:
        return (cells.codes[one] >= 0) & (cells.codes[other] >= 0)

    known = np.unique(keys(train)[applies(train)])
    return Rule(
        "pairs",
        (one, other),
        f"({one}, {other}) is a pair that occurs",
        applies,
        lambda cells: np.isin(keys(cells), known),
        least=PAIRS_KEPT,
    )


def _rows(
    cells: Cells, names: Sequence[str], known: Sequence[np.ndarray] | None = None
) -> Int[np.ndarray, " n"]:
    """One number for each combination of known values (those of the cells themselves), -1 for any other."""
    result = np.zeros(len(cells), dtype=np.int64)
    missing = np.zeros(len(cells), dtype=bool)
    for name, values in zip(names, known or [_unique(cells, name) for name in names], strict=True):
        place = np.searchsorted(values, cells.values[name]).clip(0, max(len(values) - 1, 0))
        found = values[place] == cells.values[name] if len(values) else np.zeros(len(cells), dtype=bool)
        missing |= ~found
        result = result * max(len(values), 1) + place
    return np.where(missing, -1, result)


def _unique(cells: Cells, name: str) -> np.ndarray:
    return np.unique(_present(cells.values[name]))


def _codes(values: np.ndarray) -> Int[np.ndarray, " n"]:
    """Ranks of the distinct values, -1 where missing."""
    return np.where(np.isnan(values), -1, np.searchsorted(np.unique(_present(values)), values))


def _joint(one: np.ndarray, other: np.ndarray) -> Int[np.ndarray, " n"]:
    """Codes of the combinations of two columns, -1 where one of them is missing."""
    missing = (one < 0) | (other < 0)
    combined = np.where(missing, -1, one * (int(other.max()) + 1) + other)
    found, codes = np.unique(combined, return_inverse=True)
    return codes - int(found[0] == -1)


def _closure(names: Sequence[str], dependencies: Sequence[Dependency]) -> set[str]:
    """All columns that some columns determine (Armstrong 1974)."""
    known, before = set(names), -1
    while len(known) > before:
        before = len(known)
        known |= {other for determinant, other in dependencies if known.issuperset(determinant)}
    return known


def _present(values: np.ndarray) -> np.ndarray:
    return values[~np.isnan(values)]
