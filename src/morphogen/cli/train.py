"""morphogen train SYSTEM --data DATA: one model into a run directory."""

__all__ = ["train"]

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

from typer import Argument, Option

if TYPE_CHECKING:
    from morphogen.data import Dataset
    from morphogen.run import Run


def train(
    system: Annotated[str | None, Argument(help="a name from `morphogen systems`")] = None,
    data: Annotated[str | None, Option(help="a name, a folder of pictures, texts or sounds, a text file or a table")] = None,
    condition: Annotated[str | None, Option(help="the column of a table that holds the classes; sketch: a picture's own edges")] = None,
    time: Annotated[str | None, Option(help="how long to train: 30s, 10m, 1h (default: 5m)")] = None,
    steps: Annotated[int | None, Option(help="how many steps to train, instead of --time")] = None,
    size: Annotated[str, Option(help="tiny, small or paper")] = "small",
    set: Annotated[list[str] | None, Option(help="a number of the config: --set network.channels=64")] = None,
    resolution: Annotated[int | None, Option(help="side of the pictures in pixels")] = None,
    length: Annotated[int | None, Option(help="symbols of a block of text (64), samples of one of sound (8192)")] = None,
    tokens: Annotated[str | None, Option(help="the symbols of a text: bytes, characters, bpe:1000, unigram:1000")] = None,
    teacher: Annotated[Path | None, Option(help="the run that a student is distilled from")] = None,
    resume: Annotated[Path | None, Option(help="go on with this run directory")] = None,
    runs: Annotated[Path, Option(help="where run directories are made")] = Path("runs"),
    seed: int = 0,
    device: Annotated[str, Option(help="cpu, cuda or auto")] = "auto",
    precision: Annotated[str, Option(help="fp32, bf16 or auto")] = "auto",
    tensorboard: Annotated[bool, Option(help="also write curves for TensorBoard")] = False,
) -> None:
    """Train one system on your data; the run directory holds the model, its metrics and its checkpoints."""
    from morphogen.cli.arguments import BadArgument, budget, changes, choose_device, choose_precision
    from morphogen.rank import Rank
    from morphogen.run import Run

    rank, run, where, precision = Rank.here(device), None, choose_device(device), choose_precision(precision)
    settings: dict[str, Any] = {"resolution": resolution, "length": length, "condition": condition, "tokens": tokens}
    settings["teacher"] = teacher and str(teacher)
    if resume is not None:
        if any(given is not None for given in (system, data, time, steps, set, *settings.values())):
            raise BadArgument(f"--resume {resume}: the run says the rest itself; only --device and --precision may be given with it")
        run = Run.open(resume)
        system, settings = _begun(run)
    elif system is None or data is None:
        raise BadArgument("train needs a system and data: morphogen train ddpm --data digits")
    else:
        settings = {"data": data, "size": size, "seed": seed} | budget(time, steps, "5m") | {"set": changes(set or [])} | settings
    model, dataset = _composed(system, settings, where)
    settings |= {"classes": list(dataset.classes), "split": dataset.split}
    run = run or Run.open(rank.once(lambda: str(Run.create(runs, system, dataset.name, settings).directory)))
    _go(run, model, dataset, device=where, precision=precision, tensorboard=tensorboard)


def _begun(run: "Run") -> tuple[str, dict[str, Any]]:
    """What a run that goes on was asked to be."""
    from morphogen.run import RunError

    settings = {"size": "small", "seed": 0, "steps": None, "time": None, "set": {}, "resolution": None, "length": None}
    settings |= run.record["settings"]
    if not settings.get("data"):
        raise RunError(f"{run.directory}: its settings name no data (it was trained from Python); go on from there: train_run(run, ...)")
    return run.record["system"], settings


def _composed(system: str, settings: Mapping[str, Any], device: str) -> tuple[Any, "Dataset"]:
    """The model at its start, and the data it is made for."""
    import torch

    from morphogen.catalogue import check_reader, compose, page
    from morphogen.cli.arguments import BadArgument
    from morphogen.data import check_resolution, load

    if not 0 <= settings["seed"] < 2**63:
        raise BadArgument(f"--seed {settings['seed']}: must be a whole number from 0 to 2^63 - 1")
    page(system)  # an unknown name must not wait for the data
    check_resolution(settings["resolution"], device)
    dataset = load(settings["data"], settings["resolution"], settings["length"], settings.get("condition"), settings.get("tokens"))
    torch.manual_seed(settings["seed"])  # weights start from torch's generator
    parts = {} if settings.get("teacher") is None else {"teacher": _teacher(system, settings)}
    model = compose(system, dataset.representation, len(dataset.classes), settings["size"], settings["set"], **parts)
    check_reader(system, model, dataset)
    if settings["set"]:
        _rehearse(model, dataset, settings["set"])
    return model, dataset


def _teacher(system: str, settings: Mapping[str, Any]) -> Any:
    """The model of the run that a student is distilled from."""
    import inspect

    from morphogen.catalogue import page
    from morphogen.cli.arguments import BadArgument
    from morphogen.run import Run

    given = f"--teacher {settings['teacher']}"
    if "teacher" not in inspect.signature(page(system).compose).parameters:
        raise BadArgument(f"{given}: {system} learns from data alone; take progressive_distillation or consistency_model")
    if settings["set"]:
        raise BadArgument(f"{given}: --set would build the teacher anew, without what it has learned; give one of the two")
    return Run.open(settings["teacher"]).model()


def _rehearse(model: Any, dataset: "Dataset", changes: dict[str, Any]) -> None:
    """Numbers that a person changed may make a model that does not fit its data: two rows tell, before there is a run."""
    from morphogen.cli.arguments import BadArgument
    from morphogen.numerics.randomness import Rng
    from morphogen.training.optimizers import players_of

    rows = dataset.train.first(2)
    try:
        for stage in list(model.models.values()) if hasattr(model, "models") else [model]:
            for player in players_of(stage):
                stage(rows, Rng(0, len(rows)), player)
    except Exception as error:  # without the changes it trains: they are at fault, whatever was raised
        asked = ", ".join(f"{path}={value}" for path, value in changes.items())
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadArgument(f"--set {asked}: that does not train ({why}); give other numbers") from error


def _go(run: "Run", model: Any, dataset: "Dataset", **options: Any) -> None:
    """Train and tell how it goes; whatever ends it, the last line says how to go on."""
    import typer

    from morphogen.cli.errors import remedy
    from morphogen.run import RunError, train_run
    from morphogen.training.progress import Progress

    for line in (str(run.directory), *dataset.notes, repr(model)):
        typer.echo(line)
    go_on = f"go on: morphogen train --resume {run.directory}"
    try:
        trained = train_run(run, model, dataset.train, progress=Progress(), **options)
    except KeyboardInterrupt:
        typer.echo(f"morphogen: stopped; {go_on}", err=True)
        raise typer.Exit(130) from None
    except OSError as error:
        if (why := remedy(error)) is None:
            raise
        raise RunError(f"{why}; then {go_on}") from error
    if not trained.finished:
        typer.echo(f"morphogen: stopped by SIGTERM after {trained.steps} steps; {go_on}", err=True)
        raise typer.Exit(143)
    typer.echo(f"{trained.steps} steps in {trained.seconds:.0f} s; now: morphogen sample {run.directory}")
