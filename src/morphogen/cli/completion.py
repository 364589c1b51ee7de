"""`morphogen edit [RUN] TABLE...`: fill the empty cells of tables with a trained model of such tables."""

__all__ = ["complete_tables", "is_table"]

import math
from pathlib import Path
from typing import TYPE_CHECKING

from morphogen.cli.arguments import choose_device
from morphogen.cli.echo import echo

if TYPE_CHECKING:
    from morphogen.run import Run


def is_table(path: Path) -> bool:
    """Whether a path is that of a file with a table."""
    from morphogen.media.table import RECORDS, TABLE
    from morphogen.media.text import JSON

    return path.suffix.lower() in (*TABLE.suffixes, *RECORDS, JSON) and not path.is_dir()


def complete_tables(run: "Run", files: list[Path], out: Path | None, seed: int, device: str) -> None:
    """Write each table with its empty cells drawn to OUT/NAME.csv, and say how many there were."""
    from morphogen.data.cells import is_missing
    from morphogen.data.table_files import read_table_file
    from morphogen.data.table_options import TableOptions
    from morphogen.inference.imputation import impute

    model = run.model(choose_device(device))
    folder = out or run.directory / "edits"
    options = TableOptions.of(run.record["settings"].get("table"))
    folder.mkdir(parents=True, exist_ok=True)
    for file in files:
        frame = read_table_file(file, options).frame
        frame = frame.map(lambda cell: math.nan if isinstance(cell, str) and is_missing(cell) else cell)
        complete = impute(model, frame, seed)
        complete.to_csv(folder / f"{file.stem}.csv", index=False)
        echo(f"{file}: {len(complete)} rows completed by {run.name} in {folder / f'{file.stem}.csv'}")
