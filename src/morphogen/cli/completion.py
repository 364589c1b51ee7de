"""`morphogen edit [RUN] TABLE...`: fill the empty cells of tables with a trained model of such tables."""

__all__ = ["complete_tables", "is_table"]

from pathlib import Path
from typing import TYPE_CHECKING

from morphogen.cli.arguments import choose_device
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas import DataFrame

    from morphogen.data.columns import Reading
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
    from morphogen.data.cells import read_columns
    from morphogen.data.columns import Reading
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
        cells, _ = read_columns(table.frame, options, table.decimal)
        readings = {name: each for name, each in cells.items() if isinstance(each, Reading)}
        complete = impute(model, _cells(table.frame, readings, columns), seed)
        frame, filled = _filled(table.frame, readings, columns, complete)
        TABLE.save_frame(target, frame, source.csv)
        if one is not None:
            write_record(one, {"run": run.name, "table": str(file), "seed": seed})
        counts = ", ".join(f"{name} ({count})" for name, count in filled.items())
        what = f"{sum(filled.values()):,} empty cells filled in: {counts}" if filled else "no empty cell"
        echo(f"{file}: {what}; by {run.name}, in {target}")
        if left := [name for name, each in readings.items() if each.missing.any() and name not in filled]:
            echo(f"still with empty cells, since the model does not have the column: {', '.join(left)}")


def _cells(frame: "DataFrame", readings: "Mapping[str, Reading]", columns: "Sequence[Column]") -> "DataFrame":
    """The table with numbers as its decimal mark and options have them, and None for missing cells."""
    from morphogen.data.columns import Numbers
    from morphogen.representations.tabular import GridColumn, RealColumn

    cells = frame.copy()
    for column in columns:
        reading = readings.get(column.name)
        if isinstance(reading, Numbers) and isinstance(column, GridColumn | RealColumn):
            cells[column.name] = reading.cells
        elif reading is not None:
            cells[column.name] = cells[column.name].astype(object).mask(reading.missing, None)
    return cells


def _filled(
    frame: "DataFrame",
    readings: "Mapping[str, Reading]",
    columns: "Sequence[Column]",
    complete: "DataFrame",
) -> "tuple[DataFrame, dict[str, int]]":
    """The table with its empty cells filled and all others as they are, and how many of each column."""
    frame, filled = frame.copy(), dict[str, int]()
    for column in columns:
        reading = readings.get(column.name)
        if reading is None or not reading.missing.any():
            continue
        given, empty = frame[column.name], reading.missing
        drawn = complete[column.name][empty].astype(object)
        if column.step >= 1 and not given[~empty].astype(str).str.contains(r"[.,]\d").any():
            drawn = drawn.map(lambda cell: int(cell) if isinstance(cell, float) else cell)
        cells = given.astype(object)
        cells[empty] = drawn
        is_text = given.dtype.kind in "OU" or str(given.dtype) in ("str", "string")
        frame[column.name] = cells if is_text else cells.astype(given.dtype)
        filled[column.name] = int(empty.sum())
    return frame, filled
