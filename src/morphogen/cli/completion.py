"""`morphogen edit [RUN] TABLE...`: fill the empty cells of tables with a trained model of such tables."""

__all__ = ["complete_tables", "is_table"]

import zipfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from morphogen.cli.arguments import choose_device
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo
from morphogen.cli.table_cells import columns_of, read_cells
from morphogen.counted import counted

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from pandas import DataFrame, Series

    from morphogen.data.table_files import Table
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

    Errors: BadArgument for a run of another medium, for a column that the model does not have, and for tables
    that would be written onto one of them, onto each other or onto a file of someone else.
    """
    from morphogen.cli.output_file import write_record
    from morphogen.media.table import TABLE

    model = run.model(choose_device(device))
    if (medium := model.representation.medium) is not TABLE:
        raise BadArgument(
            f"{files[0]}: is a table, and {run.where} of {medium.name}; give a run of such tables"
        )
    for file, target in _targets(run, files, out).items():
        table, filled, left = _completed(run, model, file, seed, fill)
        target.parent.mkdir(parents=True, exist_ok=True)
        _write(file, target, table, filled)
        write_record(target, {"run": run.name, "table": str(file), "seed": seed})
        counts = ", ".join(f"{name} ({len(cells)})" for name, cells in filled.items())
        total = counted(sum(map(len, filled.values())), "empty cell")
        what = f"{total} filled in: {counts}" if filled else "no empty cell"
        echo(f"{file}: {what}; by {run.name}, in {target}")
        if left:
            echo(f"still with empty cells, since the model does not have the column: {', '.join(left)}")


def _targets(run: "Run", files: list[Path], out: Path | None) -> dict[Path, Path]:
    """Where each table is written. Errors: BadArgument, before any is, if a file would be lost by it."""
    from morphogen.cli.output_file import check_output, is_output_file, refuse_inputs
    from morphogen.media.table import TABLE

    one, folder = out if is_output_file(out) else None, out or run.directory / "edits"
    if one is not None and len(files) > 1:
        raise BadArgument(f"--out {out}: is one file, for {counted(len(files), 'table')}; give a folder")
    source: dict[Path, Path] = {}
    for file in files:
        target = one or folder / f"{file.stem}.csv"
        if out is not None:  # in the run's own folder no file is of someone else
            check_output(target, TABLE, 1)
        refuse_inputs(target, files)
        if (other := source.setdefault(target, file)) != file:
            raise BadArgument(
                f"{file}: would be written to {target}, as {other} would; "
                "fill them one at a time, each with its own --out"
            )
    return {file: target for target, file in source.items()}


def _write(file: Path, target: Path, table: "Table", filled: "Mapping[str, Series]") -> None:
    """Write the table with its cells filled in; in the same format, with all else of the file as it is."""
    from morphogen.data.column_names import distinct_names
    from morphogen.data.filled import fill_csv, fill_workbook, whole_table
    from morphogen.media.table import DELIMITED, TABLE
    from morphogen.representations.tabular import CsvFormat

    names = [*distinct_names(table.frame)[0]]
    drawn = {names.index(name): cells for name, cells in filled.items()}
    suffix, separators = target.suffix.lower(), {".csv": (",", ";", "|")}
    if table.separator and suffix in DELIMITED and table.separator in separators.get(suffix, ("\t",)):
        fill_csv(target, table, drawn)
        return
    is_workbook = table.origin is not None and table.origin.sheet
    if is_workbook and suffix in (".xlsx", ".xlsm") and zipfile.is_zipfile(file):
        TABLE.require_openpyxl(target)
        with zipfile.ZipFile(file) as archive:
            can_fill = "xl/workbook.xml" in archive.namelist()
        if can_fill:
            fill_workbook(file, target, table, drawn)
            return
    if is_workbook:
        lost = "other sheets, lines above it and the formats of its cells"
        echo(f"note: {target} has the table of {file} alone, without {lost}", err=True)
    csv = CsvFormat(table.separator or ",", table.decimal if table.separator else ".", table.has_mark)
    TABLE.save_frame(target, whole_table(table, drawn).infer_objects(), csv)


def _completed(
    run: "Run", model: Any, file: Path, seed: int, fill: "Sequence[str]"
) -> "tuple[Table, dict[str, Series], list[str]]":
    """The table of a file, the cells drawn for each column by row, and columns left with empty cells."""
    from morphogen.data.number_formats import number_formats
    from morphogen.inference.imputation import impute

    columns = columns_of(model)
    chosen, read = _chosen(columns, fill), read_cells(file, run.record["settings"].get("table"), columns)
    table, frame, readings = read.table, read.frame, read.readings
    complete = impute(model, read.cells, seed)
    known = {column.name for column in columns}
    left = [name for name, each in readings.items() if each.missing.any() and name not in known]
    numeric = [c.name for c in chosen if c.name in readings and hasattr(readings[c.name], "grid")]
    formats = number_formats(frame, numeric, table.decimal, read.options.decimal)
    filled = {
        column.name: _drawn(frame[column.name], column, empty, complete, formats.get(column.name))
        for column in chosen
        if column.name in readings and (empty := readings[column.name].missing).any()
    }
    return table, filled, left


def _drawn(given: "Series", column: "Column", empty: Any, complete: "DataFrame", form: Any) -> "Series":
    """The drawn cells of a column as the others are: text in their format, integers among integers."""
    drawn, known = complete[column.name][empty].astype(object), given[~empty]
    if form is not None:
        return drawn.map(lambda cell: form.write(cell) if isinstance(cell, int | float) else cell)
    if column.step >= 1 and not known.astype(str).str.contains(r"[.,]\d").any():
        return drawn.map(lambda cell: int(cell) if isinstance(cell, float) else cell)
    return drawn


def _chosen(columns: "Sequence[Column]", fill: "Sequence[str]") -> "Sequence[Column]":
    """The columns to be filled. Errors: BadArgument for one that the model does not have."""
    names = [column.name for column in columns]
    if unknown := [name for name in fill if name not in names]:
        raise BadArgument(f"--fill {unknown[0]}: the columns of the model are {', '.join(names)}")
    return [column for column in columns if column.name in fill] if fill else columns
