"""`morphogen anomalies [RUN] FILE...`: rank the rows of a table, or pictures, by how unlikely they are."""

__all__ = ["anomalies"]

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

from morphogen.cli.arguments import choose_device, choose_label
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.completion import is_table
from morphogen.cli.echo import echo
from morphogen.cli.inputs import check_paths, read_pictures, split_paths
from morphogen.cli.options import Device, Runs, Seed
from morphogen.cli.output_file import check_output, refuse_inputs
from morphogen.cli.table_cells import columns_of, read_cells
from morphogen.counted import counted

if TYPE_CHECKING:
    from pandas import DataFrame

    from morphogen.data.dataset import Examples
    from morphogen.run import Run

EXAMPLES = "anomalies", "PICTURE..."  # the command, and what it is given for pictures
NAME = "anomalies.csv"
WIDTH = 60  # characters of the reason that are shown

Paths = Annotated[
    list[Path],
    Argument(
        metavar="[RUN] FILE...",
        help="run directory of a model with a likelihood (default: the newest finished one of this medium in "
        "runs/), then a table, or pictures",
    ),
]
Shown = Annotated[int, Option("--n", "-n", min=1, help="number of rows to show")]
Condition = Annotated[
    str | None, Option(help="class of the pictures, by name (of a table: in its own column)")
]
Out = Annotated[Path | None, Option(help="the file with all rows: NAME.csv (default: RUN/anomalies.csv)")]


def anomalies(
    paths: Paths, n: Shown = 10, condition: Condition = None, out: Out = None, seed: Seed = 0,
    runs: Runs = Path("runs"), device: Device = "auto",
) -> None:  # fmt: skip
    """Rank the rows of a table, or pictures, by their likelihood under a trained model.

    Shows the least likely ones, with the share of held-out examples that are as unlikely (the p-value), and
    writes all of them to anomalies.csv, the least likely first.
    """
    from morphogen.evaluation.anomalies import anomalies as rank_rows
    from morphogen.numerics.trees import tree_map

    check_paths(paths)
    table = any(map(is_table, paths))
    run, files = split_paths(paths, runs, "table" if table else "pictures", EXAMPLES)
    target = _target(run, files, out)
    model = run.model(choose_device(device))
    rows, named = _table(run, model, files) if table else _pictures(model, files)
    given = (
        None if condition is None else tree_map(lambda c: c.expand(len(named)), choose_label(run, condition))
    )
    found = rank_rows(model, rows, _held_out(run, model), given, seed)
    unit = model.representation.unit
    ranked = named.iloc[found.order.numpy()].assign(
        **{
            f"bits per {unit}": found.surprise[found.order].numpy().round(4),
            "p-value": found.p_value[found.order].numpy().round(4),
            "reason": [found.beyond[i] for i in found.order.tolist()],
        }
    )
    _show(ranked, n, len(named.columns))
    target.parent.mkdir(parents=True, exist_ok=True)
    ranked.to_csv(target, index=False)
    echo(f"{counted(len(ranked), 'row')} ranked by {run.name}, in {target}")


def _target(run: "Run", files: list[Path], out: Path | None) -> Path:
    """The file to write. Errors: BadArgument if it is no CSV file, an input, or a file of someone else."""
    from morphogen.media.table import TABLE

    target = out if out is not None else run.directory / NAME
    if target.suffix.lower() != ".csv":
        raise BadArgument(f"--out {out}: the rows are written as CSV; give a name such as {NAME}")
    if out is not None:
        check_output(target, TABLE, 1)
    refuse_inputs(target, files)
    return target


def _table(run: "Run", model: Any, files: list[Path]) -> tuple["DataFrame", "DataFrame"]:
    """The rows as the model reads them, and as they are written, with their numbers."""
    if len(files) > 1:
        raise BadArgument(f"{files[1]}: is a second table; rank one at a time")
    columns = columns_of(model)
    read = read_cells(files[0], run.record["settings"].get("table"), columns)
    names = [column.name for column in columns]
    if absent := [name for name in names if name not in read.cells]:
        raise BadArgument(f"{files[0]}: has no column {absent[0]!r}, which the model takes; add it")
    frame = read.frame.reset_index(drop=True)
    frame.insert(0, "row", range(1, len(frame) + 1))
    return read.cells[names].reset_index(drop=True), frame


def _pictures(model: Any, files: list[Path]) -> tuple[Any, "DataFrame"]:
    """The pictures with the levels of the model, and their files."""
    from pandas import DataFrame

    source = model.representation.source
    top = (source.levels - 1) / 2
    pictures = ((read_pictures(files, source.medium_shape) + 1) * top).round() / top - 1
    return pictures, DataFrame({"file": [str(file) for file in files]})


def _held_out(run: "Run", model: Any) -> "Examples | None":
    """The held-out part of the data of a run; None, with a note, if they are not to be had."""
    from morphogen.data import DataError
    from morphogen.run import RunError
    from morphogen.run_data import read_data

    try:
        return read_data(run.record["settings"], run.directory, model.representation).test
    except (RunError, DataError) as error:
        echo(f"note: no p-values, since they need the held-out part of the data: {error}", err=True)
        return None


def _show(ranked: "DataFrame", n: int, own: int) -> None:
    """Print the first rows: their numbers, figures and reasons, and as many cells as fit."""
    from rich.table import Table

    from morphogen.cli.console import PlainConsole

    columns = [ranked.columns[0], *ranked.columns[own:], *ranked.columns[1:own]]
    table = Table(*columns[:12], box=None, header_style="bold")
    for row in ranked.head(n)[columns[:12]].itertuples(index=False):
        table.add_row(*(str(cell)[:WIDTH] for cell in row))
    PlainConsole().print(table)
