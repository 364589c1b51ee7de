"""`morphogen train-classifier RUN`: train the noisy classifier that guides `sample --classifier-guidance`."""

__all__ = ["train_classifier"]

from pathlib import Path
from shlex import quote
from typing import Annotated

from typer import Argument, Option

from morphogen.cli.arguments import budget, choose_device
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo
from morphogen.cli.options import Device, Seed

RunDirectory = Annotated[Path, Argument(help="run directory of a diffusion model of pictures")]
DataName = Annotated[
    str | None, Option(help="pictures with classes: a name or path (default: the data of the run)")
]
Time = Annotated[str | None, Option(help="training time: 30s, 10m, 1h (default: 2m)")]
Steps = Annotated[int | None, Option(help="number of training steps, instead of --time")]


def train_classifier(
    run: RunDirectory,
    data: DataName = None,
    time: Time = None,
    steps: Steps = None,
    seed: Seed = 0,
    device: Device = "auto",
) -> None:
    """Train the classifier of `sample --classifier-guidance`.

    It classifies noisy pictures, at the noise levels of a trained diffusion model, and is saved in
    RUN/classifier. Then: morphogen sample RUN --classifier-guidance 2 --condition CLASS
    """
    from morphogen.data import load_data
    from morphogen.guidance_classifier import train_classifier as train_noisy_classifier
    from morphogen.run import Run, RunError
    from morphogen.run_data import read_data
    from morphogen.training.progress import Progress

    chosen, duration = Run.open(run), budget(time, steps, "2m")
    settings = chosen.record["settings"]
    if data is None and settings.get("data") is None:
        raise BadArgument(
            f"train-classifier {run}: its settings name no data (it was trained from Python); give --data"
        )
    size = settings.get("resolution")
    dataset = read_data(settings, run) if data is None else load_data(data, resolution=size)
    trained = train_noisy_classifier(
        chosen, dataset, seed, device=choose_device(device), progress=Progress(), **duration
    )
    if trained.diverged:
        raise RunError(
            f"{run}/classifier: {trained.skipped_steps}: its training diverged; give another --seed"
        )
    if not trained.finished:
        raise RunError(f"{run}: stopped after {trained.steps} steps; run the same command again to continue")
    echo(
        f"{trained.steps} steps in {trained.seconds:.0f} s; draw samples: "
        f"morphogen sample {quote(str(run))} --classifier-guidance 2 --condition CLASS"
    )
