"""morphogen steer RUN: a classifier for a run of diffusion, for `sample --classifier-guidance`."""

__all__ = ["steer"]

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def steer(
    run: Annotated[Path, Argument(help="a run directory of diffusion")],
    data: Annotated[str | None, Option(help="pictures with classes; default: those that the run learned from")] = None,
    time: Annotated[str | None, Option(help="how long to train: 30s, 10m (default: 2m)")] = None,
    steps: Annotated[int | None, Option(help="how many steps to train, instead of --time")] = None,
    seed: int = 0,
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
) -> None:
    """Train a classifier that knows noise beside a trained diffusion; then `sample --classifier-guidance 2 --condition CLASS`."""
    import typer

    from morphogen.cli.arguments import BadArgument, budget, choose_device
    from morphogen.data import load
    from morphogen.run import Run, RunError
    from morphogen.steer import train_classifier
    from morphogen.training.progress import Progress

    chosen, asked = Run.open(run), budget(time, steps, "2m")
    settings = chosen.record["settings"]
    source = data if data is not None else settings.get("data")
    if source is None:
        raise BadArgument(f"steer {run}: the run names no data (it was trained from Python); give --data")
    dataset = load(source, settings.get("resolution"))
    trained = train_classifier(chosen, dataset, seed, device=choose_device(device), progress=Progress(), **asked)
    if not trained.finished:
        raise RunError(f"{run}: stopped after {trained.steps} steps; the same command goes on from there")
    typer.echo(f"{trained.steps} steps in {trained.seconds:.0f} s; now: morphogen sample {run} --classifier-guidance 2 --condition CLASS")
