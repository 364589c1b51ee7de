"""Where the cells of a table are in its file, so that a filled table has the rest of the file as it was."""

__all__ = ["Origin"]

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from pandas import DataFrame


class Origin(NamedTuple):
    """The cells of a file below the names of its columns, by place. A table has the same index, or a part.

    Arguments:
        cells: all rows and columns: also empty columns and rows of totals.
        columns: the label in `cells` of each column of the table.
        names: of all columns, as the file has them.
        head: the text above the rows of a CSV file.
        line_end: of a CSV file.
        sheet: of a workbook, whose index and columns are those of the sheet, from 0.
        others: sheets of the workbook that have cells too.
    """

    cells: "DataFrame"
    columns: Sequence[int]
    names: Sequence[str]
    head: str = ""
    line_end: str = "\n"
    sheet: str = ""
    others: Sequence[str] = ()
