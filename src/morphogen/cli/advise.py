"""morphogen advise DATA: what the data are, which systems fit, how long they take here, and a recipe to begin with."""

__all__ = ["advise"]

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

if TYPE_CHECKING:
    from morphogen.advise import Advice


def advise(
    data: Annotated[str, Argument(help="a name, a folder of pictures, a text file or a table (.csv, .parquet)")],
    condition: Annotated[str | None, Option(help="the column whose values are the classes, or: folders")] = None,
    goal: Annotated[str, Option(help="quality, likelihood or speed")] = "quality",
    resolution: Annotated[int | None, Option(help="side of the pictures in pixels")] = None,
    length: Annotated[int | None, Option(help="bytes of a block of text (64), samples of one of sound (8192)")] = None,
    out: Annotated[Path, Option(help="where the recipe is written")] = Path("recipe.py"),
    force: Annotated[bool, Option("--force", help="write over a recipe that is there")] = False,
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
) -> None:
    """Read the data, try each system that fits for a second, recommend one, and write a program that trains it."""
    from typing import get_args

    from rich.console import Console

    from morphogen.advise import advise as ask
    from morphogen.advise.rule import Goal
    from morphogen.cli.arguments import BadArgument, choose_device

    if goal not in get_args(Goal):
        raise BadArgument(f"--goal {goal}: there are {', '.join(get_args(Goal))}")
    if out.exists() and not force:
        raise BadArgument(f"--out {out}: is there already; name another file, or give --force to write over it")
    if not out.parent.is_dir():
        raise BadArgument(f"--out {out}: there is no folder {out.parent}; make it first")
    console = Console()
    with console.status("reading the data") as status:
        where, wanted = choose_device(device), get_args(Goal)[get_args(Goal).index(goal)]
        found = ask(data, condition, resolution, length, wanted, where, tell=lambda name: status.update(f"trying {name}"))
    _print(console, found)
    out.write_text(found.recipe, encoding="utf8")
    console.print(f"\nthe recipe: {out}\n  python {out}", highlight=False, markup=False, soft_wrap=True)


def _print(console: Any, found: "Advice") -> None:
    size = found.size

    def line(label: str, text: str) -> None:
        console.print(f"{label:<12}{text}", highlight=False, markup=False, soft_wrap=True)

    parts = f"{size.train:,} to train on, {size.valid:,} to choose by, {size.test:,} to test on"
    line(found.medium, f"{parts}; {size.shape}, {size.levels}; {_bytes(size.bytes)}")
    for i, text in enumerate(found.conditions or ("nothing: samples cannot be asked for",)):
        line("" if i else "condition", text)
    for i, text in enumerate(found.notes):
        line("" if i else "notes", text)
    console.print(_table(found))
    for name, why in found.misfits.items():
        line("does not fit", f"{name}: {why}")
    best = next(trial for trial in found.trials if trial.name == found.recommended)
    options = "".join(f" --{name} {quote(str(value))}" for name, value in found.options.items())
    line("take", f"{best.name}, for {found.goal}: {found.why}; `morphogen compare` measures it on your data")
    line("", f"morphogen train {best.name} --data {quote(found.data)}{options} --time {_duration(best.time)}")


def _table(found: "Advice") -> Any:
    from rich.table import Table

    table = Table(title=f"systems that fit, at size small, timed on {found.machine}", box=None, padding=(0, 1), title_justify="left")
    table.add_column("", no_wrap=True, min_width=max(len(trial.name) for trial in found.trials))
    for heading in ("family", "likelihood", "steered by", "a sample"):
        table.add_column(heading)
    for heading in ("steps/s", "epoch", "--time"):
        table.add_column(heading, justify="right", no_wrap=True)
    for trial in found.trials:
        table.add_row(
            trial.name, trial.family, trial.likelihood, trial.steered, trial.sampling, f"{1 / trial.step_seconds:.3g}",
            _duration(trial.epoch_seconds), _duration(trial.time),
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
