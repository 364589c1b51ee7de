r"""The dialect of a CSV file: where the table begins, its separator, and whether it has a header.

    sep=;                      a line that names the separator
    # Instrument 7             comments, of which the last may hold the names of the columns
    Report of May              lines with fewer cells than the table, above it; also padded with separators
    name;"length               a header, whose names may span lines
    in cm";weight

The separator is the one that divides the lines into equally many cells, with no other separators in them; a
quoted cell ends with its closing quote, if the file can be read so. The first row has names if a word stands
above numbers or dates, or if its numbers are years or positions; if it has other numbers, or dates or amounts
as the rows below it, it is data.
"""

__all__ = ["SPACE", "Dialect", "Record", "find_dialect", "is_header", "rows_below"]

import csv
import io
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import NamedTuple

from morphogen.caller import setting
from morphogen.data.dataset import DataError
from morphogen.data.dates import date_format
from morphogen.data.table_options import TableOptions
from morphogen.representations.tabular.number_text import is_missing, is_number, without_unit

SPACE = r"\s+"  # the separator of cells that any white space separates
SEPARATORS = (";", "\t", "|", ",")  # in order of preference: commas also occur in prose
SAMPLE = 200  # records that the dialect is inferred from
ABOVE = 20  # lines above the table


class Dialect(NamedTuple):
    """How to read a CSV file.

    Arguments:
        separator: of the cells; SPACE for white space.
        names: of the columns, as written; (): the file has none.
        above: lines above the first row of data.
        width: cells of a row.
        notes: facts for the user.
    """

    separator: str
    names: tuple[str, ...]
    above: int
    width: int
    notes: tuple[str, ...] = ()


class Record(NamedTuple):
    """A row as text, and the number of its last line."""

    cells: list[str]
    line: int


def find_dialect(where: Path, text: str, options: TableOptions) -> Dialect:
    """Infer the dialect.

    Arguments:
        where: the file, for errors.
        text: its content.
        options: what the user decided.

    Errors: DataError, with the line, for rows of different lengths.
    """
    named, comments, above = _lines_above(text)
    separator = options.separator or named or _separator(text, above)
    filled = (record for record in _records(where, text, separator, above) if any(record.cells))
    sample = list(islice(filled, SAMPLE))
    rows = [record.cells for record in sample]
    width = Counter(map(len, rows)).most_common(1)[0][0] if rows else 0
    first = _first(rows, width, options.header)
    titles, body = rows[:first], rows[first:]
    names, notes = _names(titles, body, comments[-1:], separator, options.header)
    if titles and len(titles[-1]) == width - 1 and names:
        titles = titles[:-1]
    elif names and names == body[0]:
        first += 1
    notes += [f"skipped above the table: {_joined(titles)[:60]!r}"] if titles else []
    above = sample[first - 1].line if first else above
    for record in _records(where, text, separator, above):
        if len(record.cells) > width or (len(record.cells) < width and any(record.cells)):
            raise DataError(
                f"{where}: line {record.line} has {len(record.cells)} "
                f"{'cell' if len(record.cells) == 1 else 'cells'}, the others have {width}; "
                "correct that line"
            )
    return Dialect(separator, tuple(names), above, width, tuple(notes))


def rows_below(where: Path, text: str, is_wanted: Callable[[Sequence[str]], bool]) -> list[Record]:
    """A header of certain names and the rows below it, with the separator that divides these names.

    Arguments:
        where: the file, for errors.
        text: its content.
        is_wanted: whether the cells of the first row are such names.

    Returns:
        no rows if the file does not begin with such a header.

    Errors: DataError, with the line, for what is not CSV.
    """
    named, _, above = _lines_above(text)
    for separator in SEPARATORS if named is None else (named,):
        rows = _records(where, text, separator, above)
        first = next(rows, None)
        if first is not None and is_wanted(first.cells):
            return [first, *rows]
    return []


def is_header(first: Sequence[str], rest: Sequence[Sequence[str]]) -> tuple[bool, list[str]]:
    """Whether the first row has the names of the columns, and a note if that is ambiguous."""
    below = [[row[j] for row in rest if j < len(row) and not is_missing(row[j])] for j in range(len(first))]
    values = [_is_value(name, column) for name, column in zip(first, below, strict=True)]
    stands_out = [
        bool(column) and not is_value and _are_values([cell for cell in column if cell != name])
        for name, column, is_value in zip(first, below, values, strict=True)
    ]
    numbers = [name for name, is_value in zip(first, values, strict=True) if is_value]
    if not numbers:
        if any(stands_out) or not all(name in column for name, column in zip(first, below, strict=True)):
            return True, []
        return False, ["no header row: the words of the first row occur below it again" + _decide("yes")]
    what = "numbers" if all(map(is_number, numbers)) else "numbers or dates"
    names = f"the first row has {what} ({', '.join(numbers[:3])})"
    if (any(stands_out) and all(first[1:])) or _are_positions(first, below):
        return True, [f"{names}, which are read as names of columns" + _decide("no")]
    return False, [
        f"no header row: {names}; the columns are named column1 to column{len(first)}" + _decide("yes")
    ]


def _is_value(name: str, below: Sequence[str]) -> bool:
    """Whether a cell is a number, or an amount or a date as the cells below it."""
    others = [*dict.fromkeys(cell for cell in below if cell != name)]
    if is_number(name) or not others:
        return is_number(name)
    if is_number(without_unit(name)):
        return all(is_number(without_unit(cell)) and not is_number(cell) for cell in others)
    return date_format([name, *others])[0] is not None


def _are_values(cells: Sequence[str]) -> bool:
    """Whether all cells are numbers or amounts, or all are dates."""
    if all(is_number(without_unit(cell)) for cell in cells):
        return True
    return date_format([*dict.fromkeys(cells)])[0] is not None


def _lines_above(text: str) -> tuple[str | None, list[str], int]:
    """The separator that a line `sep=;` names, the comments above the table, and how many lines these are."""
    named, comments, count = None, [], 0
    for line in io.StringIO(text, newline=""):
        if match := re.fullmatch(r'"?sep=(.)"?', line.strip("\r\n ")):
            named = match[1]
        elif line.startswith("#"):
            comments.append(line.strip("#\r\n "))
        elif line.strip():
            break
        count += 1
    return named, comments, count


def _records(where: Path, text: str, separator: str, above: int, strict: bool = False) -> Iterator[Record]:
    """The rows below `above` lines, without blank ones.

    Arguments:
        where: the file, for errors.
        text: its content.
        separator: of the cells.
        above: lines above the rows.
        strict: refuse a quoted cell with more text behind the closing quote.
    """
    lines: Iterator[str] = islice(io.StringIO(text, newline=""), above, None)
    if separator == SPACE:
        lines = (" ".join(line.split()) + "\n" for line in lines)
    mark = " " if separator == SPACE else separator
    reader = csv.reader(lines, delimiter=mark, skipinitialspace=True, strict=strict)
    try:
        for row in reader:
            if len(row) > 1 or "".join(row).strip():
                yield Record([cell.strip() for cell in row], above + reader.line_num)
    except csv.Error as error:
        raise DataError(
            f"{where}: line {above + reader.line_num} is not CSV ({error}); correct that line"
        ) from None


def _first(rows: Sequence[list[str]], width: int, header: str | None) -> int:
    """The place of the first row of the table, below shorter ones and titles that are padded with separators.

    Arguments:
        rows: those with a cell.
        width: cells of a row of the table.
        header: "yes" or "no", whether the table has names, by the user. Without names, all rows are data.
    """
    first = next((i for i, row in enumerate(rows[:ABOVE]) if len(row) == width), 0)
    body = [row for row in rows[first:] if len(row) == width]
    used = [j for j in range(width) if any(row[j] for row in body)]
    below = next((i for i, row in enumerate(body[:ABOVE]) if not _is_title([row[j] for j in used])), 0)
    if not below or header == "no" or [*map(len, rows[first : first + below])] != [width] * below:
        return first
    return first + below if header == "yes" or is_header(body[below], body[below + 1 :])[0] else first


def _is_title(row: Sequence[str]) -> bool:
    """Whether a row fills at most half of the columns, and not the last one."""
    return not row[-1] and 2 * sum(map(bool, row)) <= len(row)


def _joined(titles: Sequence[Sequence[str]]) -> str:
    return " / ".join(" ".join(filter(None, row)) for row in titles)


def _separator(text: str, above: int) -> str:
    """The separator that divides the first rows best; a comma if there is a single column."""
    for strict in (True, False):
        scores = {mark: _score(text, mark, above, strict) for mark in SEPARATORS}
        best = max(scores, key=lambda mark: scores[mark])
        clean, usual = scores[best]
        if clean > 0 or (strict and usual > 0):  # quotes explain the other separators in all cells
            return best
    return SPACE if _score(text, SPACE, above)[0] == 1 else ","


def _score(text: str, separator: str, above: int, strict: bool = False) -> tuple[float, float]:
    """How well a separator divides the first rows; zeros if they have a single cell.

    Returns:
        the share of cells without other separators in them, and of rows with the usual number of cells.
    """
    try:
        rows = [record.cells for record in islice(_records(Path(), text, separator, above, strict), SAMPLE)]
    except DataError:
        return 0.0, 0.0
    width, count = Counter(map(len, rows)).most_common(1)[0] if rows else (0, 0)
    if width < 2 or count < 0.8 * len(rows):
        return 0.0, 0.0
    others = "".join(mark for mark in SEPARATORS if mark != separator)
    cells = [cell for row in rows if len(row) == width for cell in row]
    if separator == SPACE and sum(map(is_number, cells)) < len(cells) / 2:
        return 0.0, 0.0  # prose
    clean = sum(is_number(cell) or not set(cell) & set(others) for cell in cells)
    return clean / len(cells), count / len(rows)


def _names(
    titles: Sequence[list[str]], body: Sequence[list[str]], comment: Sequence[str], separator: str,
    chosen: str | None,
) -> tuple[list[str], list[str]]:  # fmt: skip
    """The names of the columns, [] without any, and notes.

    Arguments:
        titles: rows with too few cells above the table.
        body: the first rows of the table.
        comment: the last comment above it.
        separator: of the cells.
        chosen: "yes" or "no", whether `body` begins with names, by the user.
    """
    if not body or chosen == "no":
        return [], []
    if chosen == "yes":
        return body[0], []
    width, (is_named, note) = len(body[0]), is_header(body[0], body[1:])
    if is_named:
        return body[0], note
    if titles and len(titles[-1]) == width - 1 > 1 and not any(map(is_number, titles[-1])):
        return _padded(titles[-1], body), []  # row names, or a separator at the end of each row
    for line in comment:
        names = next((record.cells for record in _records(Path(), line, separator, 0)), [])
        if len(names) == width and not any(map(is_number, names)):
            return names, []
    return [], note


def _padded(names: list[str], body: Sequence[list[str]]) -> list[str]:
    """Names for one more column: the last one if it is empty, else the first one, which has names of rows."""
    return [*names, ""] if not any(row[-1] for row in body if row) else ["", *names]


def _decide(other: str) -> str:
    return f"; {setting('table', 'header', other)} reads it as {'names' if other == 'yes' else 'data'}"


def _are_positions(first: Sequence[str], below: Sequence[Sequence[str]]) -> bool:
    """Whether the numbers of a row are years or positions, unlike the cells below them."""
    columns = [j for j, name in enumerate(first) if is_number(name)]
    if not all(first[j].isdigit() for j in columns):
        return False
    numbers = [int(first[j]) for j in columns]
    years = all(1800 <= number <= 2100 for number in numbers)
    counting = len(numbers) > 2 and numbers == list(range(numbers[0], numbers[0] + len(numbers)))
    alike = sum(len(cell) == len(first[j]) and cell.isdigit() for j in columns for cell in below[j])
    return (years or counting) and 2 * alike < sum(len(below[j]) for j in columns)
