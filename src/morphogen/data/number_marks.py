r"""Numbers in text: which mark is decimal, and which one groups thousands.

    1,234.5   1 234.5   1'234.5       decimal point
    1.234,5   1 234,5   1'234,5       decimal comma
    1,234     1.234                   either: a decimal, or grouped thousands

A column has the mark under which all its numbers are well formed. Where both are possible, the other columns
decide; without any, the point, and the comma in a file that separates its cells with semicolons.
"""

__all__ = ["Marks", "is_number", "number_pattern", "to_float"]

import re
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from typing import NamedTuple

from morphogen.caller import setting

OTHER = {".": ",", ",": "."}
SPACES = "' \u2019\u00a0\u2009\u202f"  # grouping marks in either convention


@cache
def number_pattern(decimal: str) -> re.Pattern[str]:
    """Pattern of a whole number, decimal or number in scientific notation, with this decimal mark."""
    mark, group = re.escape(decimal), re.escape(OTHER[decimal] + SPACES)
    grouped = rf"[1-9]\d{{0,2}}(?P<group>[{group}])\d{{3}}(?:(?P=group)\d{{3}})*(?:{mark}\d*)?"
    plain = rf"(?:\d+(?:{mark}\d*)?|{mark}\d+)(?:e[+-]?\d+)?"
    return re.compile(rf"[+\-\u2212]?(?:{grouped}|{plain}|inf(?:inity)?)", re.ASCII | re.IGNORECASE)


def is_number(cell: str) -> bool:
    """Whether a cell is a number in either convention."""
    return any(number_pattern(mark).fullmatch(cell) for mark in OTHER)


def to_float(cell: str, decimal: str) -> float:
    """The value of a number, infinite or 0 beyond the range of float64."""
    plain = re.sub(f"[{re.escape(OTHER[decimal] + SPACES)}]", "", cell)
    return float(plain.replace(decimal, ".").replace("\u2212", "-"))


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
            possible[name] = [m for m in OTHER if all(map(number_pattern(m).fullmatch, numbers))]
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
                    f"{setting('table', 'decimal', OTHER[guess])} reads it as "
                    f"{to_float(cell, OTHER[guess]):g}"
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
                f"{setting('table', 'decimal', OTHER[chosen])}"
            )
