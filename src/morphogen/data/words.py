r"""Columns of words: categories, unless the words tell rows apart.

    at most 256 distinct words      at most half as many as rows
    257 to 4096                     five rows each on average, and at most one row in twenty has a word that
                                    no other row has

Of names and free text a model could only copy the cells of single rows. Airports, machines and products
repeat; so do customers, which no count tells from them: a note names such a column.

No paper: rules of thumb.
"""

__all__ = ["FEW_WORDS", "MOST_WORDS", "Words", "many_words"]

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from morphogen.caller import setting
from morphogen.data.columns import Reading
from morphogen.representations.tabular.columns import CategoryColumn, Column, smoothed
from morphogen.representations.tabular.number_text import UNIT, is_number, without_unit

FEW_WORDS, MOST_WORDS = 256, 4096  # categories per column: in tables of few rows, and at all
ROWS_EACH = 5  # rows per word on average, beyond few words
ALONE = 0.05  # largest share of the rows with a word of their own, beyond few words


@dataclass(frozen=True)
class Words(Reading):
    """A column of words, object [N] of strings.

    Arguments:
        order: all categories in their own order; (): in alphabetical order.
        written_values: those of the column as JSON, see `CategoryColumn`; (): its words.
    """

    order: tuple[str, ...] = ()
    written_values: tuple[Any, ...] = ()

    @cached_property
    def levels(self) -> tuple[str, ...]:
        """The distinct words, in order."""
        present = set(self.known)
        return tuple(word for word in self.order if word in present) or tuple(sorted(present))

    @property
    def kind(self) -> str:
        return f"{len(self.levels)} categories"

    @property
    def missing(self) -> np.ndarray:
        return self.cells == None  # noqa: E711  (element by element)

    @property
    def values(self) -> np.ndarray:
        index = {word: float(i) for i, word in enumerate(self.levels)} | {None: np.nan}
        return np.array([index[word] for word in self.cells], dtype=np.float64)

    @cached_property
    def alone(self) -> int:
        """The number of words that one row has only."""
        return sum(count == 1 for count in Counter(self.known).values())

    @property
    def repeat(self) -> bool:
        """Whether rows share the words, which are then categories."""
        n, rows = len(self.levels), len(self.known)
        if n <= FEW_WORDS:
            return n <= max(2, rows / 2)
        return n <= MOST_WORDS and n * ROWS_EACH <= rows and self.alone <= ALONE * rows

    def fault(self) -> str | None:
        if self.repeat:
            return super().fault()
        n, rows = len(self.levels), len(self.known)
        why = f"{n} different words in {rows} rows, such as {self._odd_word()[:20]!r}"
        if n <= FEW_WORDS or n > rows / 2:
            return why
        return (
            f"{why}, {self.alone} of them in one row only; {FEW_WORDS + 1} to {MOST_WORDS} are modelled if "
            f"they have {ROWS_EACH} rows each on average, and at most {ALONE:.0%} of the rows a word of "
            "their own"
        )

    def _odd_word(self) -> str:
        """The first word that is no number; if all are numbers, the first of another unit than most."""
        units = {word: _unit(word) for word in self.levels}
        common = Counter(units.values()).most_common(1)[0][0]
        words = [word for word, unit in units.items() if unit is None]
        return next(iter([*words, *(word for word in units if units[word] != common), *units]))

    def column(self, train: np.ndarray) -> Column:
        missing, values = self.missing, self.values[train]
        known = values[~np.isnan(values)].astype(np.int64)
        counts = np.bincount(known, minlength=len(self.levels)).tolist()
        weights = smoothed(counts, int(missing[train].sum()), bool(missing.any()))
        return CategoryColumn(self.name, self.levels, weights, self.dtype, self.marker, self.written_values)

    def classes(self) -> tuple[tuple[str, ...], np.ndarray]:
        return self.levels, self.values.astype(np.int64)

    def class_column(self, classes: Sequence[str], weights: Sequence[float]) -> CategoryColumn:
        values = self.written_values
        return CategoryColumn(self.name, tuple(classes), tuple(weights), self.dtype, self.marker, values)

    def written(self, cell: str) -> str:
        return cell


def many_words(readings: Iterable[Reading]) -> list[str]:
    """Notes on columns of so many categories that they may be names of people."""
    return [
        f"column {words.name!r}: samples have its {len(words.levels)} words as they are; if they identify "
        f"people, leave it out: {setting('table', 'drop', words.name)}"
        for words in readings
        if isinstance(words, Words) and len(words.levels) > FEW_WORDS
    ]


def _unit(word: str) -> str | None:
    """The currency or percent sign of a number, or ""; None: the word is no number."""
    match = UNIT.fullmatch(word)
    if match is None or not is_number(without_unit(word)):
        return None
    return match["before"] or match["after"]
