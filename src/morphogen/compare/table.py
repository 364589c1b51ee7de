"""The rows of a comparison as tables for a terminal: the columns of the report's tables, without intervals.

A table that is wider than the terminal continues below.
"""

__all__ = ["Tables", "table"]

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from textwrap import fill
from typing import Any

from rich.console import Console, ConsoleOptions, RenderableType
from rich.table import Table
from rich.text import Text

from morphogen.report.budget import budget_of
from morphogen.report.rows import Measure, Row, read_rows
from morphogen.report.sections import sections
from morphogen.report.table import Cell, columns
from morphogen.report.table import table as cells_of

HEADING = 12  # characters of a line of a heading, if its words are not longer
Column = tuple[str, Sequence[str]]  # heading and cells


@dataclass(frozen=True)
class Tables:
    """Tables with the same rows, each with its title; rich prints them as wide as the console.

    Arguments:
        titles: of each table.
        rows: names of the rows of each table.
        columns: of each table.
    """

    titles: Sequence[str]
    rows: Sequence[Sequence[str]]
    columns: Sequence[Sequence[Column]]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> Iterator[RenderableType]:
        for i, (names, shown) in enumerate(zip(self.rows, self.columns, strict=True)):
            yield Text(f"\n{self.titles[i]}" if i else self.titles[i])
            yield from _blocks(names, shown, options.max_width)


def table(report: Mapping[str, Any]) -> Tables:
    """The tables of a report: results, then each section; columns without any figure are omitted."""
    rows = read_rows(report["rows"])
    shown = columns(rows, report["unit"])
    budget = f"{words}, " if (words := budget_of(report)) else ""
    titles, names = [f"{report['data']}: {budget}{report['n']} samples"], [[_name(row) for row in rows]]
    tables = [_columns(shown, cells_of(rows, shown))]
    for section in sections(rows):
        if section.lines:
            titles.append(section.spec.title)
            names.append([_name(row) for row, _ in section.lines])
            tables.append(_columns(section.columns, [cells for _, cells in section.lines]))
    return Tables(titles, names, tables)


def _name(row: Row) -> str:
    return f"{row.name} (failed)" if row.error else row.name


def _columns(shown: Sequence[Measure], lines: Sequence[Sequence[Cell]]) -> list[Column]:
    return [
        (_heading(measure), [line[i].text.replace("\xa0", " ") for line in lines])
        for i, measure in enumerate(shown)
    ]


def _heading(measure: Measure) -> str:
    return fill(measure.heading, HEADING, break_long_words=False, break_on_hyphens=False)


def _blocks(names: Sequence[str], shown: Sequence[Column], most: int) -> Iterator[Table]:
    """The table, cut into parts that are no wider than `most`, but have a column."""
    first = max(map(len, names), default=0) + 2
    while True:
        width, taken = first, 0
        while taken < len(shown) and (not taken or width + _width(shown[taken]) <= most):
            width, taken = width + _width(shown[taken]), taken + 1
        yield _block(names, shown[:taken])
        shown = shown[taken:]
        if not shown:
            return


def _width(column: Column) -> int:
    heading, cells = column
    return max(map(len, [*heading.split("\n"), *cells])) + 2


def _block(names: Sequence[str], shown: Sequence[Column]) -> Table:
    result = Table(box=None, padding=(0, 1))
    result.add_column("", no_wrap=True)
    for heading, _ in shown:
        result.add_column(heading, justify="right", no_wrap=True, vertical="bottom")
    for i, name in enumerate(names):
        result.add_row(name, *(cells[i] for _, cells in shown))
    return result
