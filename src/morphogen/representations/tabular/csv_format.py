"""How a CSV file is written: its delimiter, its numbers, and whether it begins with a byte-order mark.

A spreadsheet program opens a CSV file by the conventions of its country, and without a byte-order mark in the
encoding of its country: samples are written as the data were, so that it opens both alike.
"""

__all__ = ["CsvFormat"]

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.component import Component
from morphogen.representations.tabular.number_format import NumberFormat

if TYPE_CHECKING:
    from pandas import DataFrame


class CsvFormat(Component):
    """The format of a CSV file.

    Arguments:
        separator: between cells.
        decimal: mark of numbers, "." or ",".
        has_mark: whether the file begins with a byte-order mark, in UTF-8.
        numbers: formats of columns by name, where they differ from the others: a currency, another mark.
    """

    def __init__(
        self, separator: str = ",", decimal: str = ".", has_mark: bool = False,
        numbers: Mapping[str, NumberFormat] | None = None,
    ):  # fmt: skip
        self.separator, self.decimal, self.has_mark = separator, decimal, has_mark
        self.numbers = dict(numbers or {})

    def with_separator(self, separator: str) -> "CsvFormat":
        """The same format with another separator."""
        return CsvFormat(separator, self.decimal, self.has_mark, self.numbers)

    def write(self, path: Path, frame: "DataFrame") -> None:
        """Write a table."""
        # pandas applies `decimal` to columns of floats only
        mixed = [name for name in frame if frame[name].dtype == object] if self.decimal != "." else []
        writers: dict[str, Callable[[Any], Any]] = {str(name): self._written for name in mixed}
        writers |= {name: self._in(form) for name, form in self.numbers.items() if name in frame}
        frame = frame.assign(**{name: frame[name].astype(object).map(w) for name, w in writers.items()})
        encoding = "utf-8-sig" if self.has_mark else "utf-8"
        options: dict[str, Any] = {"sep": self.separator, "decimal": self.decimal, "lineterminator": "\n"}
        frame.to_csv(path, index=False, encoding=encoding, **options)

    def _written(self, cell: Any) -> Any:
        known = isinstance(cell, float) and cell == cell
        return repr(float(cell)).replace(".", self.decimal) if known else cell

    def _in(self, form: NumberFormat) -> Callable[[Any], Any]:
        return lambda cell: form.write(cell) if isinstance(cell, int | float) and cell == cell else cell
