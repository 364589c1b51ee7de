"""The run that a command uses: the one that is named, a packaged model, or the newest that is finished."""

__all__ = ["DIFFUSERS", "choose_run"]

from pathlib import Path
from typing import TYPE_CHECKING

from morphogen.cli.echo import echo
from morphogen.rank import ALONE, Rank

if TYPE_CHECKING:
    from morphogen.run import Run

DIFFUSERS = "diffusers:"  # the prefix of a folder that is no run, but a pipeline


def choose_run(directory: Path | None, root: Path, rank: Rank = ALONE, medium: str | None = None) -> "Run":
    """The run in a directory; None: the newest finished run under `root`, or else the newest interrupted one.

    With the name of a medium, that of the files that are given, it is the newest of this medium, and a note
    names it. The name of a packaged model is its run under `root`, which is made when it is first used, and
    "diffusers:PATH" is the model in the folder of a pipeline.
    A run that is still training, or whose training diverged, is chosen by its name alone. The first of
    several processes chooses, so that all use the same run while the folder changes.
    """
    from morphogen.catalogue import pages
    from morphogen.data.pretrained import MODELS
    from morphogen.foreign_run import ForeignRun
    from morphogen.packaged_run import packaged_run
    from morphogen.run import Run

    if (name := str(directory)) in MODELS and not Path(name).exists():
        directory = Path(rank.once(lambda: str(packaged_run(name, root).directory)))
    if name.startswith(DIFFUSERS):
        return ForeignRun(name, root)
    if directory is not None:
        return Run.open(directory)

    def fits(run: Run) -> bool:
        page = pages().get(run.record["system"])
        return medium is None or (page is not None and page.medium == medium)

    what = "run" if medium is None else f"run of {medium}"
    run = Run.open(rank.once(lambda: str(Run.latest(root, fits, what).directory)))
    run.is_newest = True
    if medium is not None:
        echo(f"{run.directory}: the newest {what}")
    if (run.directory.parent / "report.json").exists():
        echo(f"note: {run.directory} is the newest run, one of those compared in its folder", err=True)
    if run.status != "finished":
        echo(f"note: {root} contains no finished run; {run.directory} is {run.status}", err=True)
    return run
