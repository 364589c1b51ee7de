"""How a CSV file is written: its delimiter, its decimal mark, and whether it begins with a byte-order mark.

A spreadsheet program opens a CSV file by the conventions of its country, and without a byte-order mark in the
encoding of its country: samples are written as the data were, so that it opens both alike.
"""

__all__ = ["CsvFormat"]

from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.component import Component

if TYPE_CHECKING:
    from pandas import DataFrame


class CsvFormat(Component):
    """The format of a CSV file.

    Arguments:
        separator: between cells.
        decimal: mark of numbers, "." or ",".
        has_mark: whether the file begins with a byte-order mark, in UTF-8.
    """

    def __init__(self, separator: str = ",", decimal: str = ".", has_mark: bool = False):
        self.separator, self.decimal, self.has_mark = separator, decimal, has_mark

    def write(self, path: Path, frame: "DataFrame") -> None:
        """Write a table."""
        if self.decimal != ".":  # pandas applies it to columns of floats only
            mixed = [name for name in frame if frame[name].dtype == object]
            frame = frame.assign(**{str(name): frame[name].map(self._written) for name in mixed})
        encoding = "utf-8-sig" if self.has_mark else "utf-8"
        options: dict[str, Any] = {"sep": self.separator, "decimal": self.decimal, "lineterminator": "\n"}
        frame.to_csv(path, index=False, encoding=encoding, **options)

    def _written(self, cell: Any) -> Any:
        known = isinstance(cell, float) and cell == cell
        return repr(float(cell)).replace(".", self.decimal) if known else cell
