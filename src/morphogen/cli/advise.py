"""`morphogen advise DATA`: describe the data, time the systems that fit, recommend one, write its program."""

__all__ = ["advise"]

from collections.abc import Iterator, Mapping
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any, get_args

from typer import Argument, Option

from morphogen.cli.arguments import choose_device, table_options
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.options import Device, Length, Resolution, TableOption

if TYPE_CHECKING:
    from morphogen.advise import Advice


DataName = Annotated[
    str,
    Argument(help="data set name, or path: a folder of pictures or sounds, a text, a table (.csv, .parquet)"),
]
Condition = Annotated[
    str | None,
    Option(help="column of a table that holds the classes, or `folders` (default: the data's own classes)"),
]
GoalName = Annotated[
    str, Option(help="what to recommend for: quality (of samples), likelihood or speed (of sampling)")
]
RecipeFile = Annotated[Path, Option(help="file to write the recipe to")]
Force = Annotated[bool, Option("--force", help="overwrite an existing recipe")]


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
            table=table_options(table),
            on_trial=lambda name: status.update(f"trying {name}"),
        )
    _print(console, advice)
    out.write_text(advice.recipe, encoding="utf8")
    console.print(f"\nrecipe: {out}\n  python {out}", highlight=False, markup=False, soft_wrap=True)


def _print(console: Any, advice: "Advice") -> None:
    size = advice.size

    def line(label: str, text: str) -> None:
        console.print(f"{label:<14}{text}", highlight=False, markup=False, soft_wrap=True)

    splits = f"{size.train:,} training, {size.valid:,} validation and {size.test:,} test examples"
    line(advice.medium, f"{splits}; {size.shape}, {size.levels}; {_bytes(size.bytes)}")
    for i, text in enumerate(advice.conditions or ("none: samples are unconditional",)):
        line("" if i else "condition", text)
    for i, text in enumerate(advice.notes):
        line("" if i else "notes", text)
    console.print(_table(advice))
    for name, why in advice.misfits.items():
        line("does not fit", f"{name}: {why}")
    best = next(trial for trial in advice.trials if trial.name == advice.recommended)
    options = "".join(f" --{name} {quote(text)}" for name, text in _written(advice.options))
    line(
        "recommended",
        f"{best.name} for {advice.goal}: {advice.reason}; check it on your data with `morphogen compare`",
    )
    line(
        "", f"morphogen train {best.name} --data {quote(advice.data)}{options} --time {_duration(best.time)}"
    )


def _written(options: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Options of the command line, name and value; one that holds several by name is given several times."""
    for name, value in options.items():
        for text in [f"{k}={v}" for k, v in value.items()] if isinstance(value, dict) else [str(value)]:
            yield name, text


def _table(advice: "Advice") -> Any:
    from rich.table import Table

    table = Table(
        title=f"systems that fit, at size small, timed on {advice.machine}",
        box=None,
        padding=(0, 1),
        title_justify="left",
    )
    table.add_column("", no_wrap=True, min_width=max(len(trial.name) for trial in advice.trials))
    for heading in ("family", "likelihood", "condition", "per sample"):
        table.add_column(heading)
    for heading in ("steps/s", "epoch", "--time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in advice.trials:
        table.add_row(
            trial.name,
            trial.family,
            trial.likelihood,
            trial.condition,
            trial.sampling,
            f"{1 / trial.step_seconds:.3g}",
            _duration(trial.epoch_seconds),
            _duration(trial.time),
        )
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
