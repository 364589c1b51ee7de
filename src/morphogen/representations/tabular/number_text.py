r"""Numbers as tables write them: `1.234,50 €`, `17 %`, `3750,0`, and texts of missing cells.

    1,234.5   1 234.5   1'234.5       decimal point
    1.234,5   1 234,5   1'234,5       decimal comma
    1,234     1.234                   either: a decimal, or grouped thousands

    (1.50)   1.50-                    negative numbers of accounting

No paper: these are conventions. `data.number_marks` finds the mark of a column that nobody has read before;
of a column that is known, the reading is taken that puts most cells into its range.
"""

__all__ = [
    "AROUND", "OTHER_MARK", "UNIT", "is_missing", "is_number", "number_pattern", "read_numbers", "signed",
    "to_float", "without_unit",
]  # fmt: skip

import re
from collections.abc import Sequence
from functools import cache

import numpy as np
from jaxtyping import Float

OTHER_MARK = {".": ",", ",": "."}
SPACES = "' \u2019\u00a0\u2009\u202f"  # grouping marks in either convention
MISSING = re.compile(  # what pandas reads as missing, in any case, "?", and errors of spreadsheets
    r"\??|#n/a( n/a)?|#na|-?1\.#(ind|qnan)|-?nan|<na>|n/?a|null|none|#(div/0!|ref!|value!|num!|null!|name\?)",
    re.IGNORECASE,
)
NEGATIVE = re.compile(r"\((?P<inside>[^()+\-\u2212]+)\)|(?P<before>[^()+\-\u2212]+)-")  # in accounting
UNIT = re.compile(  # a number with a currency sign before it, or this or a percent sign after it
    r"(?P<sign>[+\-\u2212]?)(?P<before>[$€£¥₹])?\s*(?P<number>\S.*?)\s*(?P<after>(?(before)|[%$€£¥₹]?))"
)


SIGNS = "[$€£¥₹]"
AROUND = re.compile(  # a number and all that is written around it, as in the column's other cells
    rf"(?P<sign>[+\-\u2212]?)(?P<before>{SIGNS}?\s*)(?P<number>\S.*?)(?P<after>\s*(?:%|{SIGNS})?)"
)


@cache
def number_pattern(decimal: str) -> re.Pattern[str]:
    """Pattern of a whole number, decimal or number in scientific notation, with this decimal mark."""
    mark, group = re.escape(decimal), re.escape(OTHER_MARK[decimal] + SPACES)
    grouped = rf"[1-9]\d{{0,2}}(?P<group>[{group}])\d{{3}}(?:(?P=group)\d{{3}})*(?:{mark}\d*)?"
    plain = rf"(?:\d+(?:{mark}\d*)?|{mark}\d+)(?:e[+-]?\d+)?"
    return re.compile(rf"[+\-\u2212]?(?:{grouped}|{plain}|inf(?:inity)?)", re.ASCII | re.IGNORECASE)


def is_number(cell: str) -> bool:
    """Whether a cell is a number in either convention."""
    return any(number_pattern(mark).fullmatch(cell) for mark in OTHER_MARK)


def to_float(cell: str, decimal: str) -> float:
    """The value of a number, infinite or 0 beyond the range of float64."""
    plain = re.sub(f"[{re.escape(OTHER_MARK[decimal] + SPACES)}]", "", cell)
    return float(plain.replace(decimal, ".").replace("\u2212", "-"))


def is_missing(cell: str) -> bool:
    """Whether a cell of text is read as missing."""
    return MISSING.fullmatch(cell) is not None


def without_unit(cell: str) -> str:
    """A number without its currency or percent sign, and with its minus sign before it."""
    match = UNIT.fullmatch(signed(cell))
    return match["sign"] + match["number"] if match else cell


def signed(cell: str) -> str:
    """A negative number of accounting, (1.50) or 1.50-, as -1.50; any other cell as it is."""
    match = NEGATIVE.fullmatch(cell)
    number = match and "-" + (match["inside"] or match["before"]).strip()
    unit = UNIT.fullmatch(number) if number else None
    return number if number and unit and is_number(unit["sign"] + unit["number"]) else cell


def read_numbers(cells: Sequence[str | None], low: float, high: float) -> Float[np.ndarray, " n"]:
    """The numbers in the texts of a column with this range; NaN for None.

    Arguments:
        cells: the texts; all have one decimal mark.
        low, high: the smallest and the largest number that is known of the column.

    Errors: ValueError with the first cell that is no number, or is none beside the others.
    """
    texts = [None if cell is None else without_unit(cell.strip()) for cell in cells]
    readings = {}
    for mark in OTHER_MARK:
        wrong = [c for c, t in zip(cells, texts, strict=True) if t and not number_pattern(mark).fullmatch(t)]
        readings[mark] = wrong or np.array([np.nan if t is None else to_float(t, mark) for t in texts])
    good = [values for values in readings.values() if isinstance(values, np.ndarray)]
    if not good:
        raise ValueError(repr(min(readings.values(), key=len)[0]))
    return max(good, key=lambda values: int(((values >= low) & (values <= high)).sum()))
