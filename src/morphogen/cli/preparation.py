"""What `morphogen train` trains: a new model, that of a run to be continued, or of a run to be fine-tuned."""

__all__ = ["Preparation", "fine_tuning", "new_training", "resumed_training"]

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from morphogen.cli.bad_argument import BadArgument
from morphogen.cli.echo import echo
from morphogen.cli.personal import personalised, rows_with_prior
from morphogen.counted import counted

if TYPE_CHECKING:
    from morphogen.data import Dataset
    from morphogen.run import Run

DEFAULTS = {"size": "small", "seed": 0, "steps": None, "time": None, "set": {}}  # of settings


@dataclass
class Preparation:
    """A model, its data and the settings of its training.

    Arguments:
        system: its name.
        model: to be trained.
        dataset: its data.
        settings: of the run.
        run: that is continued; None: a new one.
        start: what a fine-tuning takes over from another run, in words; "": nothing.
        rows: to train on; None: the train part of the data.
    """

    system: str
    model: Any
    dataset: "Dataset"
    settings: dict[str, Any] = field(default_factory=dict)
    run: "Run | None" = None
    start: str = ""
    rows: Any = None

    def __post_init__(self) -> None:
        self.rows = self.dataset.train if self.rows is None else self.rows

    @property
    def is_warm_start(self) -> bool:
        """Whether the model was trained already, in another run."""
        return self.settings.get("from") is not None

    def rebuilt(self) -> "Preparation":
        """The same with a model that was not trained yet."""
        return replace(self, model=_build(self.system, self.dataset, self.settings))


def new_training(system: str, settings: dict[str, Any], device: str, force: bool = False) -> Preparation:
    """A model to be trained from random weights; `force`: also where that is too slow."""
    from morphogen.catalogue import page
    from morphogen.data import check_resolution, load_data
    from morphogen.run_data import DATA_SETTINGS

    _check_seed(settings["seed"])
    page(system)  # refuse an unknown name before the data are read
    check_resolution(settings["resolution"], "any" if force else device)
    dataset = load_data(settings["data"], **{name: settings.get(name) for name in DATA_SETTINGS[1:]})
    _check_medium(system, dataset, settings["data"])
    model = _build(system, dataset, settings)
    if settings["set"]:
        _check_changes(model, dataset, settings["set"])
    return Preparation(system, model, dataset, settings)


def resumed_training(directory: Path, duration: Mapping[str, Any] | None) -> Preparation:
    """A run to be continued.

    Arguments:
        directory: of the run.
        duration: the new budget, {"steps": ..., "time": ...}, in total; None: that of the run.
    """
    from morphogen.run import Run, RunError, extend
    from morphogen.run_data import locate, read_data

    run = Run.open(directory)
    settings = DEFAULTS | run.record["settings"]
    if not settings.get("data"):
        raise RunError(
            f"{directory}: its settings name no data (it was trained from Python); "
            "continue from Python: train_run(run, ...)"
        )
    system = run.record["system"]
    if duration is not None:
        _check_longer(run, duration)
    origin = None if settings.get("from") is None else Run.open(locate(settings, "from", directory)).model()
    dataset = read_data(settings, directory, getattr(origin, "representation", None))
    rows = None
    if origin is not None:
        model = _changed(system, personalised(origin, settings), settings["set"])
        rows = rows_with_prior(origin, dataset.train, settings)
    else:
        teacher = settings.get("teacher") and locate(settings, "teacher", directory)
        model = _build(system, dataset, settings | {"teacher": teacher})
    if duration is not None:
        extend(run, model, **duration)
    return Preparation(system, model, dataset, settings, run, rows=rows)


def fine_tuning(settings: dict[str, Any]) -> Preparation:
    """The model of the run settings["from"], with its weights and representation, to be trained on data."""
    from morphogen.data import load_data
    from morphogen.data.relabelled import with_classes_of
    from morphogen.run import Run
    from morphogen.run_data import DATA_SETTINGS

    _check_seed(settings["seed"])
    run = Run.open(settings["from"])
    model, system, former = run.model(), run.record["system"], run.record["settings"]
    representation = model.representation
    own = {name: former.get(name) for name in ("size", "condition", "tokenizer", "table", "source")}
    own |= {"length": getattr(representation, "length", None)}
    shape = representation.medium_shape
    own |= {"resolution": shape[-1] if len(shape) == 3 else None}
    settings = settings | own
    arguments = settings | ({"tokenizer": representation} if hasattr(representation, "tokenize") else {})
    dataset = load_data(arguments["data"], **{name: arguments.get(name) for name in DATA_SETTINGS[1:]})
    dataset = with_classes_of(dataset, run.conditions)
    _check_fits(model, dataset, settings["from"])
    taken = ", ".join(f"{name} {value}" for name, value in own.items() if isinstance(value, str | int))
    start = f"from {run.where}: its weights after {counted(run.record['steps'], 'step')}; {taken}"
    trained = _changed(system, personalised(model, settings), settings["set"])
    rows = rows_with_prior(model, dataset.train, settings)
    return Preparation(system, trained, dataset, settings, start=start, rows=rows)


def _check_medium(system: str, dataset: "Dataset", data: str) -> None:
    """Errors: BadArgument if the data, read as the medium of the system, would fit."""
    from morphogen.catalogue import page
    from morphogen.data.prefix import prefixed
    from morphogen.media import media

    wanted = media()[page(system).medium]
    if dataset.representation.medium is not wanted and (name := prefixed(data, wanted)) is not None:
        raise BadArgument(
            f"{system} models {wanted}, but {data} is read as {dataset.medium}; to read its {wanted}: "
            f"--data {quote(name)}"
        )


def _check_seed(seed: int) -> None:
    if not 0 <= seed < 2**63:
        raise BadArgument(f"--seed {seed}: must be a whole number from 0 to 2^63 - 1")


def _check_longer(run: "Run", duration: Mapping[str, Any]) -> None:
    """Errors: BadArgument if the budget, which is a total, is spent already."""
    for name, unit, done in (("steps", "", "steps"), ("time", " s", "seconds")):
        budget, spent = duration[name], run.record.get(done)
        if budget is not None and spent is not None and budget <= spent:
            raise BadArgument(
                f"--{name} {budget:g}: {run.directory} has trained for {spent:g} {done}; "
                f"--{name} is the total: give more than {spent:g}{unit}"
            )


def _build(system: str, dataset: "Dataset", settings: Mapping[str, Any]) -> Any:
    """The untrained model."""
    import torch

    from morphogen.catalogue import Misfit, build_system, page
    from morphogen.data.language_models import language_model

    torch.manual_seed(settings["seed"])  # weights are initialized from torch's generator
    parts = {} if settings["teacher"] is None else {"teacher": _teacher(system, settings)}
    if "language_model" in inspect.signature(page(system).build).parameters and settings["size"] == "small":
        parts["language_model"] = language_model()
    given = dataset.representation, dataset.conditions, settings["size"], settings["set"]
    try:
        return build_system(system, *given, **parts)
    except Misfit:
        for note in dataset.notes:  # which may say why the data lack a condition
            echo(note)
        raise


def _teacher(system: str, settings: Mapping[str, Any]) -> Any:
    """The trained model of the teacher's run."""
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


def _check_fits(model: Any, dataset: "Dataset", directory: str) -> None:
    """Errors: BadArgument if the examples are not of the kind that the model was trained on."""
    from morphogen.component import ConfigError

    medium = model.representation.medium
    try:
        if medium.name != dataset.medium:
            raise ConfigError(f"it models {medium}, the data are {dataset.medium}")
        medium.check_same_values(model.representation.source, dataset.representation.source)
    except ConfigError as error:
        raise BadArgument(
            f"--from {directory} on {dataset.name}: {error}; give data of the same kind"
        ) from None


def _changed(system: str, model: Any, changes: dict[str, Any]) -> Any:
    """A trained model with another plan. Errors: BadArgument if its weights do not fit the changes."""
    from morphogen.catalogue import change
    from morphogen.component import ConfigError
    from morphogen.model import copy_tensors, tensors

    if not changes:
        return model
    changed = change(system, model, changes)
    try:
        copy_tensors(tensors(changed), tensors(model))
    except ConfigError:
        listed = " ".join(f"--set {path}={value}" for path, value in changes.items())
        raise BadArgument(
            f"{listed}: the weights of the run do not fit this; change the plan alone"
        ) from None
    return changed


def _check_changes(model: Any, dataset: "Dataset", changes: dict[str, Any]) -> None:
    """Compute the losses of two rows, so that a config changed by --set fails before a run is created."""
    from morphogen.training.trial import try_losses

    try:
        try_losses(model, dataset.train)
    except Exception as error:  # any error: without the changes the system trains
        assignments = ", ".join(f"{path}={value}" for path, value in changes.items())
        why = (str(error).splitlines() or [type(error).__name__])[0]
        raise BadArgument(
            f"--set {assignments}: the model cannot be trained ({why}); give other values"
        ) from error
