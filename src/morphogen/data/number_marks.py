"""Numbers in text: which mark is decimal, and which one groups thousands (`number_text` has both formats).

A column has the mark under which all its numbers are well formed. Where both are possible, the other columns
decide; without any, the point, and the comma in a file that separates its cells with semicolons.
"""

__all__ = ["Marks"]

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from morphogen.caller import setting
from morphogen.representations.tabular.number_text import OTHER_MARK, is_number, number_pattern, to_float


class Marks(NamedTuple):
    """The decimal mark of each column, and notes on what was ambiguous."""

    decimal: Mapping[str, str]
    notes: tuple[str, ...] = ()

    @classmethod
    def of(cls, columns: Mapping[str, Iterable[str]], usual: str = ".", chosen: str | None = None) -> "Marks":
        """Find the decimal mark of each column of text.

        Arguments:
            columns: the distinct cells of each column by its name.
            usual: the mark where no column decides.
            chosen: the mark of all columns, by the user; None: infer it.
        """
        if chosen is not None:
            return cls(dict.fromkeys(columns, chosen), tuple(_misread(columns, chosen)))
        possible, examples = {}, {}
        for name, cells in columns.items():
            numbers = [cell for cell in cells if is_number(cell)]
            possible[name] = [m for m in OTHER_MARK if all(map(number_pattern(m).fullmatch, numbers))]
            examples[name] = next((cell for cell in numbers if "," in cell or "." in cell), None)
        certain = {marks[0] for name, marks in possible.items() if len(marks) == 1 and examples[name]}
        guess = next(iter(certain)) if len(certain) == 1 else usual
        decimal, notes = {}, []
        for name, marks in possible.items():
            decimal[name] = guess if len(marks) == 2 else (marks or ["."])[0]
            cell = examples[name]
            if len(marks) == 2 and cell and len(certain) != 1:
                notes.append(
                    f"column {name!r}: {cell} is read as {to_float(cell, guess):g}; "
                    f"{setting('table', 'decimal', OTHER_MARK[guess])} reads it as "
                    f"{to_float(cell, OTHER_MARK[guess]):g}"
                )
        return cls(decimal, tuple(notes))


def _misread(columns: Mapping[str, Iterable[str]], chosen: str) -> Iterator[str]:
    """Notes on columns of numbers, of which some are none under the mark that the user chose."""
    for name, cells in columns.items():
        known = sorted(cells)
        wrong = next((cell for cell in known if not number_pattern(chosen).fullmatch(cell)), None)
        if wrong is not None and all(map(is_number, known)):
            yield (
                f"column {name!r} is read as words: {wrong} is not a number under "
                f"{setting('table', 'decimal', chosen)}; leave the option out, or write "
                f"{setting('table', 'decimal', OTHER_MARK[chosen])}"
            )
