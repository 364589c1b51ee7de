"""Files of tables as pandas DataFrames: CSV in any dialect, Parquet, and JSON Lines."""

__all__ = ["Table", "read_table_file"]

import io
import json
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from morphogen.data.csv_dialect import find_dialect
from morphogen.data.dataset import DataError
from morphogen.data.encoding import decode
from morphogen.data.splits import Part
from morphogen.data.table_options import TableOptions

if TYPE_CHECKING:
    from pandas import DataFrame


class Table(NamedTuple):
    """A table and how it was read.

    Arguments:
        frame: its cells; columns of text are interpreted later, each as a whole.
        notes: facts for the user.
        decimal: the decimal mark that is usual in such a file.
        parts: of the user's own split, for each row; (): to be split by content.
    """

    frame: "DataFrame"
    notes: tuple[str, ...] = ()
    decimal: str = "."
    parts: Sequence[Part] = ()


def read_table_file(path: Path, options: TableOptions) -> Table:
    """Read a file by its suffix; what is none of the others is CSV. Errors: DataError."""
    return READERS.get(path.suffix.lower(), _read_csv)(path, options)


def _read_csv(path: Path, options: TableOptions) -> Table:
    """All cells as text."""
    import pandas as pd

    text, notes = _text_of(path)
    dialect = find_dialect(path, text, options)
    buffer = io.StringIO(text, newline="")
    for _ in range(dialect.above):
        buffer.readline()
    try:
        frame = pd.read_csv(
            buffer, sep=dialect.separator, header=None, names=range(dialect.width), index_col=False,
            dtype=str, na_filter=False, skipinitialspace=True,
        )  # fmt: skip
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        reason = str(error).strip().splitlines()[0]
        raise DataError(f"{path}: pandas cannot read it as CSV ({reason}); correct it") from None
    decimal = "," if dialect.separator == ";" else "."
    return Table(_named(frame, dialect.names), (*notes, *dialect.notes), decimal)


def _text_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """The text of a file, and notes on its encoding unless it is UTF-8."""
    text, notes = decode(str(path), path.read_bytes())
    if not text.strip():
        raise DataError(f"{path}: is empty; give a table of at least 3 rows, better hundreds")
    return text, notes


def _named(frame: "DataFrame", names: Sequence[str]) -> "DataFrame":
    """The table with the names of its columns, as pandas names them, and without nameless empty ones."""
    written = names or [f"column{j + 1}" for j in range(frame.shape[1])]
    empty = [j for j, name in enumerate(written) if not name and not frame[j].str.strip().any()]
    named = frame.drop(columns=empty)
    return named.set_axis([written[j] or f"Unnamed: {j}" for j in named.columns], axis=1)


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
    return Table(frame)


def _read_json_lines(path: Path, options: TableOptions) -> Table:
    """One object per line, from the name of a column to its value."""
    import pandas as pd

    text, notes = _text_of(path)
    return Table(pd.DataFrame.from_records(list(_objects(path, text.splitlines()))), notes)


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


def _refuse_workbook(path: Path, options: TableOptions) -> Table:
    raise DataError(
        f"{path}: is a workbook; save the sheet as CSV, or in Python: "
        f"load_data(pandas.read_excel({path.name!r}))"
    )


READERS: dict[str, Callable[[Path, TableOptions], Table]] = {
    ".parquet": _read_parquet,
    **dict.fromkeys((".jsonl", ".ndjson"), _read_json_lines),
    **dict.fromkeys((".xlsx", ".xls", ".ods"), _refuse_workbook),
}
