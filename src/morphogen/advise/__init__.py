"""Which generative model fits my data? Read them, time every system that fits on this machine, name one, and write its recipe.

look.py       what the data are, what can condition, what to beware of      trial.py     each system, tried for a second
rule.py       which system for which goal                                   recipe.py    the program that trains it
"""

__all__ = ["Advice", "Trial", "advise"]

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from morphogen.advise.look import Size, conditions, measure, warnings
from morphogen.advise.recipe import Given, write
from morphogen.advise.rule import Goal, recommend
from morphogen.advise.trial import Trial, tried
from morphogen.catalogue import check_reader, compose, pages
from morphogen.component import ConfigError
from morphogen.data import DataError, Dataset, check_resolution, load
from morphogen.report.machine import machine

FOLDERS = "folders"  # as a condition: the sub-folders of pictures


@dataclass(frozen=True)
class Advice:
    """What there is to know before training.

    Arguments:
        data: as the person gave it.
        options: of `load_data`, as the person gave them.
        medium: "pictures", "text", "table" or "sound".
        size: how much there is of it.
        conditions: what samples can be asked for, a line each.
        notes: what was done to the data, and what to beware of.
        machine: that the times are of.
        trials: the systems that fit, in the catalogue's order.
        misfits: the others of the medium, each with the reason.
        goal: what is wanted of a model.
        recommended: the system for it.
        why: in a line.
        recipe: a program that trains it, draws from it and measures it.
    """

    data: str
    options: dict[str, Any]
    medium: str
    size: Size
    conditions: tuple[str, ...]
    notes: tuple[str, ...]
    machine: str
    trials: tuple[Trial, ...]
    misfits: dict[str, str]
    goal: Goal
    recommended: str
    why: str
    recipe: str


def advise(
    data: str, condition: str | None = None, resolution: int | None = None, length: int | None = None, goal: Goal = "quality",
    device: str = "cpu", seconds: float = 1.0, tell: Callable[[str], None] = lambda name: None,
) -> Advice:  # fmt: skip
    """Advice on the data of that name or path.

    Arguments:
        data: a name that `data.load` knows, or a path.
        condition: the column of a table whose values are the classes, or "folders"; None: whatever the data have by themselves.
        resolution, length: as of `data.load`.
        goal: quality of samples, likelihood, or speed of sampling.
        device: where training will run.
        seconds: of training each system, to time it.
        tell: called with the name of each system before it is tried.

    Errors: DataError; ConfigError where no system fits.
    """
    check_resolution(resolution, device)
    asked: dict[str, Any] = {"resolution": resolution, "length": length, "condition": None if condition == FOLDERS else condition}
    asked = {name: value for name, value in asked.items() if value is not None}
    dataset = load(data, **asked)
    if condition == FOLDERS and not (dataset.medium in ("pictures", "sound") and dataset.classes):
        raise DataError(f"condition {FOLDERS!r}: {data} has no sub-folders of pictures or sounds, one a class; leave it out")
    trials, misfits = _try_all(dataset, device, seconds, tell)
    if not trials:
        raise ConfigError(f"{data}: no system fits ({'; '.join(f'{name}: {why}' for name, why in misfits.items())})")
    name, why = recommend(dataset, [trial.name for trial in trials], goal)
    chosen = next(trial for trial in trials if trial.name == name)
    return Advice(
        data, asked, dataset.medium, measure(dataset), conditions(dataset), dataset.notes + warnings(dataset, device),
        machine(device), tuple(trials), misfits, goal, name, why, write(Given(data, asked), dataset, chosen),
    )  # fmt: skip


def _try_all(dataset: Dataset, device: str, seconds: float, tell: Callable[[str], None]) -> tuple[list[Trial], dict[str, str]]:
    trials: list[Trial] = []
    misfits: dict[str, str] = {}
    for page in pages().values():
        if page.medium == dataset.medium:
            tell(page.name)
            try:
                check_reader(page.name, compose(page.name, dataset.representation, len(dataset.classes), "tiny"), dataset)
                trials.append(tried(page, dataset, device, seconds))
            except ConfigError as error:  # a shape that the page cannot take
                misfits[page.name] = str(error)
    return trials, misfits
