"""Advice before training: describe the data, time every system that fits, recommend one, write its program.

look.py       size of the data, possible conditions, warnings     trial.py     build and time one system
rule.py       which system is recommended for which goal          recipe.py    the program that trains it
"""

__all__ = ["Advice", "Trial", "advise"]

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from morphogen.advise.dataset_summary import Size, Summary, summarise
from morphogen.advise.recipe import DataSource, write
from morphogen.advise.recommendation import Goal, recommend
from morphogen.advise.trial import Trial, forecast, try_system
from morphogen.catalogue import Misfit, Page, pages
from morphogen.component import ConfigError
from morphogen.data import Dataset, check_resolution, load_data
from morphogen.report.machine import machine
from morphogen.training.interrupt import at_once

OnTrial = Callable[[str, int, int], None]
OnData = Callable[[Summary], None]
OnForecast = Callable[[int, float], None]


@dataclass(frozen=True)
class Advice:
    """Description of a data set and the systems that fit it, with a recommendation.

    Arguments:
        data: the name or path that was given.
        options: the options of `load_data` that were given.
        medium: its name, such as "pictures".
        size: size of the data set.
        conditions: what samples can be conditioned on, one line each.
        notes: what was done to the data, then warnings.
        machine: the machine that the times were measured on.
        trials: the systems that fit, in the order of the catalogue.
        misfits: the systems that do not, each with the reason.
        untried: the other systems of the medium, where the trials were stopped.
        goal: the goal that the recommendation is for.
        recommended: name of the recommended system.
        reason: reason for the recommendation, in one line.
        recipe: a program that trains, evaluates and samples the recommended system.
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
    untried: tuple[str, ...]
    goal: Goal
    recommended: str
    reason: str
    recipe: str


def advise(
    data: str, condition: str | None = None, resolution: int | None = None, length: int | None = None,
    goal: Goal = "quality", device: str = "cpu", seconds: float = 1.0, force: bool = False,
    on_trial: OnTrial = lambda *trial: None, table: Mapping[str, str] | None = None,
    on_data: OnData = lambda summary: None, on_forecast: OnForecast = lambda systems, seconds: None,
) -> Advice:  # fmt: skip
    """Time every system that fits a data set and recommend one.

    Arguments:
        data: a name or a path, as for `load_data`.
        condition: the column of a table with the classes, "folders" or "sketch"; None: the data's own.
        resolution, length, table: see `load_data`.
        goal, device: "quality" of samples, "likelihood", or "speed" of sampling; to train on.
        seconds: training time per system, used to time it.
        force: time the systems also on pictures that are too large for a CPU.
        on_trial: called with the name of each system before its trial, its number, and that of all.
        on_data: called with the summary of the data before the first trial.
        on_forecast: called after it with the number of systems and the seconds that their trials will take.

    Ctrl-C and SIGTERM stop the trials; the advice is then from those that are done.

    Errors: DataError; ConfigError if no system fits; KeyboardInterrupt if none was timed.
    """
    check_resolution(resolution, "any" if force else device)
    given = {"resolution": resolution, "length": length, "condition": condition, "table": table}
    options: dict[str, Any] = {name: value for name, value in given.items() if value is not None}
    dataset = load_data(data, **options)
    on_data(summary := summarise(dataset, device))
    tried = [page for page in pages().values() if page.medium == dataset.medium]
    on_forecast(len(tried), forecast(len(tried), seconds))
    trials, misfits = _try_all(tried, dataset, device, seconds, on_trial)
    name, reason = recommend(dataset, [trial.name for trial in trials], goal)
    chosen = next(trial for trial in trials if trial.name == name)
    done = {trial.name for trial in trials} | misfits.keys()
    untried = tuple(page.name for page in tried if page.name not in done)
    return Advice(
        data, options, *summary, machine(device), tuple(trials), misfits, untried, goal, name, reason,
        recipe=write(DataSource(data, options), dataset, chosen),
    )  # fmt: skip


def _try_all(
    tried: Sequence[Page], dataset: Dataset, device: str, seconds: float, on_trial: OnTrial
) -> tuple[list[Trial], dict[str, str]]:
    """Trials of the systems that fit, and the reasons of those that don't, until Ctrl-C or SIGTERM.

    Errors: ConfigError if none fits; KeyboardInterrupt before one does.
    """
    trials: list[Trial] = []
    misfits: dict[str, str] = {}
    try:
        with at_once():
            for number, page in enumerate(tried, 1):
                on_trial(page.name, number, len(tried))
                try:
                    trials.append(try_system(page, dataset, device, seconds))
                except Misfit as error:
                    misfits[page.name] = error.reason
                except Exception as error:  # the shape, or whatever a page of another package does
                    misfits[page.name] = " ".join(str(error).split()) or type(error).__name__
    except KeyboardInterrupt:
        if not trials:
            raise
    if not trials:
        reasons = "; ".join(f"{name}: {reason}" for name, reason in misfits.items())
        raise ConfigError(f"{dataset.name}: no system fits ({reasons})")
    return trials, misfits
