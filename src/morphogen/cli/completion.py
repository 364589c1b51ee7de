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
        frame = _cells(table, options, [*source.columns, *([source.label] if source.label else [])])
        complete = impute(model, frame, seed)
        TABLE.save_frame(target, complete, source.csv)
        if one is not None:
            write_record(one, {"run": run.name, "table": str(file), "seed": seed})
        echo(f"{file}: {len(complete)} rows completed by {run.name} in {target}")


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
