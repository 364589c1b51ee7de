"""The formats of the columns of numbers in a table of text: see `NumberFormat`."""

__all__ = ["number_formats"]

from collections.abc import Iterable
from typing import TYPE_CHECKING

from morphogen.data.number_marks import Marks
from morphogen.representations.tabular.number_format import NumberFormat
from morphogen.representations.tabular.number_text import AROUND, is_number, signed

if TYPE_CHECKING:
    from pandas import DataFrame


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
        name: {match["number"] for cell in cells if (match := AROUND.fullmatch(signed(cell.strip())))}
        for name, cells in texts.items()
    }
    marks = Marks.of({name: filter(is_number, cells) for name, cells in numbers.items()}, usual, chosen)
    found = {name: NumberFormat.of(cells, marks.decimal[name]) for name, cells in texts.items()}
    return {name: form for name, form in found.items() if form is not None}
