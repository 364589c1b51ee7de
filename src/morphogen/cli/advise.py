"""`morphogen advise DATA`: describe the data, time the systems that fit, recommend one, write its program."""

__all__ = ["advise"]

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, get_args

from typer import Argument, Option

from morphogen.cli.arguments import choose_device, table_options
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.options import Device, Length, Resolution, TableOption

if TYPE_CHECKING:
    from morphogen.advise import Advice


LABEL = 14  # columns of the labels

DataName = Annotated[
    str,
    Argument(help="data set name, or path: a folder of pictures or sounds, a text, a table (.csv, .parquet)"),
]
Condition = Annotated[
    str | None,
    Option(
        help="column of a table with the classes, `folders` or `sketch` (default: the data's own classes)"
    ),
]
GoalName = Annotated[
    str, Option(help="what to recommend for: quality (of samples), likelihood or speed (of sampling)")
]
RecipeFile = Annotated[Path, Option(help="file to write the recipe to")]
Force = Annotated[
    bool, Option("--force", help="overwrite an existing recipe, and advise on pictures too large for a CPU")
]


def advise(
    data: DataName, condition: Condition = None, goal: GoalName = "quality", resolution: Resolution = None,
    length: Length = None, out: RecipeFile = Path("recipe.py"), force: Force = False, device: Device = "auto",
    table: TableOption = None,
) -> None:  # fmt: skip
    """Recommend a system for your data.

    Describes the data, times every system that fits them, and writes a program that trains the best choice.
    """
    from morphogen.advise import advise as run_advise
    from morphogen.advise.recommendation import Goal
    from morphogen.cli.console import PlainConsole

    goals: dict[str, Goal] = {name: name for name in get_args(Goal)}
    if goal not in goals:
        raise BadArgument(f"--goal {goal}: unknown; use {', '.join(goals)}")
    if out.exists() and not force:
        raise BadArgument(f"--out {out}: file exists; choose another file, or overwrite it with --force")
    if not out.parent.is_dir():
        raise BadArgument(f"--out {out}: there is no folder {out.parent}; create it first")
    console = PlainConsole()
    with console.status("reading the data") as status:
        advice = run_advise(
            data,
            condition,
            resolution,
            length,
            goals[goal],
            choose_device(device),
            force=force,
            table=table_options(table),
            on_trial=lambda name: status.update(f"trying {name}"),
        )
    _print(console, advice)
    out.write_text(advice.recipe, encoding="utf8")
    console.print(f"\nrecipe: {out}\n  python {out}", highlight=False, markup=False, soft_wrap=True)


def _print(console: Any, advice: "Advice") -> None:
    """Print the advice, wrapped to the terminal (80 columns in a pipe); the command is one line."""
    size = advice.size
    splits = f"{size.train:,} training, {size.valid:,} validation and {size.test:,} test examples"
    facts = [(advice.medium, f"{splits}; {size.shape}, {size.levels}; {_bytes(size.bytes)}")]
    facts += _labelled("condition", advice.conditions or ("none: samples are unconditional",))
    facts += _labelled("notes", advice.notes)
    console.print(_list(facts))
    console.print(_table(advice))
    best = next(trial for trial in advice.trials if trial.name == advice.recommended)
    reason = f"{best.name} for {advice.goal}: {advice.reason}; check it with `morphogen compare`"
    misfits = _labelled("does not fit", [f"{name}: {why}" for name, why in advice.misfits.items()])
    console.print(_list([*misfits, ("recommended", reason)]))
    options = "".join(f" --{name} {quote(text)}" for name, text in _written(advice.options))
    command = (
        f"morphogen train {best.name} --data {quote(advice.data)}{options} --time {_duration(best.time)}"
    )
    console.print(f"{'':{LABEL}}{command}", highlight=False, markup=False, soft_wrap=True)


def _labelled(label: str, texts: Sequence[str]) -> list[tuple[str, str]]:
    """Lines of which the first has the label."""
    return [("" if i else label, text) for i, text in enumerate(texts)]


def _list(lines: Sequence[tuple[str, str]]) -> Any:
    """Labels and texts in two columns."""
    from rich.table import Table
    from rich.text import Text

    grid = Table.grid()
    grid.add_column(width=LABEL)
    grid.add_column(overflow="fold")
    for label, text in lines:
        grid.add_row(Text(label), Text(text))
    return grid


def _written(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options of the command line, name and value; one that holds several by name is given several times."""
    for name, value in options.items():
        for text in [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else [str(value)]:
            yield name, text


def _table(advice: "Advice") -> Any:
    """The systems below their families, in 80 columns."""
    from rich.table import Table
    from rich.text import Text

    table = Table(
        title=f"systems that fit, at size small, timed on {advice.machine}",
        box=None,
        padding=(0, 1),
        title_justify="left",
    )
    table.add_column("", no_wrap=True, min_width=2 + max(len(trial.name) for trial in advice.trials))
    for heading in ("likelihood", "condition", "per sample"):
        table.add_column(heading, overflow="fold")
    for heading in ("steps/s", "epoch", "--time"):
        table.add_column(heading, justify="right", no_wrap=True)
    family = None
    for trial in sorted(advice.trials, key=lambda trial: trial.family):
        if trial.family != family:
            family = trial.family
            table.add_row(Text(family))
        table.add_row(
            Text(f"  {trial.name}"), trial.likelihood, trial.condition, trial.sampling,
            f"{1 / trial.step_seconds:.3g}", _duration(trial.epoch_seconds), _duration(trial.time),
        )  # fmt: skip
    return table


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.2g}s" if seconds < 10 else f"{seconds:.0f}s"


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count} bytes"
