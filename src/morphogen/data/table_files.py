"""Files of tables as pandas DataFrames: CSV in any dialect, Parquet, JSON, and workbooks."""

__all__ = ["Table", "join_parts", "read_table_file", "read_table_folder"]

import codecs
import io
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, NamedTuple

from morphogen.caller import setting
from morphogen.counted import counted
from morphogen.data.column_names import nameless_column
from morphogen.data.csv_dialect import find_dialect
from morphogen.data.dataset import DataError
from morphogen.data.encoding import Decoded, decode
from morphogen.data.origin import Origin
from morphogen.data.own_parts import own_parts
from morphogen.data.recognition import holds_rows
from morphogen.data.records import json_records
from morphogen.data.splits import PARTS, Part
from morphogen.data.table_options import TableOptions
from morphogen.data.walk import walk
from morphogen.data.workbook import read_sheet

if TYPE_CHECKING:
    from pandas import DataFrame


EMPTY = b"\xef\xbb\xbf \t\r\n"  # bytes without a cell


class Table(NamedTuple):
    """A table and how it was read.

    Arguments:
        frame: its cells; columns of text are interpreted later, each as a whole.
        notes: facts for the user.
        decimal: the decimal mark that is usual in such a file.
        parts: of the user's own split, for each row; (): to be split by content.
        separator: of a CSV file; "": it is another one, or separated by white space.
        has_mark: whether a CSV file is not plain UTF-8, so that programs need a mark to know the encoding.
        origin: where the cells are in a CSV file or a workbook; None: in their order.
    """

    frame: "DataFrame"
    notes: tuple[str, ...] = ()
    decimal: str = "."
    parts: Sequence[Part] = ()
    separator: str = ""
    has_mark: bool = False
    origin: Origin | None = None


def read_table_file(path: Path, options: TableOptions) -> Table:
    """Read a file by its suffix; what is none of the others is CSV. Errors: DataError."""
    return READERS.get(path.suffix.lower(), _read_csv)(path, options)


def read_table_folder(folder: Path, options: TableOptions) -> Table:
    """Read a folder with one table, or with those of a split, such as train.csv and test.csv.

    Errors: DataError for other tables, and for parts with different columns.
    """
    files = [file for file in walk(folder).files if holds_rows(file)]
    if len(files) == 1:
        return read_table_file(files[0], options)
    if not files:
        raise DataError(f"{folder}: no tables in it; give a folder of the tables of a split, or a table")
    if not (parts := own_parts(folder, files)):
        raise DataError(
            f"{folder}: has {len(files)} tables, such as {files[0].name}; give one of them, or call those of "
            "a split train.csv, valid.csv and test.csv"
        )
    table = join_parts(str(folder), [(part, read_table_file(file, options)) for file, part in parts.items()])
    if beside := [file.name for file in files if file not in parts]:
        left_out = f"left out {counted(len(beside), 'table')} beside those of the split, such as {beside[0]}"
        table = table._replace(notes=(left_out, *table.notes))
    return table


def join_parts(where: str, tables: Sequence[tuple[str, Table]]) -> Table:
    """One table with the rows of all parts.

    Arguments:
        where: what errors name.
        tables: each with its part, "train" and "valid", "test" or both; all with the same columns.

    Errors: DataError.
    """
    import pandas as pd

    given = [part for part, _ in tables]
    if not {"train"} < {*given} <= {*PARTS}:
        raise DataError(f"{where}: parts {', '.join(given)}: give train, and valid or test or both")
    train = tables[given.index("train")][1]
    for part, table in tables:
        if other := {*table.frame.columns} ^ {*train.frame.columns}:
            raise DataError(
                f"{where}: {part} and train have different columns, such as {sorted(map(str, other))[0]!r}; "
                "give the same ones"
            )
    ordered = [(part, table) for part in PARTS for given, table in tables if given == part]
    frame = pd.concat([table.frame for _, table in ordered], ignore_index=True)
    parts = [part for part, table in ordered for _ in range(len(table.frame))]
    notes = dict.fromkeys(note for _, table in ordered for note in table.notes)
    return train._replace(frame=frame, notes=tuple(notes), parts=parts, origin=None)


def _read_csv(path: Path, options: TableOptions) -> Table:
    """All cells as text."""
    import pandas as pd

    text, notes = _text_of(path, options)
    dialect = find_dialect(path, text, options)
    buffer = io.StringIO(text, newline="")
    head = "".join(buffer.readline() for _ in range(dialect.above))
    try:
        frame = pd.read_csv(
            buffer, sep=dialect.separator, header=None, names=range(dialect.width), index_col=False,
            dtype=str, na_filter=False, skipinitialspace=True,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: pandas cannot read it as CSV ({reason}); correct it") from None
    decimal = "," if dialect.separator == ";" else "."
    repeated = (frame == list(dialect.names)).all(axis=1) if dialect.names else frame.index < 0
    if count := int(repeated.sum()):
        notes += (f"{counted(count, 'row')} with the names of the columns again, left out",)
    blank = (frame == "").all(axis=1) & (dialect.width > 1)
    if count := int(blank.sum()):
        notes += (f"{counted(count, 'row')} without a cell, left out",)
    written = dialect.names or [f"column{j + 1}" for j in range(dialect.width)]
    empty = [j for j, name in enumerate(written) if not name and not frame[j].str.strip().any()]
    notes += tuple(nameless_column(j) for j in empty if j < len(written) - 1)  # that is a separator
    kept = [j for j in range(len(written)) if j not in empty]
    rows = ~(repeated | blank)
    named = frame.loc[rows, kept].set_axis([written[j] or f"Unnamed: {j}" for j in kept], axis=1)
    line_end = "\r\n" if b"\r\n" in path.read_bytes() else "\n"
    origin = Origin(frame, kept, written, "\n".join(head.splitlines()), line_end)
    separator = dialect.separator if len(dialect.separator) == 1 else ""
    return Table(named, (*notes, *dialect.notes), decimal, (), separator, _has_mark(path), origin)


def _has_mark(path: Path) -> bool:
    """Whether the same words in UTF-8 need a mark to be opened alike: the file has one, or is not UTF-8."""
    content = path.read_bytes()
    try:
        content.decode("utf8")
    except UnicodeDecodeError:
        return True
    return content.startswith(codecs.BOM_UTF8)


def _text_of(path: Path, options: TableOptions) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and notes on its encoding unless it is UTF-8."""
    content = path.read_bytes()
    is_empty, option = not content.strip(EMPTY), setting("table", "encoding", "NAME")
    text, notes = Decoded("") if is_empty else decode(str(path), content, options.encoding, option)
    if not text.strip():
        raise DataError(f"{path}: is empty; give a table of at least 3 rows, better hundreds")
    return text, notes


def _read_parquet(path: Path, options: TableOptions) -> Table:
    import pandas as pd
    from pyarrow import ArrowException

    try:
        frame = pd.read_parquet(path, engine="pyarrow")
    except (ArrowException, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise DataError(
            f"{path}: pyarrow cannot read it as Parquet ({reason}); save it again, or as CSV"
        ) from None
    for name, cell in frame.iloc[0].items() if len(frame) else ():
        if isinstance(cell, bytes) or (isinstance(cell, Mapping) and "bytes" in cell):
            raise DataError(
                f"{path}: column {name!r} holds bytes, as of pictures: give {quote(f'hf:{path.parent}')}"
            )
    return Table(frame)


def _read_json_lines(path: Path, options: TableOptions) -> Table:
    """One object per line, from the name of a column to its value."""
    import pandas as pd

    text, notes = _text_of(path, options)
    return Table(pd.DataFrame.from_records(list(_objects(path, text.splitlines()))), notes)


def _read_json(path: Path, options: TableOptions) -> Table:
    """Rows in any orientation, or one per line."""
    import pandas as pd

    text, notes = _text_of(path, options)
    records, skipped = json_records(str(path), text, False) or ([], ())
    if not records or not all(isinstance(record, Mapping) for record in records):
        raise DataError(
            f"{path}: has no rows of a table; write a list of objects, one per row, from column to value"
        )
    return Table(pd.DataFrame.from_records(records), (*notes, *skipped))


def _objects(path: Path, lines: Iterable[str]) -> Iterable[dict[str, object]]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            record = json.loads(line)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{path}: line {number} is not JSON ({error}); correct that line") from None
        if not isinstance(record, dict):
            raise DataError(
                f"{path}: line {number} is not a JSON object; write one object per row, from column to value"
            )
        yield record


def _read_workbook(path: Path, options: TableOptions) -> Table:
    frame, origin, notes = read_sheet(path, options)
    return Table(frame, notes, origin=origin)


READERS: dict[str, Callable[[Path, TableOptions], Table]] = {
    ".parquet": _read_parquet,
    ".json": _read_json,
    **dict.fromkeys((".jsonl", ".ndjson"), _read_json_lines),
    **dict.fromkeys((".xlsx", ".xlsm", ".xls", ".ods"), _read_workbook),
}
