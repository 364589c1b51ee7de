"""morphogen train SYSTEM --data DATA: one model into a run directory."""

from pathlib import Path
from typing import Annotated

from typer import Argument, Option


def train(
    system: Annotated[str | None, Argument(help="a name from `morphogen systems`")] = None,
    data: Annotated[str | None, Option(help="digits, a folder of pictures or a text file")] = None,
    time: Annotated[str | None, Option(help="how long to train: 30s, 10m, 1h (default: 5m)")] = None,
    steps: Annotated[int | None, Option(help="how many steps to train, instead of --time")] = None,
    size: Annotated[str, Option(help="tiny, small or paper")] = "small",
    set: Annotated[list[str] | None, Option(help="a number of the config: --set network.channels=64")] = None,
    resolution: Annotated[int | None, Option(help="side of the pictures in pixels")] = None,
    length: Annotated[int, Option(help="bytes of one block of text")] = 64,
    resume: Annotated[Path | None, Option(help="go on with this run directory")] = None,
    runs: Annotated[Path, Option(help="where run directories are made")] = Path("runs"),
    seed: int = 0,
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
    precision: Annotated[str, Option(help="fp32, bf16 or auto")] = "auto",
    tensorboard: Annotated[bool, Option(help="also write curves for TensorBoard")] = False,
) -> None:
    """Train one system on your data; the run directory holds the model, its metrics and its checkpoints."""
    import torch
    import typer

    from morphogen.catalogue import compose
    from morphogen.cli.arguments import BadArgument, changes, choose_device, seconds
    from morphogen.data import load
    from morphogen.run import Run, train_run
    from morphogen.training.progress import Progress

    if resume is not None:
        run = Run.open(resume)
        system, settings = run.record["system"], run.record["settings"]
    else:
        if system is None or data is None:
            raise BadArgument("train needs a system and data: morphogen train ddpm --data digits")
        if time is not None and steps is not None:
            raise BadArgument("--time and --steps: give one of them")
        if steps is not None and steps <= 0:
            raise BadArgument(f"--steps {steps}: must be positive")
        settings = {"data": data, "size": size, "seed": seed, "steps": steps, "time": None if steps else seconds(time or "5m")}
        settings |= {"set": changes(set or []), "resolution": resolution, "length": length}
    where = choose_device(device)
    dataset = load(settings["data"], settings["resolution"], settings["length"])
    settings["classes"] = list(dataset.classes)
    torch.manual_seed(settings["seed"])  # weights start from torch's generator
    model = compose(str(system), dataset.representation, len(dataset.classes), settings["size"], settings["set"])
    if resume is None:
        run = Run.create(runs, str(system), dataset.name, settings)
    for line in (str(run.directory), *dataset.notes, repr(model)):
        typer.echo(line)
    trained = train_run(run, model, dataset.train, device=where, precision=precision, progress=Progress(), tensorboard=tensorboard)
    typer.echo(f"{trained.steps} steps in {trained.seconds:.0f} s; now: morphogen sample {run.directory}")
