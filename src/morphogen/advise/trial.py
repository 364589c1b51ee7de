"""A trial of one system: build it for the data, train it for about a second, extrapolate its training time.

The time per step excludes the first step, which also warms up the machine. If a step is a pass over all rows
(EM, counting), a subset is timed and the time is scaled. Training windows of text start at every byte, so an
epoch is the number of windows that cover the text once.

The suggested time is that of 2,000 steps or 20 epochs, whichever is longer, but of no more than 200 epochs:
the steps after which a network starts to memorise its data grow in proportion to the number of examples
(Bonnaire et al. 2025), so that few data bound the epochs, not the steps. On 117 digits, the likelihood of
others is highest after 30 to 110 epochs, and lower after 220 (vae, gated_pixelcnn).
"""

__all__ = ["Trial", "forecast", "seconds_per_step", "try_system"]

import math
import warnings
from dataclasses import dataclass
from itertools import pairwise
from statistics import median
from typing import Any

import torch
from torch import Tensor

from morphogen.catalogue import Page, build_system, family
from morphogen.contract import Batch, Causal, Unsupported
from morphogen.data import Dataset, Examples
from morphogen.model import generative, parameters
from morphogen.training.divergence import Diverged
from morphogen.training.loop import train
from morphogen.training.progress import Progress
from morphogen.training.undertrained import FEW

ROWS = 2048  # examples used by a trial
MOST_STEPS = 200  # steps taken by a trial
STEPS, EPOCHS = 2000, 20  # a training takes the longer of the two,
PATIENCE = 3600  # but no more seconds than this for the epochs,
MOST_EPOCHS = 200  # and no more epochs, if these are enough steps to judge a training by
AROUND = 2.0  # seconds of a trial besides its training: building, the first steps, a likelihood
ITERATIONS = 12  # of EM; counting takes one
TIMES = (10, 30, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 14400, 36000, 86400)  # suggested budgets, seconds
KINDS = {"exact": "exact", "lower_bound": "bound", "estimate": "estimate"}


@dataclass(frozen=True)
class Trial:
    """Facts about a system on a data set.

    Arguments:
        name, family, summary: from the system's page.
        likelihood: "exact", "bound" (a lower bound) or "estimate", with ", density" if it is a density;
            "none" if the model has no likelihood.
        condition: "class", "class, guided", "prompt", "source", "sketch" or "none".
        sampling: cost of one sample, in passes of the network.
        parameters: number of parameters.
        step_seconds: time per step on this machine.
        epoch_seconds: time per pass over the training split.
        time: suggested seconds of training.
    """

    name: str
    family: str
    summary: str
    likelihood: str
    condition: str
    sampling: str
    parameters: int
    step_seconds: float
    epoch_seconds: float
    time: int

    @property
    def epochs(self) -> float:
        """Passes over the training split in the suggested time."""
        return self.time / self.epoch_seconds


def try_system(page: Page, dataset: Dataset, device: str = "cpu", seconds: float = 1.0) -> Trial:
    """Build and time a system at size small.

    Errors: ConfigError if it does not fit the data; Unsupported if it does not generate.
    """
    smallest, model = (
        build_system(page.name, dataset.representation, dataset.conditions, size)
        for size in ("tiny", "small")
    )
    stages = list(model.models.values()) if hasattr(model, "models") else [model]
    generative(stages[-1].objective)
    examples = _Subset(dataset.train, ROWS)
    step_times = _time_steps(model, examples, 2 * len(stages), device)
    steps = min(int(seconds / sum(step_times)), MOST_STEPS)  # a time budget may end before the first step
    if steps > 2:
        step_times = _time_steps(model, examples, steps * len(stages), device)
    costs = [
        _cost(step, stage, dataset, len(examples)) for step, stage in zip(step_times, stages, strict=True)
    ]
    step_seconds, epoch_seconds, training_seconds = zip(*costs, strict=True)
    wanted = len(stages) * max(training_seconds)  # stages share the time evenly
    return Trial(
        name=page.name,
        family=family(model),
        summary=page.summary,
        likelihood=_likelihood(smallest, dataset),  # of the same kind, and a bound of fewer terms
        condition=_condition(model),
        sampling=_sampling(model),
        parameters=parameters(model),
        step_seconds=sum(step_seconds),
        epoch_seconds=sum(epoch_seconds),
        time=next((time for time in TIMES if time >= wanted), TIMES[-1]),
    )


def forecast(systems: int, seconds: float) -> float:
    """Seconds that trials of so many systems take, each trained for `seconds`, where a step is short."""
    return systems * (seconds + AROUND)


def seconds_per_step(model: Any, dataset: Dataset, device: str = "cpu") -> float:
    """Seconds of a step of the slowest stage, from two steps each; the model's weights change."""
    stages = len(getattr(model, "models", (model,)))
    return max(_time_steps(model, _Subset(dataset.train, ROWS), 2 * stages, device))


class _Subset:
    """The first rows of a data set."""

    def __init__(self, examples: Examples, rows: int):
        self.examples, self.rows = examples, min(rows, len(examples))

    def __len__(self) -> int:
        return self.rows

    def __getitem__(self, rows: Tensor) -> Batch:
        return self.examples[rows]


class _Stopwatch(Progress):
    """Records the times of all steps, per stage of a training."""

    def __init__(self) -> None:
        self.stages: list[list[float]] = []

    def start(self, title: str) -> None:
        self.stages.append([])

    def update(self, spent: float, seconds: float, loss: float, rate: float, note: str = "") -> None:
        self.stages[-1].append(seconds)

    def stop(self) -> None: ...

    @property
    def step_times(self) -> list[float]:
        """Median time per step in each stage; with a single step, the time of that step."""
        return [
            max(median([end - start for start, end in pairwise(ends)] or ends or [math.nan]), 1e-6)
            for ends in self.stages
        ]


def _time_steps(model: Any, examples: "_Subset", steps: int, device: str) -> list[float]:
    """Seconds per step in each stage, over a training of this many steps."""
    stopwatch = _Stopwatch()
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore", Diverged)  # a step takes as long
        train(model, examples, steps=steps, device=device, progress=stopwatch)  # type: ignore[arg-type]
    return stopwatch.step_times


def _cost(step: float, stage: Any, dataset: Dataset, rows: int) -> tuple[float, float, float]:
    """Seconds per step, per epoch and per training of a stage, from the time of a step on `rows` examples."""
    count = len(dataset.train)
    if not stage.plan.batch:
        step *= count / rows
        return step, step, step * (1 if stage.representation.discrete else ITERATIONS)
    epoch = step * count / dataset.train.overlap / stage.plan.batch
    most = max(MOST_EPOCHS * epoch, FEW * step)
    return step, epoch, min(max(STEPS * step, min(EPOCHS * epoch, PATIENCE)), most)


def _likelihood(model: Any, dataset: Dataset) -> str:
    batch = dataset.valid.first(2).to(model.device)
    try:
        likelihood = model.log_prob(batch.medium, model.taken(batch.condition))
    except Unsupported:
        return "none"
    return KINDS[likelihood.kind] + (", density" if likelihood.measure == "density" else "")


def _condition(model: Any) -> str:
    if model.conditioner is None:
        return "none"
    kinds = " and ".join("class" if name == "label" else name for name in model.conditioner.names)
    return kinds if model.conditioner.required else f"{kinds}, guided"


def _sampling(model: Any) -> str:
    network, sampler = getattr(model.objective, "network", None), model.objective.default_sampler()
    if isinstance(network, Causal):
        return f"{torch.Size(model.representation.shape).numel()} passes"
    if hasattr(sampler, "calls"):
        return f"{sampler.calls(model.objective)} passes"
    return "1 pass"
