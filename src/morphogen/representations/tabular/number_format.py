"""How the numbers of a column are written: `1.234,50 €`, `17 %`, `3750,0`."""

__all__ = ["NumberFormat"]

from collections import Counter
from collections.abc import Iterable

from morphogen.component import Component
from morphogen.representations.tabular.number_text import AROUND, number_pattern, signed


class NumberFormat(Component):
    """The format of numbers in text.

    Arguments:
        before, after: a currency or percent sign, with the space between it and the number.
        decimal: mark.
        group: mark of thousands; "": none.
        decimals: at most.
        is_fixed: whether every number has exactly this many.
        minus: sign.
    """

    def __init__(
        self, before: str = "", after: str = "", decimal: str = ".", group: str = "", decimals: int = 0,
        is_fixed: bool = True, minus: str = "-",
    ):  # fmt: skip
        self.before, self.after, self.decimal, self.group = before, after, decimal, group
        self.decimals, self.is_fixed, self.minus = decimals, is_fixed, minus

    @classmethod
    def of(cls, texts: Iterable[str], decimal: str) -> "NumberFormat | None":
        """The usual format of numbers; None: they are in scientific notation, or there are none.

        Arguments:
            texts: of the numbers; others are ignored.
            decimal: their decimal mark.
        """
        around, fractions, groups, minus = Counter[tuple[str, str]](), Counter[str](), Counter[str](), "-"
        for text in texts:
            match = AROUND.fullmatch(signed(text.strip()))
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

    def is_plain(self, decimal: str) -> bool:
        """Whether the numbers have nothing but digits, "-" and this decimal mark."""
        marked = self.decimals > 0 and self.decimal != decimal
        return not (marked or self.before or self.after or self.group or self.minus != "-")

    def write(self, value: float) -> str:
        """A number in this format."""
        whole, _, fraction = f"{abs(value):.{self.decimals}f}".partition(".")
        if self.group:
            whole = f"{int(whole):,}".replace(",", self.group)
        fraction = fraction if self.is_fixed else fraction.rstrip("0")
        number = f"{whole}{self.decimal}{fraction}" if fraction else whole
        sign = self.minus if value < 0 and number.strip("0.,") else ""
        return f"{sign}{self.before}{number}{self.after}"
