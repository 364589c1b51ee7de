"""morphogen compare DATA: one model per family at an equal budget, on one split. compare RUN RUN ...: measured again, not trained."""

__all__ = ["compare"]

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

if TYPE_CHECKING:
    from morphogen.compare import Comparison
    from morphogen.data import Dataset


def compare(
    what: Annotated[list[str] | None, Argument(metavar="DATA | RUN ...", help="data (a name, a folder, a file), or runs")] = None,
    time: Annotated[str | None, Option(help="training time of each system: 30s, 10m, 1h (default: 30s)")] = None,
    families: Annotated[str | None, Option(help="comma-separated: only systems of these families")] = None,
    systems: Annotated[str | None, Option(help="comma-separated; default: one per family that fits the data")] = None,
    n: Annotated[int | None, Option(help="samples of each system; default: as many as are held out, at most 1000")] = None,
    size: Annotated[str, Option(help="tiny, small or paper")] = "small",
    resolution: Annotated[int | None, Option(help="side of the pictures in pixels")] = None,
    length: Annotated[int | None, Option(help="symbols of a block of text (64), samples of one of sound (8192)")] = None,
    tokens: Annotated[str | None, Option(help="the symbols of a text: bytes, characters, bpe:1000, unigram:1000")] = None,
    condition: Annotated[str | None, Option(help="the column of a table whose values are the classes")] = None,
    out: Annotated[Path | None, Option(help="where to write; default: runs/compare-DATA-001")] = None,
    resume: Annotated[Path | None, Option(help="go on with this comparison; with a larger --time, train all of it further")] = None,
    seed: Annotated[int | None, Option(help="of training and sampling (default: 0)")] = None,
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
    budget: Annotated[str | None, Option(hidden=True)] = None,  # the first name of --time
) -> None:
    """One model per family, equal training time, the same held-out data: a table, report.html, report.json and samples.png."""
    from morphogen.cli.arguments import BadArgument, choose_device, seconds
    from morphogen.compare import Comparison, find_runs, is_run, rescore
    from morphogen.compare import resume as go_on

    given, where = budget if time is None else time, choose_device(device)
    if resume is not None:
        if what or families or systems or n is not None or out is not None or seed is not None:
            raise BadArgument(f"--resume {resume}: the comparison says the rest itself; only --time and --device may be given with it")
        comparison = go_on(resume, None if given is None else seconds(given), where)
    elif not what:
        raise BadArgument("compare needs data or runs: morphogen compare digits, morphogen compare runs/one runs/other")
    elif len(what) > 1 or is_run(what[0]):
        if given or families or systems:
            raise BadArgument("compare RUN ...: runs are measured as they are; leave --time, --families and --systems out")
        comparison = rescore(find_runs(what), out, n, seed, where)
    else:
        settings = {"data": what[0], "resolution": resolution, "length": length, "condition": condition, "tokens": tokens}
        dataset, chosen = _chosen(settings, systems, families, where)
        comparison = Comparison(dataset, seconds("30s" if given is None else given), out, chosen, size, n, seed or 0, where, settings)
    _go(comparison)


def _chosen(settings: Mapping[str, Any], systems: str | None, families: str | None, device: str) -> tuple["Dataset", list[str]]:
    """The data, and who takes part."""
    from morphogen.compare.choice import choose
    from morphogen.data import check_resolution, load

    check_resolution(settings["resolution"], device)
    dataset = load(settings["data"], settings["resolution"], settings["length"], settings["condition"], settings["tokens"])
    return dataset, choose(dataset, _words(systems), _words(families))


def _go(comparison: "Comparison") -> None:
    """Run it and tell how it goes; Ctrl-C leaves what is done."""
    import typer
    from rich.console import Console

    from morphogen.compare import table
    from morphogen.training.progress import Progress

    console = Console()
    files = [comparison.directory / name for name in ("report.html", "report.json", "samples.png")]
    try:
        console.print(comparison.announcement(), soft_wrap=True, highlight=False)
        for row in comparison.run(Progress(console)):
            done = f"done, {row['train_seconds'] or 0:.0f} s of training" if comparison.budget else "measured"
            did = done if row["error"] is None else f"failed: {row['error']}"
            console.print(f"  {row['system']}: {did}", soft_wrap=True, highlight=False, markup=False)
    except KeyboardInterrupt:
        if files[0].exists():
            console.print(f"stopped; so far: {files[0]}\ngo on: morphogen compare --resume {comparison.directory}", soft_wrap=True)
        raise typer.Exit(130) from None
    console.print(table(comparison.report))
    console.print("\n".join(map(str, files)), soft_wrap=True, highlight=False)
    if not any(row["run"] and row["error"] is None for row in comparison.rows):
        raise typer.Exit(2)  # each has said why


def _words(text: str | None) -> list[str] | None:
    return [word.strip() for word in text.split(",") if word.strip()] if text else None
