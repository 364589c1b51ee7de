"""`morphogen edit [RUN] TABLE...`: fill the empty cells of tables with a trained model of such tables."""

__all__ = ["complete_tables", "is_table"]

from pathlib import Path
from typing import TYPE_CHECKING

from morphogen.cli.arguments import choose_device
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo

if TYPE_CHECKING:
    from collections.abc import Sequence

    from pandas import DataFrame

    from morphogen.data.table_files import Table
    from morphogen.data.table_options import TableOptions
    from morphogen.representations.tabular import Column
    from morphogen.run import Run


def is_table(path: Path) -> bool:
    """Whether a path is that of a file with a table."""
    from morphogen.media.table import RECORDS, TABLE
    from morphogen.media.text import JSON

    return path.suffix.lower() in (*TABLE.suffixes, *RECORDS, JSON) and not path.is_dir()


def complete_tables(run: "Run", files: list[Path], out: Path | None, seed: int, device: str) -> None:
    """Write each table with its empty cells drawn to OUT/NAME.csv, or one to the file OUT; say where.

    Errors: BadArgument for several tables and one file.
    """
    from morphogen.cli.output_file import check_output, is_output_file, write_record
    from morphogen.data.table_files import read_table_file
    from morphogen.data.table_options import TableOptions
    from morphogen.inference.imputation import impute
    from morphogen.media.table import TABLE

    model = run.model(choose_device(device))
    folder, one = out or run.directory / "edits", out if is_output_file(out) else None
    check_output(one, TABLE, 1)
    if one is not None and len(files) > 1:
        raise BadArgument(f"--out {out}: is one file, for {len(files)} tables; give a folder")
    options = TableOptions.of(run.record["settings"].get("table"))
    (folder.parent if one else folder).mkdir(parents=True, exist_ok=True)
    for file in files:
        target = one or folder / f"{file.stem}.csv"
        table = read_table_file(file, options)
        source = model.representation.source
        columns = [*source.columns, *([source.label] if source.label else [])]
        complete = impute(model, _cells(table, options, columns), seed)
        frame, filled, left = _filled(table, options, columns, complete)
        TABLE.save_frame(target, frame, source.csv)
        if one is not None:
            write_record(one, {"run": run.name, "table": str(file), "seed": seed})
        counts = ", ".join(f"{name} ({count})" for name, count in filled.items())
        what = f"{sum(filled.values()):,} empty cells filled in: {counts}" if filled else "no empty cell"
        echo(f"{file}: {what}; by {run.name}, in {target}")
        if left:
            echo(f"still with empty cells, since the model does not have the column: {', '.join(left)}")


def _cells(table: "Table", options: "TableOptions", columns: "Sequence[Column]") -> "DataFrame":
    """The table with numbers as its decimal mark and options have them, and None for missing cells."""
    from morphogen.data.cells import read_columns
    from morphogen.data.columns import Numbers, Reading
    from morphogen.representations.tabular import GridColumn, RealColumn

    readings, _ = read_columns(table.frame, options, table.decimal)
    cells = table.frame.copy()
    for column in columns:
        reading = readings.get(column.name)
        if isinstance(reading, Numbers) and isinstance(column, GridColumn | RealColumn):
            cells[column.name] = reading.cells
        elif isinstance(reading, Reading):
            cells[column.name] = cells[column.name].astype(object).mask(reading.missing, None)
    return cells


def _filled(
    table: "Table", options: "TableOptions", columns: "Sequence[Column]", complete: "DataFrame"
) -> "tuple[DataFrame, dict[str, int], list[str]]":
    """The table with its empty cells filled and all others as they are; how many of each column; the rest."""
    from morphogen.data.cells import read_columns
    from morphogen.data.columns import Reading

    readings, _ = read_columns(table.frame, options, table.decimal)
    frame, filled = table.frame.copy(), dict[str, int]()
    empties = [
        name for name, reading in readings.items() if isinstance(reading, Reading) and reading.missing.any()
    ]
    for column in columns:
        reading = readings.get(column.name)
        if not isinstance(reading, Reading) or not reading.missing.any():
            continue
        empty, known = reading.missing, frame[column.name][~reading.missing]
        drawn = complete[column.name][empty].astype(object)
        if column.step >= 1 and not known.astype(str).str.contains(r"[.,]\d").any():
            drawn = drawn.map(lambda cell: int(cell) if isinstance(cell, float) else cell)
        cells = frame[column.name].astype(object)
        cells[empty] = drawn
        filled[column.name] = int(empty.sum())
        is_text = frame[column.name].dtype.kind in "OU" or str(frame[column.name].dtype) in ("str", "string")
        frame[column.name] = cells if is_text else cells.astype(frame[column.name].dtype)
    return frame, filled, [name for name in empties if name not in filled]
