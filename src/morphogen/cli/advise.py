"""`morphogen advise DATA`: describe the data, time the systems that fit, recommend one, write its program."""

__all__ = ["advise"]

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import chain, count, groupby
from operator import attrgetter
from pathlib import Path
from shlex import quote
from textwrap import fill
from typing import TYPE_CHECKING, Annotated, Any, get_args

from typer import Argument, Exit, Option

from morphogen.cli.arguments import choose_device, table_options
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo
from morphogen.cli.options import Device, Length, Resolution, TableOption
from morphogen.counted import counted

if TYPE_CHECKING:
    from morphogen.advise import Advice
    from morphogen.advise.dataset_summary import Summary
    from morphogen.advise.trial import Trial


LABEL = 15  # columns of the labels, such as autoregressive
UNBOUNDED = 10_000  # columns that no table reaches

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
RecipeFile = Annotated[
    Path | None,
    Option(help="file to write the recipe to (default: recipe.py, or recipe-2.py, ... if it exists)"),
]
Overwrite = Annotated[bool, Option("--overwrite", help="overwrite the file of --out")]
Force = Annotated[bool, Option("--force", help="advise on pictures that are too large for a CPU too")]


def advise(
    data: DataName, condition: Condition = None, goal: GoalName = "quality", resolution: Resolution = None,
    length: Length = None, out: RecipeFile = None, overwrite: Overwrite = False, force: Force = False,
    device: Device = "auto", table: TableOption = None,
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
    _check_place(out, overwrite)
    console = PlainConsole()
    with _progress(console) as tell:
        advice = run_advise(
            data,
            condition,
            resolution,
            length,
            goals[goal],
            choose_device(device),
            force=force,
            table=table_options(table),
            on_data=lambda summary: _print_summary(console, summary),
            on_forecast=lambda systems, seconds: _print_forecast(console, systems, seconds),
            on_trial=lambda name, number, count: tell(f"timing {name}, {number} of {count}"),
        )
    _print(console, advice)
    out = out or _free_place(advice.recipe)
    out.write_text(advice.recipe, encoding="utf8")
    console.print(f"\nrecipe: {out}\n  python {out}", highlight=False, markup=False, soft_wrap=True)
    if advice.untried:
        raise Exit(130)  # stopped, as every other command exits


@contextmanager
def _progress(console: Any) -> Iterator[Callable[[str], None]]:
    """Shows what is being timed: in place on a terminal, else a line each on standard error."""
    if not console.is_terminal:
        yield lambda what: echo(what, err=True)
        return
    with console.status("reading the data") as status:
        yield status.update


def _check_place(out: Path | None, overwrite: bool) -> None:
    """Errors: BadArgument, before the trials, if the recipe cannot be written to the file that is given."""
    if out is None:
        return
    if out.exists() and not overwrite:
        raise BadArgument(f"--out {out}: file exists; choose another file, or overwrite it with --overwrite")
    if not out.parent.is_dir():
        raise BadArgument(f"--out {out}: there is no folder {out.parent}; create it first")


def _free_place(recipe: str) -> Path:
    """recipe.py, or else recipe-2.py, ...: the first that is free, or has this content already."""
    for name in chain(["recipe.py"], (f"recipe-{i}.py" for i in count(2))):
        if not Path(name).exists() or Path(name).read_bytes() == recipe.encode():
            break
    return Path(name)


def _print_summary(console: Any, summary: "Summary") -> None:
    """Print what the data are, before the systems are timed."""
    size = summary.size
    splits = f"{size.train:,} training, {size.valid:,} validation and {counted(size.test, 'test example')}"
    facts = [(summary.medium, f"{splits}; {size.shape}, {size.levels}; {_bytes(size.bytes)}")]
    facts += _labelled("condition", summary.conditions or ("none: samples are unconditional",))
    facts += _labelled("notes", summary.notes)
    console.print(_list(facts))


def _print_forecast(console: Any, systems: int, seconds: float) -> None:
    """Print how long the trials will take, and what can be done about it."""
    text = (
        f"{counted(systems, 'system')} for about {_duration(seconds)} in all, longer where one step takes "
        "seconds; Ctrl-C stops, and recommends one of those timed so far"
    )
    console.print(_list([("timing", text)]))


def _print(console: Any, advice: "Advice") -> None:
    """Print the systems and the advice, wrapped to the terminal (80 columns in a pipe)."""
    heading = f"systems that fit, at size small, timed on {advice.machine}"
    console.print(heading, style="italic", highlight=False)
    console.print(_systems(console, advice))
    best = next(trial for trial in advice.trials if trial.name == advice.recommended)
    reason = f"{best.name} for {advice.goal}: {advice.reason}; check it with `morphogen compare`"
    if best.epochs < 1:
        reason += f"; {_duration(best.time)} is {best.epochs:.2g} of an epoch here: train longer if you can"
    misfits = _labelled("does not fit", [f"{name}: {why}" for name, why in advice.misfits.items()])
    untried = _labelled(
        "not timed", [f"{', '.join(advice.untried)}: stopped before"] if advice.untried else []
    )
    holding = {trial.name: trial.stored for trial in advice.trials if trial.stored}
    remedy = "release neither the model nor samples of private data"
    private = _labelled("memorizing", [f"{name} holds {what}: {remedy}" for name, what in holding.items()])
    console.print(_list([*misfits, *untried, *private, ("recommended", reason)]))
    options = "".join(f" --{name} {quote(text)}" for name, text in _written(advice.options))
    command = (
        f"morphogen train {best.name} --data {quote(advice.data)}{options} --time {_duration(best.time)}"
    )
    console.print(f"{'':{LABEL}}{command}", highlight=False, markup=False, soft_wrap=True)


def _labelled(label: str, texts: Iterable[str]) -> list[tuple[str, str]]:
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


def _systems(console: Any, advice: "Advice") -> Any:
    """The systems: a table, with a word a line in its cells where it is too wide, or else a list."""
    from rich.measure import Measurement

    options = console.options.update(max_width=UNBOUNDED)
    for gap, space in ((2, " "), (1, "\n")):
        table = _table(advice, gap, space)
        if Measurement.get(console, options, table).maximum <= console.width:
            return table
    families = [_labelled(family, map(_facts, trials)) for family, trials in _families(advice)]
    return _list(list(chain(*families)))


def _families(advice: "Advice") -> "Iterator[tuple[str, list[Trial]]]":
    """The trials of each family."""
    for family, trials in groupby(sorted(advice.trials, key=attrgetter("family")), attrgetter("family")):
        yield family, list(trials)


def _table(advice: "Advice", gap: int, space: str) -> Any:
    """The systems below their families.

    Arguments:
        advice: with the systems.
        gap: columns between those of the table.
        space: what stands between the words of a cell.
    """
    from rich.table import Table
    from rich.text import Text

    table = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False)
    for heading in ("", "likelihood", "condition", "per sample"):
        table.add_column(heading.replace(" ", space), no_wrap=True)
    for heading in ("steps/s", "epoch", "--time"):
        table.add_column(heading, justify="right", no_wrap=True)
    longest = 2 + max(len(trial.name) for trial in advice.trials)
    for family, trials in _families(advice):
        table.add_row(Text(fill(family, longest, break_long_words=False)))
        for trial in trials:
            words = (trial.likelihood, trial.condition, trial.sampling)
            cells = (each.replace(" ", space) for each in words)
            table.add_row(Text(f"  {trial.name}"), *cells, *_times(trial))
    return table


def _facts(trial: "Trial") -> str:
    """What a row of the table says, as a sentence."""
    rate, epoch, time = _times(trial)
    return (
        f"{trial.name}: likelihood {trial.likelihood}; condition {trial.condition}; {trial.sampling} per "
        f"sample; {rate} steps/s; epoch {epoch}; --time {time}"
    )


def _times(trial: "Trial") -> tuple[str, str, str]:
    return f"{1 / trial.step_seconds:.3g}", _duration(trial.epoch_seconds), _duration(trial.time)


def _duration(seconds: float) -> str:
    for unit, size in (("h", 3600), ("m", 60)):
        if seconds >= size:
            return f"{seconds / size:.3g}{unit}"
    return f"{seconds:.2g}s" if seconds < 10 else f"{seconds:.0f}s"


def _bytes(count: int) -> str:
    for unit, size in (("GB", 10**9), ("MB", 10**6), ("kB", 10**3)):
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return counted(count, "byte")
