"""`morphogen compare DATA`: train one model per family for equal time; `compare RUN ...`: trained runs."""

__all__ = ["compare"]

from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from morphogen.cli.arguments import budget as training_budget
from morphogen.cli.arguments import choose_device, seconds, table_options
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo
from morphogen.cli.options import Device, Force, Length, Resolution, Size, TableOption, Tokenizer
from morphogen.cli.output_file import refuse_file

if TYPE_CHECKING:
    from morphogen.compare import Comparison
    from morphogen.data import Dataset


DataOrRuns = Annotated[
    list[str] | None,
    Argument(metavar="DATA | RUN ...", help="a data set (name, folder or file), or run directories"),
]
Time = Annotated[
    str | None,
    Option(help="training time per system: 30s, 10m, 1h (default: 30s); does not repeat exactly"),
]
Steps = Annotated[
    int | None,
    Option(help="training steps per system, instead of --time; all figures but timings repeat exactly"),
]
Families = Annotated[
    str | None, Option(help="comma-separated families to keep: classical,vae,... (default: all)")
]
Systems = Annotated[str | None, Option(help="comma-separated systems to compare (default: one per family)")]
SampleCount = Annotated[
    int | None,
    Option(
        "--n",
        "-n",
        help="number of samples per system (default: the number of held-out examples, at most 1000)",
    ),
]
Condition = Annotated[
    str | None, Option(help="column of a table that holds the classes (default: no classes)")
]
Out = Annotated[
    Path | None, Option(help="output directory (default: runs/compare-DATA-NNN, the next free number)")
]
Resume = Annotated[
    Path | None,
    Option(
        help="directory of a comparison to continue; a larger --time or --steps trains all its models further"
    ),
]
OptionalSeed = Annotated[int | None, Option(help="seed of training and sampling (default: 0)")]
Budget = Annotated[str | None, Option(hidden=True)]  # the former name of --time


def compare(
    what: DataOrRuns = None, time: Time = None, steps: Steps = None, families: Families = None,
    systems: Systems = None, n: SampleCount = None, size: Size = "small", resolution: Resolution = None,
    length: Length = None, tokenizer: Tokenizer = None, condition: Condition = None, out: Out = None,
    resume: Resume = None, seed: OptionalSeed = None, device: Device = "auto", force: Force = False,
    budget: Budget = None, table: TableOption = None,
) -> None:  # fmt: skip
    """Compare models trained for equal time, or equally many steps, on your data.

    DATA: train one model per family and evaluate them all. RUN ...: evaluate runs that are already trained.
    Writes report.html, report.json and samples.png.
    """
    from morphogen.compare import find_runs, is_run, rescore
    from morphogen.compare import resume as resume_comparison

    refuse_file(out, "compare")
    time, target = budget if time is None else time, choose_device(device)
    amount = training_budget(time, steps, "30s")
    if resume is not None:
        _check_alone(resume, (what or None, families, systems, n, out, seed))
        duration = None if time is None else seconds(time)
        comparison = _described(resume_comparison(resume, duration, target, steps))
    elif not what:
        raise BadArgument("compare needs data or runs: morphogen compare digits, morphogen compare runs/one")
    elif len(what) > 1 or is_run(what[0]):
        _refuse_systems(what)
        if time or steps or families or systems:
            raise BadArgument(
                "compare RUN ...: runs are not trained; omit --time, --steps, --families, --systems"
            )
        comparison = _described(rescore(find_runs(what), out, n, seed, target))
    else:
        settings: dict[str, Any] = {"data": what[0], "resolution": resolution, "length": length}
        settings |= {"condition": condition, "tokenizer": tokenizer, "table": table_options(table)}
        comparison = _new_comparison(
            settings, systems, families, amount, out, size, n, seed or 0, target, force
        )
    _run(comparison)


def _refuse_systems(what: list[str]) -> None:
    """Errors: BadArgument if systems are given where runs are, with the option that takes them."""
    from morphogen.catalogue import pages
    from morphogen.compare import is_run

    systems = [name for name in what if name in pages() and not is_run(name)]
    if systems:
        data = next((quote(name) for name in what if name not in systems), "DATA")
        raise BadArgument(
            f"compare {' '.join(map(quote, what))}: {', '.join(systems)}: systems are given by their option: "
            f"morphogen compare {data} --systems {','.join(systems)}"
        )


def _check_alone(resume: Path, others: tuple[Any, ...]) -> None:
    """Errors: BadArgument if any of the settings of a comparison is given when it is resumed."""
    if any(value is not None for value in others):
        raise BadArgument(
            f"--resume {resume}: the other settings are those of the comparison; "
            "only --time or --steps, and --device, may be given with it"
        )


def _new_comparison(
    settings: dict[str, Any], systems: str | None, families: str | None, budget: dict[str, Any],
    out: Path | None, size: str, n: int | None, seed: int, device: str, force: bool,
) -> "Comparison":  # fmt: skip
    """A comparison of systems that are still to be trained."""
    from morphogen.compare import Comparison
    from morphogen.compare.choice import choose
    from morphogen.data import check_resolution, load_data
    from morphogen.run_data import DATA_SETTINGS

    check_resolution(settings["resolution"], "any" if force else device)
    echo(f"reading {settings['data']}")
    dataset = load_data(settings["data"], **{name: settings.get(name) for name in DATA_SETTINGS[1:]})
    echo(_read(dataset))
    names = choose(dataset, _names(systems), _names(families))
    echo(f"trying {', '.join(names)} on two examples")
    return Comparison(
        dataset, budget["time"], out, names, size, n, seed, device, settings, steps=budget["steps"]
    )


def _run(comparison: "Comparison") -> None:
    """Run a comparison and print its progress and results; Ctrl-C keeps what is finished."""
    from morphogen.cli.console import PlainConsole
    from morphogen.compare import announcement, table
    from morphogen.report.caveats import caveats
    from morphogen.training.progress import Progress

    console = PlainConsole()
    files = [comparison.directory / name for name in ("report.html", "report.json", "samples.png")]
    try:
        for line in announcement(comparison):
            console.print(line, soft_wrap=True, highlight=False)
        for row in comparison.run(Progress(console)):
            done = (
                f"done, {row['train_seconds'] or 0:.0f} s of training" if not comparison.runs else "evaluated"
            )
            outcome = done if row["error"] is None else f"failed: {row['error']}"
            console.print(f"  {row['system']}: {outcome}", soft_wrap=True, highlight=False, markup=False)
    except KeyboardInterrupt:
        if files[0].exists():
            console.print(
                f"stopped; finished rows: {files[0]}\n"
                f"continue: morphogen compare --resume {quote(str(comparison.directory))}",
                soft_wrap=True,
            )
        raise typer.Exit(130) from None
    report = comparison.report
    console.print(table(report))
    lines = [*caveats(report["rows"], report.get("features")), *map(str, files)]
    console.print("\n".join(lines), soft_wrap=True, highlight=False, markup=False)
    if not any(row["run"] and row["error"] is None for row in comparison.rows):
        raise typer.Exit(2)  # every system failed; the reasons were printed


def _read(dataset: "Dataset") -> str:
    """What was read, in lines."""
    return "\n".join((f"{dataset.name}: {dataset.split}", *dataset.notes))


def _described(comparison: "Comparison") -> "Comparison":
    """A comparison whose data are printed."""
    echo(_read(comparison.dataset))
    return comparison


def _names(text: str | None) -> list[str] | None:
    return [name.strip() for name in text.split(",") if name.strip()] if text else None
