"""Tables in memory: a DataFrame, columns by name, a list of records, or numbers [N, D]."""

__all__ = ["collect_table", "holds_table", "table_for"]

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.counted import counted
from morphogen.data.column_names import distinct_names
from morphogen.data.dataset import DataError, Dataset
from morphogen.data.flattened import WIDE
from morphogen.data.held import Held, array_of, file_at, listed_files
from morphogen.data.recognition import holds_rows
from morphogen.data.splits import Part
from morphogen.data.table import table_of, table_of_parts
from morphogen.data.table_files import read_table_file
from morphogen.data.table_options import TableOptions
from morphogen.data.table_texts import pandas_expression
from morphogen.media import ReadingOptions

if TYPE_CHECKING:
    from pandas import DataFrame

SIDE = 8  # pixels of the smallest picture that a square array may be
WIDEST = 1000  # columns without names beyond which they are these rather than a table


def holds_table(values: Any, options: ReadingOptions) -> float:
    """1 for a DataFrame, columns by name or records; 0.8 for numbers [N, D]; the share of tables of files."""
    if options.rate is not None:
        return 0.0
    if hasattr(values, "columns") or isinstance(values, Mapping):
        return 1.0
    if isinstance(values, Sequence) and len(values) and all(isinstance(row, Mapping) for row in values):
        return 1.0
    if files := listed_files(values):
        return sum(map(holds_rows, files)) / len(files)
    if getattr(getattr(values, "dtype", None), "kind", "") in ("O", "U"):  # numbers and words
        return 0.8 * float(values.ndim == 2)
    return 0.8 * float((array := array_of(values)) is not None and array.ndim == 2)


def collect_table(name: str, parts: Mapping[Part, Held], options: ReadingOptions) -> Dataset:
    """The data set of a table in memory; labels are one more column, the condition. Errors: DataError."""
    _check_no_files(parts["train"].values)
    _check_width(parts["train"].values)
    called = _label_name(parts["train"])
    frames: dict[str, DataFrame] = {part: _frame(name, held, called) for part, held in parts.items()}
    condition = options.condition
    if any(held.labels is not None for held in parts.values()):
        if condition is not None:
            raise DataError(f"condition {condition!r} and labels: the classes are given twice; give one")
        condition = called
    one = len(frames) == 1
    data = (
        table_of(name, frames["train"], condition, options.table)
        if one
        else table_of_parts(name, frames, condition, options.table)
    )
    columns = frames["train"].shape[1] - (parts["train"].labels is not None)
    if unread := _unread_index(parts["train"].values):
        return replace(data, notes=(unread, *data.notes))
    if hasattr(parts["train"].values, "columns") or columns < WIDE:
        return data
    note = f"{columns} columns are read as a table; for pictures give x.reshape(-1, height, width)"
    return replace(data, notes=(note, *data.notes))


def table_for(examples: Any, table: Any) -> Any:
    """A table to train a model on: its columns in their order, and the classes beside them.

    Arguments:
        examples: what `load_data` reads; unchanged without columns of these names, and a file in order.
        table: the representation of the model.
    """
    if isinstance(examples, tuple) and len(examples) == 2:
        return table_for(examples[0], table), examples[1]
    frame = _named(examples)
    own = [column.name for column in table.columns]
    if frame is None or not {*own} <= {*frame.columns}:
        return examples
    others = [name for name in frame.columns if name not in own]
    if table.label is None or table.label.name not in others:
        return examples if [name for name in frame.columns if name in own] == own else frame[[*own, *others]]
    others.remove(table.label.name)
    return frame[[*own, *others]], frame[table.label.name]


def _named(given: Any) -> "DataFrame | None":
    """A DataFrame, columns by name, records or the cells of a file as a DataFrame; None for anything else."""
    import pandas as pd

    given = given.to_pandas() if hasattr(given, "to_pandas") else given
    if isinstance(given, pd.DataFrame):
        return distinct_names(given)[0]
    if isinstance(given, str | Path):
        path = Path(given).expanduser()
        return read_table_file(path, TableOptions()).frame if path.is_file() else None
    is_named = (
        isinstance(given, list | Mapping) and len(given) > 0 and holds_table(given, ReadingOptions()) == 1
    )
    return pd.DataFrame(given) if is_named else None


def _check_no_files(values: Any) -> None:
    """Errors: DataError for a list of tables: whether they are blocks of one is for the user to say."""
    if not (files := listed_files(values)):
        return
    tables = [file_at(file) for file in files if holds_rows(file)]
    separator = read_table_file(tables[0], TableOptions()).separator
    read = pandas_expression("f", tables[0].suffix, separator)
    raise DataError(
        f"{counted(len(tables), 'file')} of a table, such as {tables[0]}: give one DataFrame, "
        f"mg.load_data(pd.concat([{read} for f in files]))"
    )


def _unread_index(values: Any) -> str:
    """A note on an index of a DataFrame that says more than the place of a row; "": it has none."""
    index = getattr(values, "index", None) if hasattr(values, "columns") else None
    if index is None or (not any(index.names) and index.dtype.kind in "iu"):
        return ""
    names = ", ".join(repr(name) for name in index.names if name is not None) or f"of {index[0]!r:.40}, ..."
    return f"the index {names} is not read; df.reset_index() makes it a column"


def _check_width(values: Any) -> None:
    """Errors: DataError for so many columns without names that these are pictures, or for one picture."""
    array = None if hasattr(values, "columns") else array_of(values)
    if array is not None and array.shape[1] > WIDEST:
        raise DataError(
            f"data of shape {list(array.shape)}: for sounds give their rate, rate=16000, for pictures "
            "x.reshape(-1, height, width), for a table a DataFrame"
        )
    if array is not None and array.shape[0] == array.shape[1] >= SIDE:
        raise DataError(
            f"data of shape {list(array.shape)} are one picture, or a table of {array.shape[0]} rows: give "
            "pictures [N, height, width], for a table a DataFrame"
        )


def _label_name(held: Held) -> str:
    """The column of the labels: the name of their Series, unless another column has it; "label" without."""
    name = getattr(held.labels, "name", None)
    return name if isinstance(name, str) and name not in getattr(held.values, "columns", ()) else "label"


def _classes(labels: Any) -> Any:
    """Labels as a column with their own values, and the order of their categories if they have one.

    Errors: DataError for several numbers each.
    """
    import pandas as pd

    is_column = isinstance(labels, pd.Series | pd.api.extensions.ExtensionArray)
    array = None if is_column else array_of(labels)
    if array is None:
        return pd.Series(labels).array
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.ndim != 1:
        raise DataError(
            f"labels have shape {list(array.shape)}; give one per example: labels.argmax(1) if one-hot"
        )
    return pd.Series(array).array


def _frame(name: str, held: Held, label: str) -> "DataFrame":
    """The values as a DataFrame, with the labels as a column of this name. Errors: DataError."""
    import pandas as pd

    is_named = hasattr(held.values, "columns")
    array = None if is_named else array_of(held.values)
    values = held.values if array is None else array
    shape: tuple[int, ...] = () if is_named else getattr(values, "shape", ())
    columns = [f"column{i + 1}" for i in range(shape[1])] if len(shape) == 2 else None
    try:
        frame = pd.DataFrame(values, columns=columns).infer_objects() if columns else pd.DataFrame(values)
    except (ValueError, TypeError) as error:
        line = str(error).splitlines()[0]
        raise DataError(f"{name}: not columns of one length ({line}); give one value per row") from None
    if held.captions is not None:
        raise DataError("captions: a table has none; leave them out, or add them as a column")
    if held.labels is None:
        return frame
    if len(held.labels) != len(frame):
        raise DataError(f"{len(held.labels)} labels for {len(frame)} examples; give one for each")
    return frame.assign(**{label: pd.Series(_classes(held.labels), index=frame.index)})
