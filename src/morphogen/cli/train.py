"""`morphogen train SYSTEM --data DATA`: train one model into a run directory."""

__all__ = ["train"]

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from morphogen.cli.arguments import budget, changes, choose_device, choose_precision, table_options
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import complain, echo
from morphogen.cli.options import Device, Length, Resolution, Seed, Size, TableOption, Tokenizer

if TYPE_CHECKING:
    from morphogen.data import Dataset
    from morphogen.run import Run

SystemName = Annotated[str | None, Argument(help="name of a system; `morphogen systems` lists them")]
DataName = Annotated[
    str | None,
    Option(help="data set name, or path: a folder of pictures, texts or sounds, a text file, a table"),
]
Condition = Annotated[
    str | None,
    Option(
        help="column of a table that holds the classes; sketch: condition pictures on their own edges "
        "(default: the classes of the data)"
    ),
]
Time = Annotated[str | None, Option(help="training time: 30s, 10m, 1h (default: 5m)")]
Steps = Annotated[int | None, Option(help="number of training steps, instead of --time")]
Changes = Annotated[
    list[str] | None,
    Option(help="change a value of the config: --set network.channels=64; may be given several times"),
]
Teacher = Annotated[
    Path | None, Option(help="distillation: run directory of the teacher (default: train one)")
]
Resume = Annotated[Path | None, Option(help="run directory of a training to continue")]
RunsFolder = Annotated[Path, Option(help="folder in which run directories are created")]
Precision = Annotated[str, Option(help="fp32, bf16, or auto: bf16 where the hardware supports it, else fp32")]
TensorBoard = Annotated[
    bool, Option(help="write the metrics for TensorBoard too (needs the extra tensorboard)")
]


def train(
    system: SystemName = None, data: DataName = None, condition: Condition = None, time: Time = None,
    steps: Steps = None, size: Size = "small", set: Changes = None, resolution: Resolution = None,
    length: Length = None, tokenizer: Tokenizer = None, teacher: Teacher = None, resume: Resume = None,
    runs: RunsFolder = Path("runs"), seed: Seed = 0, device: Device = "auto", precision: Precision = "auto",
    tensorboard: TensorBoard = False, table: TableOption = None,
) -> None:  # fmt: skip
    """Train one system on your data.

    The run directory holds the model, its metrics and its checkpoints.
    """
    from morphogen.rank import Rank
    from morphogen.run import Run
    from morphogen.training.journal import check_tensorboard

    rank, run, target = Rank.initialize(device), None, choose_device(device)
    precision = choose_precision(precision)
    if tensorboard:
        check_tensorboard()
    settings: dict[str, Any] = {"resolution": resolution, "length": length, "condition": condition}
    settings |= {"table": table_options(table), "tokenizer": tokenizer, "teacher": teacher and str(teacher)}
    if resume is not None:
        if any(value is not None for value in (system, data, time, steps, set, *settings.values())):
            raise BadArgument(
                f"--resume {resume}: the other settings are those of the run; "
                "only --device and --precision may be given with it"
            )
        run = Run.open(resume)
        system, settings = _saved_settings(run)
    elif system is None or data is None:
        raise BadArgument("train needs a system and data: morphogen train ddpm --data digits")
    else:
        duration = budget(time, steps, "5m")
        chosen = {"data": data, "size": size, "seed": seed} | duration | {"set": changes(set or [])}
        settings = chosen | settings
    model, dataset = _build(system, settings, target)
    settings |= {"conditions": dataset.conditions_config, "split": dataset.split}
    if run is None:
        run = Run.open(rank.once(lambda: str(Run.create(runs, system, dataset.name, settings).directory)))
    _run(run, model, dataset, device=target, precision=precision, tensorboard=tensorboard)


def _saved_settings(run: "Run") -> tuple[str, dict[str, Any]]:
    """The system and the settings of a run."""
    from morphogen.run import RunError

    settings = {
        "size": "small",
        "seed": 0,
        "steps": None,
        "time": None,
        "set": {},
        "resolution": None,
        "length": None,
    }
    settings |= run.record["settings"]
    if not settings.get("data"):
        raise RunError(
            f"{run.directory}: its settings name no data (it was trained from Python); "
            "continue from Python: train_run(run, ...)"
        )
    return run.record["system"], settings


def _build(system: str, settings: Mapping[str, Any], device: str) -> tuple[Any, "Dataset"]:
    """The untrained model and its data."""
    import torch

    from morphogen.catalogue import build_system, page
    from morphogen.data import check_resolution, load_data

    if not 0 <= settings["seed"] < 2**63:
        raise BadArgument(f"--seed {settings['seed']}: must be a whole number from 0 to 2^63 - 1")
    page(system)  # refuse an unknown name before the data are read
    check_resolution(settings["resolution"], device)
    dataset = load_data(
        settings["data"],
        settings["resolution"],
        settings["length"],
        settings.get("condition"),
        settings.get("tokenizer"),
        settings.get("table"),
    )
    torch.manual_seed(settings["seed"])  # weights are initialized from torch's generator
    parts = {} if settings.get("teacher") is None else {"teacher": _teacher(system, settings)}
    model = build_system(
        system, dataset.representation, dataset.conditions, settings["size"], settings["set"], **parts
    )
    if settings["set"]:
        _check_changes(model, dataset, settings["set"])
    return model, dataset


def _teacher(system: str, settings: Mapping[str, Any]) -> Any:
    """The trained model of the teacher's run."""
    import inspect

    from morphogen.catalogue import page
    from morphogen.run import Run

    option = f"--teacher {settings['teacher']}"
    if "teacher" not in inspect.signature(page(system).build).parameters:
        raise BadArgument(
            f"{option}: {system} does not use a teacher; use progressive_distillation or consistency_model"
        )
    if settings["set"]:
        raise BadArgument(
            f"{option}: --set would rebuild the teacher without its weights; give one of the two"
        )
    return Run.open(settings["teacher"]).model()


def _check_changes(model: Any, dataset: "Dataset", changes: dict[str, Any]) -> None:
    """Compute the losses of two rows, so that a config changed by --set fails before a run is created."""
    from morphogen.numerics.randomness import Rng
    from morphogen.training.optimizers import players_of

    rows = dataset.train.first(2)
    try:
        for stage in list(model.models.values()) if hasattr(model, "models") else [model]:
            for player in players_of(stage):
                stage(rows, Rng(0, len(rows)), player)
    except Exception as error:  # any error: without the changes the system trains
        assignments = ", ".join(f"{path}={value}" for path, value in changes.items())
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadArgument(
            f"--set {assignments}: the model cannot be trained ({why}); give other values"
        ) from error


def _run(run: "Run", model: Any, dataset: "Dataset", **options: Any) -> None:
    """Train and print the outcome; if the training is interrupted, print how to continue it."""
    from morphogen.cli.errors import remedy
    from morphogen.run import RunError, train_run
    from morphogen.training.progress import Progress

    for line in (str(run.directory), *dataset.notes, repr(model)):
        echo(line)
    resume = f"continue: morphogen train --resume {run.directory}"
    try:
        trained = train_run(run, model, dataset.train, progress=Progress(), **options)
    except KeyboardInterrupt:
        complain(f"stopped; {resume}")
        raise typer.Exit(130) from None
    except OSError as error:
        if (why := remedy(error)) is None:
            raise
        raise RunError(f"{why}; then {resume}") from error
    if not trained.finished:
        complain(f"stopped by SIGTERM after {trained.steps} steps; {resume}")
        raise typer.Exit(143)
    echo(f"{trained.steps} steps in {trained.seconds:.0f} s; draw samples: morphogen sample {run.directory}")
