"""`morphogen edit [RUN] TABLE...`: fill the empty cells of tables with a trained model of such tables."""

__all__ = ["complete_tables", "is_table"]

from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.cli.arguments import choose_device
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo
from morphogen.counted import counted

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


def complete_tables(
    run: "Run", files: list[Path], out: Path | None, seed: int, device: str, fill: "Sequence[str]" = ()
) -> None:
    """Write each table with its empty cells drawn to OUT/NAME.csv, or one to the file OUT; say where.

    Arguments:
        run, files, out, seed, device: as the options of these names.
        fill: columns whose empty cells are filled; (): all that the model has.

    Errors: BadArgument for several tables and one file, and for a column that the model does not have.
    """
    from morphogen.cli.output_file import check_output, is_output_file, write_record
    from morphogen.media.table import TABLE

    model = run.model(choose_device(device))
    folder, one = out or run.directory / "edits", out if is_output_file(out) else None
    check_output(one, TABLE, 1)
    if one is not None and len(files) > 1:
        raise BadArgument(f"--out {out}: is one file, for {counted(len(files), 'table')}; give a folder")
    (folder.parent if one else folder).mkdir(parents=True, exist_ok=True)
    for file in files:
        target = one or folder / f"{file.stem}.csv"
        frame, filled, left = _completed(run, model, file, seed, fill)
        TABLE.save_frame(target, frame, model.representation.source.csv)
        if one is not None:
            write_record(one, {"run": run.name, "table": str(file), "seed": seed})
        counts = ", ".join(f"{name} ({count})" for name, count in filled.items())
        total = counted(sum(filled.values()), "empty cell")
        what = f"{total} filled in: {counts}" if filled else "no empty cell"
        echo(f"{file}: {what}; by {run.name}, in {target}")
        if left:
            echo(f"still with empty cells, since the model does not have the column: {', '.join(left)}")


def _completed(
    run: "Run", model: Any, file: Path, seed: int, fill: "Sequence[str]"
) -> "tuple[DataFrame, dict[str, int], list[str]]":
    """The table of a file with its empty cells drawn, how many of each column, and columns left empty."""
    from morphogen.data.cells import read_columns
    from morphogen.data.columns import Reading
    from morphogen.data.table_files import read_table_file
    from morphogen.data.table_options import TableOptions
    from morphogen.inference.imputation import impute

    options, source = TableOptions.of(run.record["settings"].get("table")), model.representation.source
    columns = [*source.columns, *([source.label] if source.label else [])]
    chosen, table = _chosen(columns, fill), read_table_file(file, options)
    cells, _ = read_columns(table.frame, options, table.decimal)
    readings = {name: each for name, each in cells.items() if isinstance(each, Reading)}
    complete = impute(model, _cells(table.frame, readings, columns), seed)
    known = {column.name for column in columns}
    left = [name for name, each in readings.items() if each.missing.any() and name not in known]
    return *_filled(table.frame, readings, chosen, complete), left


def _chosen(columns: "Sequence[Column]", fill: "Sequence[str]") -> "Sequence[Column]":
    """The columns to be filled. Errors: BadArgument for one that the model does not have."""
    names = [column.name for column in columns]
    if unknown := [name for name in fill if name not in names]:
        raise BadArgument(f"--fill {unknown[0]}: the columns of the model are {', '.join(names)}")
    return [column for column in columns if column.name in fill] if fill else columns


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
