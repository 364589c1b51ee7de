"""A system, tried: composed for the data, trained for a second on this machine, asked what it is.

Times are those of steps after the first, which also warms up the machine. A system whose step is a pass over all rows is timed on
some of them and its time is scaled. Windows of text begin at every byte: an epoch is as many of them as cover the text once.
"""

__all__ = ["Trial", "tried"]

import math
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch import Tensor

from morphogen.catalogue import Page, compose, family
from morphogen.conditioning.prefix import Prefix
from morphogen.contract import Batch, Causal, Unsupported
from morphogen.data import Dataset, Examples, Windows
from morphogen.model import parameters
from morphogen.training.loop import train
from morphogen.training.progress import Progress

ROWS, MOST_STEPS = 2048, 200  # that a trial may see, and take
STEPS, EPOCHS, ROUNDS = 2000, 20, 12  # a training is the longer of so many steps and epochs; of EM, so many rounds (of counting, one)
TIMES = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 36000, 86400)  # what a person would write
WORDS = {"exact": "exact", "lower_bound": "bound", "estimate": "estimate"}


@dataclass(frozen=True)
class Trial:
    """What is known of a system on these data.

    Arguments:
        name, family, summary: of the page.
        likelihood: exact, (lower) bound or estimate, "none" where there is none; with its measure where that is a density.
        steered: by what.
        sampling: what a sample costs, in passes of the network.
        parameters: how many.
        step_seconds: one step on this machine.
        epoch_seconds: one pass over the training part.
        time: seconds of training to begin with.
    """

    name: str
    family: str
    summary: str
    likelihood: str
    steered: str
    sampling: str
    parameters: int
    step_seconds: float
    epoch_seconds: float
    time: int


def tried(page: Page, dataset: Dataset, device: str = "cpu", seconds: float = 1.0) -> Trial:
    """Try a system at size small. Errors: ConfigError where the data do not fit it."""
    model = compose(page.name, dataset.representation, len(dataset.classes))
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    examples = _Some(dataset.train, ROWS)
    seen = _timed(model, examples, 2 * len(stages), device)
    more = min(int(seconds / sum(seen)), MOST_STEPS)  # a budget of time could be spent before the first step
    if more > 2:
        seen = _timed(model, examples, more * len(stages), device)
    costs = [_cost(step, stage, dataset, len(examples)) for step, stage in zip(seen, stages, strict=True)]
    steps, epochs, needed = zip(*costs, strict=True)
    wanted = len(stages) * max(needed)  # stages share the time evenly
    return Trial(
        page.name, family(model), page.summary, _likelihood(model, dataset), _steered(model), _sampling(model), parameters(model),
        sum(steps), sum(epochs), next((time for time in TIMES if time >= wanted), TIMES[-1]),
    )  # fmt: skip


def _timed(model: Any, examples: "_Some", steps: int, device: str) -> list[float]:
    """Seconds of a step in each stage, over so many steps of training."""
    watch = _Stopwatch()
    with torch.random.fork_rng(devices=[]):
        train(model, examples, steps=steps, device=device, progress=watch)  # type: ignore[arg-type]
    return watch.steps


def _cost(step: float, stage: Any, dataset: Dataset, seen: int) -> tuple[float, float, float]:
    """Seconds of a step, of an epoch and of a training of one stage, whose step took so long on `seen` rows."""
    count = len(dataset.train)
    if not stage.plan.batch:
        step *= count / seen
        return step, step, step * (1 if stage.representation.discrete else ROUNDS)
    distinct = count / dataset.train.length if isinstance(dataset.train, Windows) else count
    epoch = step * distinct / stage.plan.batch
    return step, epoch, max(STEPS * step, EPOCHS * epoch)


class _Some:
    """The first rows of a data set."""

    def __init__(self, examples: Examples, rows: int):
        self.examples, self.rows = examples, min(rows, len(examples))

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: Tensor) -> Batch:
        return self.examples[rows]


class _Stopwatch(Progress):
    """Seconds of a step in each stage of a training."""

    def __init__(self) -> None:
        self.stages: list[list[float]] = []

    def start(self, title: str) -> None:
        self.stages.append([])

    def update(self, spent: float, seconds: float, loss: float, rate: float) -> None:
        self.stages[-1].append(seconds)

    def stop(self) -> None: ...

    @property
    def steps(self) -> list[float]:
        """The median gap between steps; where no two came to anything, the time until the first."""
        return [max(median([b - a for a, b in pairwise(ends)] or ends or [math.nan]), 1e-6) for ends in self.stages]


def _likelihood(model: Any, dataset: Dataset) -> str:
    batch = dataset.valid.first(2).to(model.device)
    try:
        found = model.log_prob(batch.medium, batch.condition if model.conditioner is not None else None)
    except Unsupported:
        return "none"
    return WORDS[found.kind] + (", density" if found.measure == "density" else "")


def _steered(model: Any) -> str:
    if model.conditioner is None:
        return "no"
    if isinstance(model.conditioner, Prefix):
        return "prompt"
    guided = model.conditioner(torch.zeros(1, dtype=torch.int64, device=model.device)).null is not None
    return "class, guided" if guided else "class"


def _sampling(model: Any) -> str:
    network, sampler = getattr(model.objective, "network", None), model.objective.sampler()
    if isinstance(network, Causal):
        return f"{torch.Size(model.representation.shape).numel()} passes"
    if hasattr(sampler, "calls"):
        return f"{sampler.calls(model.objective)} passes"
    return "1 pass"
