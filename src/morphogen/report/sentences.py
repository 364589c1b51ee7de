"""Parts of the verdict's sentences: links to cells, intervals, lists of names, and who leads by a measure.

A model leads if no other interval overlaps with its own; those that overlap are tied with it.
"""

__all__ = [
    "Link", "Sentence", "Words", "cell", "interval", "known", "leading", "names", "percent", "undecided",
]  # fmt: skip

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from morphogen.report.rows import MEASURES, TABLE_MEASURES, Figure, Row, best, figure, overlap, two_decimals


@dataclass(frozen=True)
class Link:
    """Text that links to a cell or a row of the table."""

    text: str
    anchor: str


Words = list[str | Link]


@dataclass(frozen=True)
class Sentence:
    """A sentence as text and links, and its topic."""

    topic: str
    words: Sequence[str | Link]

    @property
    def text(self) -> str:
        """The sentence without links."""
        return "".join(word if isinstance(word, str) else word.text for word in self.words)


def leading(models: Sequence[Row], key: str) -> tuple[list[Row], list[Row]]:
    """The model with the best value and those whose intervals overlap with its own, and the others.

    Arguments:
        models: rows of models; those without the figure are left out.
        key: of the measure.
    """
    first = best(models, key)
    if first is None:
        return [], []
    measured = [row for row in models if figure(row, key) is not None]
    tied = [row for row in measured if row is not first[0] and overlap(first[1], known(row, key))]
    others = [row for row in measured if row is not first[0] and row not in tied]
    return [first[0], *tied], others


def undecided(what: str, tied: Sequence[Row], key: str) -> Words:
    """That the intervals of the leading models overlap, so that none of them is the best."""
    which = "whose intervals overlap" if len(tied) == 2 else "whose intervals overlap with the first"
    return [f"{what} is undecided between ", *names([(row, key) for row in tied]), f", {which}"]


def known(row: Row, key: str) -> Figure:
    """A figure that the row has."""
    found = figure(row, key)
    assert found is not None, f"{row.name} has no {key}"
    return found


def cell(row: Row, key: str, value: Figure, suffix: str = "") -> Link:
    """The formatted figure, linked to its cell."""
    return Link(value.formatted(_format(key)) + suffix, row.cell(key))


def interval(value: Figure, key: str = "") -> str:
    """The 95 % interval in brackets, in the format of a measure, or with two decimals."""
    format = _format(key) if key else two_decimals
    return f" [{', '.join(value.ends(format))}]"


def percent(row: Row, key: str, value: Figure) -> Link:
    """A fraction and its interval in percent, linked to its cell."""
    return Link(f"{100 * value.value:.0f} % [{100 * value.low:.0f}, {100 * value.high:.0f}]", row.cell(key))


def names(cells: Sequence[tuple[Row, str]]) -> Words:
    """a, b and c, each linked to its cell."""
    words: Words = []
    for i, (row, key) in enumerate(cells):
        words += ["" if i == 0 else " and " if i == len(cells) - 1 else ", ", Link(row.name, row.cell(key))]
    return words


def _format(key: str) -> Callable[[float], str]:
    return next(measure.format for measure in (*MEASURES, *TABLE_MEASURES) if measure.key == key)
