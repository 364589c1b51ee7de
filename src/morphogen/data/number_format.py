"""How the numbers of a column are written: `1.234,50 €`, `17 %`, `3750,0`."""

__all__ = ["NumberFormat", "number_formats"]

import re
from collections import Counter
from collections.abc import Iterable
from typing import TYPE_CHECKING, NamedTuple

from morphogen.data.number_marks import Marks
from morphogen.representations.tabular.number_text import is_number, number_pattern

if TYPE_CHECKING:
    from pandas import DataFrame

SIGNS = "[$€£¥₹]"
AROUND = re.compile(
    rf"(?P<sign>[+\-\u2212]?)(?P<before>{SIGNS}?\s*)(?P<number>\S.*?)(?P<after>\s*(?:%|{SIGNS})?)"
)


class NumberFormat(NamedTuple):
    """The format of numbers in text.

    Arguments:
        before, after: a currency or percent sign, with the space between it and the number.
        decimal: mark.
        group: mark of thousands; "": none.
        decimals: at most.
        is_fixed: whether every number has exactly this many.
        minus: sign.
    """

    before: str = ""
    after: str = ""
    decimal: str = "."
    group: str = ""
    decimals: int = 0
    is_fixed: bool = True
    minus: str = "-"

    @classmethod
    def of(cls, texts: Iterable[str], decimal: str) -> "NumberFormat | None":
        """The usual format of numbers; None: they are in scientific notation, or there are none.

        Arguments:
            texts: of the numbers; others are ignored.
            decimal: their decimal mark.
        """
        around, fractions, groups, minus = Counter[tuple[str, str]](), Counter[str](), Counter[str](), "-"
        for text in texts:
            match = AROUND.fullmatch(text.strip())
            number = match and number_pattern(decimal).fullmatch(match["number"])
            if match is None or number is None:
                continue
            if number[0].strip("0123456789.,' \u2019\u00a0\u2009\u202f"):
                return None
            around[match["before"], match["after"]] += 1
            fractions[number[0].rpartition(decimal)[2] if decimal in number[0] else ""] += 1
            groups[number["group"] or ""] += 1
            minus = "\u2212" if match["sign"] == "\u2212" else minus
        if not around:
            return None
        groups[""] = 0
        lengths = {len(fraction) for fraction in fractions}
        (before, after), group = around.most_common(1)[0][0], groups.most_common(1)[0][0]
        return cls(before, after, decimal, group, max(lengths), len(lengths) == 1, minus)

    def write(self, value: float) -> str:
        """A number in this format."""
        whole, _, fraction = f"{abs(value):.{self.decimals}f}".partition(".")
        if self.group:
            whole = f"{int(whole):,}".replace(",", self.group)
        fraction = fraction if self.is_fixed else fraction.rstrip("0")
        number = f"{whole}{self.decimal}{fraction}" if fraction else whole
        sign = self.minus if value < 0 and number.strip("0.,") else ""
        return f"{sign}{self.before}{number}{self.after}"


def number_formats(
    frame: "DataFrame", names: Iterable[str], usual: str, chosen: str | None = None
) -> dict[str, NumberFormat]:
    """The formats of columns of numbers in text, by name; those of other cells have none.

    Arguments:
        frame: the table.
        names: of the columns of numbers.
        usual, chosen: decimal marks, as for `Marks`.
    """
    texts = {name: [cell for cell in frame[name] if isinstance(cell, str)] for name in names}
    numbers = {
        name: {match["number"] for cell in cells if (match := AROUND.fullmatch(cell.strip()))}
        for name, cells in texts.items()
    }
    marks = Marks.of({name: filter(is_number, cells) for name, cells in numbers.items()}, usual, chosen)
    found = {name: NumberFormat.of(cells, marks.decimal[name]) for name, cells in texts.items()}
    return {name: form for name, form in found.items() if form is not None}
