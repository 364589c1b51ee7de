"""The one loop. It knows players, steps and a budget; what a step is, stands in `step.py`.

Training is a pure function of (seed, step): which rows (`Order`), which noise (an `Rng` keyed by the row's place in the global
batch), which dropout (torch's generator, keyed anew each step). A checkpoint therefore holds no generator, and resuming is
bitwise when the budget is steps. A budget of seconds makes the schedule, and so the weights, depend on the clock.

Several processes (`accelerate launch`) each take their share of every batch, and decide alike: all from the same checkpoint, by the
clock that they agree on, until one of them is asked to stop. The first one writes. Only this file imports accelerate.
"""

__all__ = ["Trained", "train"]

import hashlib
import json
import shutil
import signal
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from morphogen.component import ConfigError, describe
from morphogen.compose import Staged
from morphogen.files import fresh_directory
from morphogen.model import Model, save
from morphogen.numerics.memory import keep_freed_memory
from morphogen.numerics.precision import Precision
from morphogen.rank import Rank
from morphogen.training.checkpoint import Checkpoint, Checkpoints, Every, copy_into, nested, own_tensors
from morphogen.training.interrupt import Interrupt
from morphogen.training.journal import Journal
from morphogen.training.progress import Budget, Clock, Progress
from morphogen.training.stages import in_order
from morphogen.training.step import Examples, Outcome, Stepper

if TYPE_CHECKING:
    from accelerate import Accelerator

Device = Literal["auto", "cpu", "cuda"]
TWO_MINUTES = Every(seconds=120.0)


@dataclass(frozen=True)
class Trained:
    """What a training came to, over all its resumptions; of a `Staged`, over all its stages."""

    steps: int
    seconds: float
    samples_per_second: float
    finished: bool = True  # False: a SIGTERM came first; the same call goes on from the checkpoint


@dataclass(frozen=True)
class _Options:
    """How to train, whatever the model."""

    seed: int
    device: Device
    precision: Precision
    checkpoint_every: Every
    keep: int
    log_every: int
    progress: Progress | None
    tensorboard: bool


def train(
    model: Model | Staged, examples: Examples, *, steps: int | None = None, time: float | None = None,
    shares: Mapping[str, float] | None = None, directory: Path | None = None, seed: int = 0, device: Device = "auto",
    precision: Precision = "auto", resume: bool = True, checkpoint_every: Every = TWO_MINUTES, keep: int = 2, log_every: int = 50,
    progress: Progress | None = None, tensorboard: bool = False,
) -> Trained:  # fmt: skip
    """Train a model by its plan, in place; where the plan averages, the averages are its weights after.

    Arguments:
        model, examples: what learns, from which rows.
        steps, time: the budget, one of the two; time in seconds, checkpoints included.
        shares: of the budget, `{stage: share}`; None: the same for every stage.
        directory: keeps checkpoints, metrics.jsonl, timings.jsonl and the finished model in `model/`; None: nothing is kept.
        seed: of data order, noise and dropout (not of the weights' start: that is the caller's torch.manual_seed).
        resume: go on from the newest checkpoint in `directory`; False: begin anew, removing what is there.
        checkpoint_every, keep, log_every: when checkpoints are written besides at the end; how many stay; steps of a line of metrics.
        device, precision, progress, tensorboard: where, and with how many digits; whether it is shown, in a terminal, as curves.
    Errors: ConfigError for a budget, plan or checkpoint that does not fit. Ctrl-C is raised again once the checkpoint is written.
    """
    budget = Budget(steps, time)
    options = _Options(seed, device, precision, checkpoint_every, keep, log_every, progress, tensorboard)
    accelerator = _accelerator(device)
    if directory is not None and not resume and accelerator.is_main_process:
        _forget(model, directory)

    def one(title: str, stage: Model, part: Budget, place: Path | None) -> Trained:
        return _Training(stage, examples, part, place, options, accelerator).run(title)

    if isinstance(model, Staged):
        stages = in_order(model, budget, shares, directory, one, lambda stage: stage.finished)
        seconds = sum(stage.seconds for stage in stages)
        samples = sum(stage.samples_per_second * stage.seconds for stage in stages)
        trained = Trained(sum(stage.steps for stage in stages), seconds, samples / seconds, stages[-1].finished)
    else:
        trained = one("training", model, budget, directory)
    if directory is not None and trained.finished and accelerator.is_main_process:
        with fresh_directory(directory / "model") as folder:
            save(model, folder)
    accelerator.wait_for_everyone()  # nobody looks for what is not written yet
    return trained


def _forget(model: Model | Staged, directory: Path) -> None:
    """Remove the checkpoints of every stage, and the finished model: a later stage must not outlive the one it was trained on."""
    places = [directory / name for name in model.models] if isinstance(model, Staged) else [directory]
    for place in [*(place / "checkpoints" for place in places), directory / "model"]:
        shutil.rmtree(place, ignore_errors=True)


class _Training:
    """One model and one budget: begins or resumes, steps until the budget is spent, keeps checkpoints and the journal."""

    def __init__(
        self, model: Model, examples: Examples, budget: Budget, directory: Path | None, options: _Options,
        accelerator: "Accelerator",
    ):  # fmt: skip
        self.model, self.budget, self.options, self.accelerator = model, budget, options, accelerator
        model.to(_device(options.device, accelerator))
        self.stepper = Stepper(model, examples, accelerator, options.precision, options.seed)
        self.directory = directory if accelerator.is_main_process else None  # where this process writes
        self.progress = options.progress if accelerator.is_main_process else None
        self.checkpoints = None if directory is None else Checkpoints(directory / "checkpoints", options.keep)
        self.steps, self.clock = 0, Clock()

    def run(self, title: str) -> Trained:
        """Train; the model holds the averaged weights after."""
        keep_freed_memory()
        cuda = [self.stepper.device] if self.stepper.device.type == "cuda" else []
        with ExitStack() as stack:
            interrupt = stack.enter_context(Interrupt())
            stack.enter_context(_at_work(self.model))
            stack.enter_context(torch.random.fork_rng(devices=cuda))
            self._begin()
            stack.callback(self.journal.close)
            if self.progress is not None:
                self.progress.start(title)
                stack.callback(self.progress.stop)
            stop = False
            while self.spent < 1 and not stop:
                outcome = self.stepper.step(self.steps, self.spent, self.clock.seconds, interrupt.received is not None)
                stop = outcome.stop
                self._after(outcome)
            self._save()
            self.accelerator.wait_for_everyone()  # a process that ends may take the others with it
            if self.stepper.ema is not None:
                self.stepper.ema.adopt()
        if interrupt.received == signal.SIGINT:
            raise KeyboardInterrupt
        return Trained(self.steps, self.clock.seconds, self._rate, self.spent >= 1)

    @property
    def _rate(self) -> float:
        """Samples a second."""
        return self.steps * self.stepper.order.batch / max(self.clock.seconds, 1e-9)

    def _begin(self) -> None:
        """Take up the newest checkpoint, or prepare the model on its first batch."""
        self.accelerator.wait_for_everyone()
        found = None if self.checkpoints is None else self.checkpoints.newest()
        if found is None:
            self.clock = Clock()
            self.stepper.prepare()
            self.stepper.start_average()
        else:
            self._restore(found)
        self._agree()
        self.spent = self._spent(0.0 if found is None else found.state["seconds"])  # not by the clock, which each process has its own
        self.saved = (self.steps, self.clock.seconds)
        window = None if found is None else found.state["window"]
        self.journal = Journal(self.directory, self.steps, window, self.options.tensorboard)
        if self.accelerator.num_processes > 1 and any(player.parameters for player in self.stepper.players.values()):
            for player in self.stepper.players.values():  # DDP looks at what asks for gradients when it is made
                nn.ParameterList(player.parameters).requires_grad_(True)
            self.stepper.forward = self.accelerator.prepare_model(self.model)

    def _agree(self) -> None:
        """All processes go on from the same step."""
        rank = self.stepper.rank
        steps = set(rank.gather(torch.tensor([self.steps]), rank.count).tolist())
        if len(steps) > 1:
            where = None if self.checkpoints is None else self.checkpoints.directory
            raise ConfigError(f"{where}: the processes find different steps there ({sorted(steps)}); use a disk that all machines see")

    def _after(self, outcome: Outcome) -> None:
        """Count the step, record it, and write a checkpoint where it is time."""
        self.steps += 1
        self.spent = self._spent(outcome.seconds)
        self.journal.record(self.steps, outcome.player, outcome.means)
        if self.steps % self.options.log_every == 0 or self.spent >= 1:
            self.journal.close_window(self.steps, self.clock.seconds, self._rate)
        if self.options.checkpoint_every.due(self.steps - self.saved[0], self.clock.seconds - self.saved[1]):
            self._save()
        if self.progress is not None and outcome.means is not None:
            self.progress.update(self.spent, self.clock.seconds, outcome.means["loss"], self._rate)

    def _spent(self, seconds: float) -> float:
        """The share that is gone, of the budget or of the rounds that are enough."""
        share, rounds = self.budget.spent(self.steps, seconds), self.model.plan.rounds
        return share if rounds is None else max(share, self.steps / (rounds * len(self.model.objective.turns)))

    def _save(self) -> None:
        """Write a checkpoint of this step, unless it is there."""
        if self.checkpoints is None or self.directory is None or self.steps == self.saved[0]:
            return
        self.journal.sync()
        tensors, others = {}, {}
        for player in self.stepper.players.values():
            of_player, rest = player.state()
            tensors.update(of_player)
            others.update(rest)
        average = {} if self.stepper.ema is None else self.stepper.ema.state()
        files = {"weights": own_tensors(self.model), "optimizer": tensors, "ema": average}
        state = {"training": self._identity(), "seconds": self.clock.seconds, "window": self.journal.window, "optimizer": others}
        self.checkpoints.write(self.steps, files, state)
        self.saved = (self.steps, self.clock.seconds)

    def _restore(self, found: Checkpoint) -> None:
        """Everything as it was after step `found.step`."""
        then, now = found.state["training"], self._identity()
        changed = [f"{name} was {then.get(name)}, is {now[name]}" for name in now if then.get(name) != now[name]]
        if changed:
            raise ConfigError(
                f"{self.directory}: another training began here ({'; '.join(changed)}); "
                "train into another directory, or begin anew with resume=False"
            )
        copy_into(own_tensors(self.model), found.tensors["weights"])
        for player in self.stepper.players.values():
            player.restore(found.tensors["optimizer"], found.state["optimizer"])
        self.stepper.start_average()
        if self.stepper.ema is not None:
            self.stepper.ema.restore(found.tensors["ema"])
        self.steps, self.clock = found.step, Clock(found.state["seconds"])

    def _identity(self) -> dict[str, Any]:
        """What must be the same for a checkpoint to go on."""
        config = hashlib.blake2b(json.dumps(describe(self.model)).encode(), digest_size=8).hexdigest()
        return {"seed": self.options.seed, "examples": len(self.stepper.examples), "config": config}


@contextmanager
def _at_work(model: nn.Module) -> Iterator[None]:
    """Training mode, but for the models nested in it, which are finished; modes and gradient flags as before, after."""
    modes = {module: module.training for module in model.modules()}
    flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.train()
    for finished in nested(model):
        finished.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)


def _accelerator(device: Device) -> "Accelerator":
    from accelerate import Accelerator, DistributedDataParallelKwargs

    Rank.here(device)  # the processes meet as they do elsewhere
    # a turn moves one player only: the others' parameters have no gradient
    how = DistributedDataParallelKwargs(find_unused_parameters=True)
    # without a GPU accelerate must be told so, or each process would train alone; in which precision, `precision.py` says
    cpu = device == "cpu" or not torch.cuda.is_available()
    return Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[how])


def _device(device: Device, accelerator: "Accelerator") -> torch.device:
    """The rank's device; alone, what was asked for (accelerate remembers the first device of a process for good)."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device='cuda': torch sees no GPU here; use device='cpu' or 'auto'")
    if accelerator.num_processes > 1:
        return accelerator.device
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
