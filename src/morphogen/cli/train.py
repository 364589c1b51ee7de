"""`morphogen train SYSTEM --data DATA`: train one model into a run directory."""

__all__ = ["train"]

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer import Argument, Option

from morphogen.cli.arguments import budget, changes, choose, choose_device, choose_precision, table_options
from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import complain, echo
from morphogen.cli.options import (
    Device,
    Force,
    Length,
    OptionalSeed,
    OptionalSize,
    Resolution,
    TableOption,
    Tokenizer,
)
from morphogen.cli.personal import (
    PERSONAL,
    SMALL_FILE_OPTIONS,
    ClassCaption,
    ClassExamples,
    LoRARank,
    NewToken,
    PriorWeight,
    option_of,
    write_small_file,
)  # fmt: skip
from morphogen.cli.preparation import Preparation, fine_tuning, new_training, resumed_training
from morphogen.counted import counted

if TYPE_CHECKING:
    from morphogen.data import Dataset
    from morphogen.run import Run
    from morphogen.training.outcome import Trained

SystemName = Annotated[str | None, Argument(help="name of a system; `morphogen systems` lists them")]
DataName = Annotated[
    str | None,
    Option(help="data set name, or path: a folder of pictures, texts or sounds, a text file, a table"),
]
Condition = Annotated[
    str | None,
    Option(
        help="column of a table that holds the classes; folders or none: the classes of folders, or without "
        "them; sketch: condition pictures on their own edges (default: the classes of the data)"
    ),
]
Source = Annotated[
    str | None,
    Option(help="pictures of another kind, as --data, which the model translates into these; no pairs"),
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
Resume = Annotated[
    Path | None,
    Option(help="run directory of a training to continue; a larger --steps or --time, in total, extends it"),
]
From = Annotated[
    Path | None, Option("--from", help="run directory whose model is trained further on --data, in a new run")
]
RunsFolder = Annotated[Path, Option(help="folder in which run directories are created")]
Precision = Annotated[str, Option(help="fp32, bf16, or auto: bf16 where the hardware supports it, else fp32")]
WhenCollapsed = Annotated[
    str, Option(help="what to do if the samples of the model hardly vary any more: stop or continue")
]
TensorBoard = Annotated[
    bool, Option(help="write the metrics for TensorBoard too (needs the extra tensorboard)")
]


def train(
    system: SystemName = None, data: DataName = None, condition: Condition = None, time: Time = None,
    steps: Steps = None, size: OptionalSize = None, set: Changes = None, resolution: Resolution = None,
    length: Length = None, tokenizer: Tokenizer = None, teacher: Teacher = None, resume: Resume = None,
    from_: From = None, runs: RunsFolder = Path("runs"), seed: OptionalSeed = None, device: Device = "auto",
    precision: Precision = "auto", force: Force = False, tensorboard: TensorBoard = False,
    on_collapse: WhenCollapsed = "continue", table: TableOption = None, source: Source = None,
    lora_rank: LoRARank = None, new_token: NewToken = None, class_caption: ClassCaption = None,
    class_examples: ClassExamples = None, prior_weight: PriorWeight = None,
) -> None:  # fmt: skip
    """Train one system on your data.

    The run directory holds the model, its metrics and its checkpoints.
    """
    from morphogen.rank import Rank
    from morphogen.run import Run
    from morphogen.run_data import create_run
    from morphogen.training.collapse import OnCollapse
    from morphogen.training.journal import check_tensorboard

    rank, target = Rank.initialize(device), choose_device(device)
    options = {"device": target, "precision": choose_precision(precision)}
    options |= {"tensorboard": tensorboard, "on_collapse": choose("--on-collapse", on_collapse, OnCollapse)}
    if tensorboard:
        check_tensorboard()
    given: dict[str, Any] = {"system": system, "data": data, "source": source, "condition": condition}
    given |= {"steps": steps, "time": time, "set": set, "seed": seed, "table": table_options(table)}
    given |= {"size": size, "resolution": resolution, "length": length, "tokenizer": tokenizer}
    given |= {"teacher": teacher and str(teacher), "from": from_ and str(from_)}
    given |= {"lora_rank": lora_rank, "new_token": new_token, "class_caption": class_caption}
    given |= {"class_examples": class_examples, "prior_weight": prior_weight}
    prepared = _prepare(given, resume, target, force)
    run = prepared.run
    if run is None:
        new = (runs, prepared.system, prepared.dataset, prepared.settings)
        run = Run.open(rank.once(lambda: str(create_run(*new).directory)))
    _run(run, prepared, **options)


def _prepare(given: Mapping[str, Any], resume: Path | None, device: str, force: bool) -> Preparation:
    """The model, data and settings that the options name."""
    duration = budget(given["time"], given["steps"], "5m")
    is_longer = given["time"] is not None or given["steps"] is not None
    settings = {**given, **duration, "seed": given["seed"] or 0, "set": changes(given["set"] or [])}
    system = settings.pop("system")
    if resume is not None:
        _refuse_others(given, f"--resume {resume}", ("steps", "time"))
        return resumed_training(resume, duration if is_longer else None)
    if given["from"] is not None:
        option = f"--from {given['from']}"
        _refuse_others(given, option, ("from", "data", "steps", "time", "set", "seed", *PERSONAL))
        if given["data"] is None:
            raise BadArgument(f"{option} needs the data to train on: add --data DATA")
        return fine_tuning(settings)
    if personal := [option_of(name) for name in PERSONAL if given[name] is not None]:
        raise BadArgument(f"{personal[0]} personalises a trained model: add --from RUN")
    if system is None or given["data"] is None:
        raise BadArgument(_missing(settings, system))
    prepared = new_training(system, settings | {"size": given["size"] or "small"}, device, force)
    if force:
        echo(_estimate(prepared, device))
        return prepared.rebuilt()
    return prepared


def _missing(settings: Mapping[str, Any], system: str | None) -> str:
    """What to write for a training without a system or without data: the systems of these data."""
    from morphogen.catalogue import fitting, page
    from morphogen.data import load_data
    from morphogen.run_data import DATA_SETTINGS

    if system is not None:
        return f"train needs data: morphogen train {page(system).name} --data DATA"
    if settings["data"] is None:
        return "train needs a system and data: morphogen train ddpm --data digits"
    data = load_data(settings["data"], **{name: settings.get(name) for name in DATA_SETTINGS[1:]})
    names = fitting(data.medium, data.conditions)
    usual = [name for name in data.representation.medium.representatives if name in names] or names
    return (
        f"train needs a system for {settings['data']} ({data.medium}): one of {', '.join(names)}; "
        f"morphogen train {usual[0]} --data {quote(settings['data'])}"
    )


def _refuse_others(given: Mapping[str, Any], option: str, allowed: Sequence[str]) -> None:
    """Errors: BadArgument if an option is given that is not allowed with this one."""
    if names := [name for name, value in given.items() if value is not None and name not in allowed]:
        name = names[0] if names[0] == "system" else option_of(names[0])
        others = [option_of(other) for other in allowed if f"--{other} " not in option]
        raise BadArgument(
            f"{option}: the other settings are those of the run: leave out {name}; "
            f"only {', '.join(others)}, "
            "--device and --precision may be given with it"
        )


def _estimate(prepared: Preparation, device: str) -> str:
    """How long the training takes on this machine; the steps that are timed change the model."""
    from morphogen.advise.trial import seconds_per_step

    step, settings = seconds_per_step(prepared.model, prepared.dataset, device), prepared.settings
    if settings["time"] is None:
        return f"{step:.2g} s per step here: about {step * settings['steps']:,.0f} s in total"
    return f"{step:.2g} s per step here: about {settings['time'] / step:,.0f} steps in {settings['time']:g} s"


def _run(run: "Run", prepared: Preparation, **options: Any) -> None:
    """Train and print the outcome; if the training is interrupted, print how to continue it."""
    from morphogen.cli.errors import remedy
    from morphogen.run import RunError, train_run
    from morphogen.training.progress import Progress

    dataset, model = prepared.dataset, prepared.model
    what = _outlined(prepared.system, model)
    facts = (str(run.directory), prepared.start, f"{dataset.name}: {dataset.split}", *dataset.notes, what)
    for line in filter(None, facts):
        echo(line)
    resume = f"continue: morphogen train --resume {quote(str(run.directory))}"
    options |= {"progress": Progress(), "warm_start": prepared.is_warm_start}
    try:
        trained = train_run(run, model, prepared.rows, **options)
    except KeyboardInterrupt:
        complain(f"stopped; {resume}")
        raise typer.Exit(130) from None
    except OSError as error:
        if (why := remedy(error)) is None:
            raise
        raise RunError(f"{why}; then {resume}") from error
    if trained.diverged:
        raise RunError(run.unusable())
    if not trained.finished:
        complain(f"stopped by SIGTERM after {counted(trained.steps, 'step')}; {resume}")
        raise typer.Exit(143)
    _announce(run, prepared, trained)


def _outlined(system: str, model: Any) -> str:
    """The system, its number of parameters and the classes of its parts; the rest is in config.json."""
    from morphogen.model import parameters

    stages = getattr(model, "models", {"": model}).items()
    parts = "; ".join(f"{name}{name and ': '}{', '.join(_outlines(stage, 2))}" for name, stage in stages)
    return f"{system}: {counted(parameters(model), 'parameter')}; {parts}"


def _outlines(part: Any, depth: int) -> list[str]:
    """The classes of the parts of a part, and in brackets those of their own parts, down to a depth."""
    arguments = getattr(part, "arguments", {}).values()
    names = {type(one).__name__: _outlines(one, depth - 1) for one in arguments if hasattr(one, "arguments")}
    return (
        [f"{name}({', '.join(inner)})" if inner else name for name, inner in names.items()] if depth else []
    )


def _announce(run: "Run", prepared: Preparation, trained: "Trained") -> None:
    """Print what was trained, and whether it was enough to judge the model by its samples."""
    if trained.skipped:
        echo(f"{trained.skipped_steps}, and were skipped")
    place = quote(str(run.directory))
    echo(f"{counted(trained.steps, 'step')} in {trained.seconds:.0f} s; {_next(prepared.model, place)}")
    if (file := write_small_file(prepared.model, run.directory)) is not None:
        echo(f"what was trained is in {file}, for sample --{SMALL_FILE_OPTIONS[file.name]}")
    if trained.collapsed:
        echo(trained.collapsed)
    if early := _stopped_early(run, prepared.model, trained):
        echo(early)
    longer = f"morphogen train --resume {place} --time"
    passes = _passes(prepared.model, prepared.dataset, trained.steps)
    if run.undertrained is not None:
        remedy = (
            f". Train it longer: {longer} {max(5, math.ceil(trained.seconds / 10))}m" if passes >= 1 else ""
        )
        echo(f"{run.undertrained}; its samples do not show what it can do{remedy}")
    if passes < 1:
        minutes = max(5, math.ceil(2 * trained.seconds / passes / 60))
        overlap = prepared.dataset.train.overlap
        part = f"{passes:.0%} of the training examples, each once"
        seen = f"windows that cover at most {passes:.0%} of the training data" if overlap > 1 else part
        echo(f"the model has seen {seen}; if its samples are poor, train it longer: {longer} {minutes}m")


def _next(model: Any, place: str) -> str:
    """What to do with a trained model."""
    from morphogen.contract import Unsupported
    from morphogen.model import generative

    try:
        generative(getattr(model, "last", model).objective)
    except Unsupported as error:
        return str(error)
    return f"draw samples: morphogen sample {place}"


def _stopped_early(run: "Run", model: Any, trained: "Trained") -> str:
    """Why the training ended before its budget; "": it did not."""
    rounds, settings = getattr(getattr(model, "plan", None), "rounds", None), run.record["settings"]
    steps, time = settings.get("steps"), settings.get("time")
    is_early = trained.steps < steps if steps is not None else trained.seconds < (time or 0)
    if rounds is None or not is_early:
        return ""
    budget = f"--steps {steps}" if steps is not None else f"--time {time:g}s"
    return (
        f"training ended before {budget} because its plan has {rounds} rounds; "
        f"--set plan.rounds={2 * rounds} trains a new run longer"
    )


def _passes(model: Any, dataset: "Dataset", steps: int) -> float:
    """Passes over the training examples; infinite for several stages, and where a step is a pass."""
    batch = model.plan.batch if hasattr(model, "plan") else 0
    return steps * batch * dataset.train.overlap / len(dataset.train) if batch else math.inf
