"""The training loop: steps until a budget is spent, with checkpoints and logs. `step.py` implements a step.

Training is a pure function of (seed, step), which determine the rows (`DataOrder`), the noise (an `Rng` keyed
by the row's position in the global batch) and the dropout (torch's generator, reseeded at each step). A
checkpoint therefore stores no generator state, and resuming is bitwise exact if the budget is in steps. With
a budget in seconds, the learning rate schedule, and so the weights, depend on the clock. A round of EM over
many rows takes long: one that a budget or a signal ends is dropped, and repeated when the training resumes.

Several processes (`accelerate launch`) each train on a shard of every batch and act alike: they resume from
the same checkpoint, use a common clock, and stop together once one of them receives a signal. The first
process writes the files. This is the only module that imports accelerate.
"""

__all__ = ["train"]

import hashlib
import json
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import torch
from torch import nn

from morphogen.component import ConfigError, to_config
from morphogen.model import Model
from morphogen.native.kernels import available
from morphogen.numerics.memory import keep_freed_memory
from morphogen.numerics.precision import Precision
from morphogen.rank import Rank
from morphogen.saved_config import check_replaced
from morphogen.staged import Staged
from morphogen.training.checkpoint import (
    Checkpoint,
    Checkpoints,
    Every,
    copy_into,
    fingerprint,
    nested_boundaries,
    own_tensors,
)
from morphogen.training.collapse import CollapseWatch, OnCollapse
from morphogen.training.divergence import SkippedSteps
from morphogen.training.given import training_rows
from morphogen.training.interrupt import Interrupt
from morphogen.training.journal import Journal
from morphogen.training.outcome import Trained, conclude, is_usable, remove_previous, total
from morphogen.training.progress import Budget, Clock, Deadline, Progress
from morphogen.training.stages import split_budget, train_stages
from morphogen.training.step import Complete, Examples, Stepper, StepResult
from morphogen.training.validation import BestWeights, Validation
from morphogen.typed import check_fields
from morphogen.wrong_calls import explains_calls

if TYPE_CHECKING:
    from accelerate import Accelerator

Device = Literal["auto", "cpu", "cuda"]
TWO_MINUTES = Every(seconds=120.0)


@dataclass(frozen=True)
class _Options:
    """Training options that do not depend on the model."""

    seed: int
    device: Device
    precision: Precision
    checkpoint_every: Every
    keep: int
    log_every: int
    progress: Progress | None
    tensorboard: bool
    warm_start: bool
    validation: Validation | None
    on_collapse: OnCollapse

    def __post_init__(self) -> None:
        check_fields(self)
        if self.log_every < 1:
            raise ConfigError(f"log_every={self.log_every}: give the steps per line, 1 or more")


@explains_calls
def train(
    model: Model | Staged, examples: Any, labels: Any = None, *, steps: int | None = None, seed: int = 0,
    time: float | None = None, stage_fractions: Mapping[str, float] | None = None, resume: bool = True,
    directory: str | Path | None = None, device: Device = "auto", precision: Precision = "auto",
    keep: int = 2, checkpoint_every: Every = TWO_MINUTES, log_every: int = 50, warm_start: bool = False,
    progress: Progress | None = None, tensorboard: bool = False, validation: Validation | None = None,
    on_collapse: OnCollapse = "continue",
) -> Trained:  # fmt: skip
    """Train a model in place by its plan; if the plan has an `ema`, the averages become the weights.

    Arguments:
        model, examples, labels: rows, a `Dataset` (its train part), or what `load_data` reads: X, labels.
        steps, time: the budget, one of the two; time in seconds, including checkpoints.
        stage_fractions: fraction of the budget of each stage, `{stage: fraction}`; None: equal.
        directory: for checkpoints, metrics.jsonl, timings.jsonl and the final `model/`; None: no files.
        seed: of data order, noise and dropout (initial weights depend on the caller's torch.manual_seed).
        device, precision: of the forward pass.
        resume: continue from the newest checkpoint in `directory`; False: remove it and start again.
        checkpoint_every, keep: checkpoint interval besides the end; number of checkpoints kept.
        log_every, progress, tensorboard: steps per line of metrics.jsonl; progress bar; TensorBoard files.
        warm_start: the model is trained already: omit its data-dependent initialization.
        validation: held-out rows; the weights at the best of their likelihoods become the model's.
        on_collapse: "stop" ends the training of a generator whose samples hardly vary.

    Errors: ConfigError for an unusable argument or checkpoint. Warns: Diverged, Collapsed, StoppedEarly.
    """
    budget, directory = Budget(steps, time), _place(directory)
    options = _Options(seed, device, precision, checkpoint_every, keep, log_every, progress, tensorboard,
                       warm_start, validation, on_collapse)  # fmt: skip
    examples, accelerator = training_rows(model, examples, labels), _accelerator(device)
    if directory is not None and not resume and accelerator.is_main_process:
        remove_previous(model, directory)
    train_one = partial(_train_one, model, examples, options, accelerator)
    trained = _train_all(model, budget, directory, train_one, stage_fractions)
    conclude(model, trained, directory if accelerator.is_main_process else None)
    accelerator.wait_for_everyone()  # until the model is written
    return trained


class _Training:
    """One model and one budget: start or resume, step to the end, write checkpoints and logs."""

    def __init__(
        self, model: Model, examples: Examples, budget: Budget, directory: Path | None, options: _Options,
        accelerator: "Accelerator", complete: Complete, stages: Sequence[nn.Module],
    ):  # fmt: skip
        self.model, self.budget, self.options, self.accelerator = model, budget, options, accelerator
        model.to(_device(options.device, accelerator))
        nested = nested_boundaries(model) if directory is not None else ()
        self.frozen = fingerprint(part for part in nested if part not in stages)
        self.stepper = Stepper(model, examples, accelerator, options.precision, options.seed, complete)
        self.directory = directory if accelerator.is_main_process else None  # where this process writes
        self.progress = options.progress if accelerator.is_main_process else None
        self.checkpoints = None if directory is None else Checkpoints(directory / "checkpoints", options.keep)
        self.steps, self.clock, self.skipped = 0, Clock(), SkippedSteps()
        self.best = BestWeights(model, options.validation, self.stepper.rank)
        self.watch = CollapseWatch(model.objective, options.on_collapse)

    def run(self, title: str) -> Trained:
        """Train; afterwards, the model has the averaged weights."""
        keep_freed_memory()
        available("philox")  # built before the clock starts
        cuda = [self.stepper.device] if self.stepper.device.type == "cuda" else []
        with ExitStack() as stack:
            interrupt = stack.enter_context(Interrupt())
            stack.enter_context(_training_mode(self.model))
            stack.enter_context(torch.random.fork_rng(devices=cuda))
            self._start_or_resume()
            stack.callback(self.journal.close)
            if self.progress is not None:
                self.progress.start(title)
                stack.callback(self.progress.stop)
            stop, deadline = False, Deadline(self.budget, self.clock, interrupt)
            while self.spent < 1 and not stop:
                result = self.stepper.step(self.steps, self.spent, deadline)
                self._finish_step(result)
                stop = result.stop or result.dropped or self.watch.stop
            self._save()
            self.accelerator.wait_for_everyone()  # a process that exits may end the others
            if self.stepper.ema is not None:
                self.stepper.ema.copy_to_parameters()
            self.best.copy_to_model()
        if interrupt.received == signal.SIGINT:
            raise KeyboardInterrupt
        skipped, finished = self.skipped, self.spent >= 1 or self.watch.stop
        totals = (self.steps, self.clock.seconds, self._rate, finished, skipped.total, skipped.diverged)
        return Trained(*totals, self.resumed, self.best.nats, self.watch.found, _ended(self))

    @property
    def _rate(self) -> float:
        """Samples per second."""
        return self.steps * self.stepper.order.batch / max(self.clock.seconds, 1e-9)

    def _start_or_resume(self) -> None:
        """Restore the newest checkpoint, or prepare the model on its first batch."""
        self.accelerator.wait_for_everyone()
        checkpoint = None if self.checkpoints is None else self.checkpoints.newest()
        if checkpoint is None:
            self.clock = Clock()
            if not self.options.warm_start:
                self.stepper.prepare()
            self.stepper.start_ema()
            seconds, window = 0.0, None
            self.best.check()
        else:
            self._restore(checkpoint)
            seconds, window = checkpoint.state["seconds"], checkpoint.state["window"]
        _check_same_step(self.steps, self.stepper.rank, self.checkpoints)
        self.resumed = self.steps
        self.spent = self._fraction_spent(seconds)  # the clock would differ between processes
        self.saved = (self.steps, self.clock.seconds)
        self.journal = Journal(self.directory, self.steps, window, self.options.tensorboard)
        players = self.stepper.players.values()
        if self.accelerator.num_processes > 1 and any(player.parameters for player in players):
            for player in players:  # DDP registers the parameters that require gradients now
                nn.ParameterList(player.parameters).requires_grad_(True)
            self.stepper.forward = self.accelerator.prepare_model(self.model)

    def _finish_step(self, result: StepResult) -> None:
        """Count and log the step, unless it was dropped, and write a checkpoint if one is due."""
        if result.dropped and result.stop:
            return
        if not result.dropped:
            self.steps += 1
            self.skipped.add(result.player, result.means is None)
            self.journal.record(self.steps, result.player, result.means)
        # the clock of one rank may have dropped the step of all
        self.spent = max(self._fraction_spent(result.seconds), float(result.dropped))
        if self.steps % self.options.log_every == 0 or self.spent >= 1:
            self.journal.close_window(self.steps, self.clock.seconds, self._rate)
            self.watch.look()
        self.best.update(self.steps, self.spent >= 1, self.stepper.ema)
        if self.options.checkpoint_every.due(self.steps - self.saved[0], self.clock.seconds - self.saved[1]):
            self._save()
        if self.progress is not None and result.means is not None:
            loss, note = result.means["loss"], "collapsed" if self.watch.found else ""
            self.progress.update(self.spent, self.clock.seconds, loss, self._rate, note)

    def _fraction_spent(self, seconds: float) -> float:
        """The fraction of the budget, or of the plan's rounds if that is larger, that is spent."""
        fraction, rounds = self.budget.spent(self.steps, seconds), self.model.plan.rounds
        if rounds is None:
            return fraction
        return max(fraction, self.steps / (rounds * len(self.model.objective.turns)))

    def _save(self) -> None:
        """Write a checkpoint of this step, unless there is one."""
        if self.checkpoints is None or self.directory is None or self.steps == self.saved[0]:
            return
        self.journal.sync()
        tensors, others = {}, {}
        for player in self.stepper.players.values():
            player_tensors, player_others = player.state()
            tensors.update(player_tensors)
            others.update(player_others)
        average = {} if self.stepper.ema is None else self.stepper.ema.state()
        files = {"weights": own_tensors(self.model), "optimizer": tensors, "ema": average}
        state = {
            "training": _identity(self),
            "seconds": self.clock.seconds,
            "window": self.journal.window,
            "skipped": self.skipped.counts,
            "optimizer": others,
        }
        self.checkpoints.write(self.steps, files | self.best.weights_file(), state | self.best.state())
        self.saved = (self.steps, self.clock.seconds)

    def _restore(self, checkpoint: Checkpoint) -> None:
        """Restore the state after step `checkpoint.step`."""
        stored, current = checkpoint.state["training"], _identity(self)
        changed = [
            f"{name} was {stored.get(name)}, is {current[name]}"
            for name in current
            if stored.get(name, current[name]) != current[name]
        ]
        if changed:
            raise ConfigError(
                f"{self.directory}: holds checkpoints of another training ({'; '.join(changed)}): "
                "use another directory, or start again with resume=False"
            )
        copy_into(own_tensors(self.model), checkpoint.tensors["weights"])
        for player in self.stepper.players.values():
            player.restore(checkpoint.tensors["optimizer"], checkpoint.state["optimizer"])
        self.stepper.start_ema()
        if self.stepper.ema is not None:
            self.stepper.ema.restore(checkpoint.tensors["ema"])
        self.best.restore(checkpoint)
        self.steps, self.clock = checkpoint.step, Clock(checkpoint.state["seconds"])
        self.skipped = SkippedSteps(checkpoint.state.get("skipped"))


def _ended(training: "_Training") -> str:
    """Why a training is complete before its budget is spent; "": it is not."""
    is_early = training.spent >= 1 and training.budget.spent(training.steps, training.clock.seconds) < 1
    return f"all {training.model.plan.rounds} rounds of the plan are done" if is_early else ""


def _check_same_step(step: int, rank: Rank, checkpoints: Checkpoints | None) -> None:
    """Check that all processes continue from the same step."""
    steps = set(rank.gather(torch.tensor([step]), rank.count).tolist())
    if len(steps) > 1:
        message = (
            f"{checkpoints and checkpoints.directory}: the processes find checkpoints of different steps"
        )
        raise ConfigError(f"{message} ({sorted(steps)}): use a disk that all machines share")


def _identity(training: _Training) -> dict[str, Any]:
    """What must be equal for a checkpoint to be resumed."""
    config = hashlib.blake2b(json.dumps(to_config(training.model)).encode(), digest_size=8).hexdigest()
    identity = {"seed": training.options.seed, "examples": len(training.stepper.examples), "config": config}
    return identity | ({"frozen model": training.frozen} if training.frozen else {})


@contextmanager
def _training_mode(model: nn.Module) -> Iterator[None]:
    """Training mode, with nested models in evaluation mode; restores modes and gradient flags on exit."""
    modes = {module: module.training for module in model.modules()}
    flags = {parameter: parameter.requires_grad for parameter in model.parameters()}
    model.train()
    for nested in nested_boundaries(model):
        nested.eval()
    try:
        yield
    finally:
        for module, mode in modes.items():
            module.training = mode
        for parameter, flag in flags.items():
            parameter.requires_grad_(flag)


def _train_one(
    model: Model | Staged, examples: Examples, options: _Options, accelerator: "Accelerator", title: str,
    stage: Model, budget: Budget, directory: Path | None,
) -> Trained:  # fmt: skip
    """Train a model or one of its stages, with the conditions that the stage takes from earlier ones."""
    complete: Complete = lambda batch, rng: batch  # noqa: E731
    stages: list[nn.Module] = []  # what a stage holds of them may have been trained further
    if isinstance(model, Staged):
        if options.validation is not None:
            raise ConfigError("validation: the model has stages, which have no rows of their own; omit it")
        complete, stages = partial(model.stage_batch, title), list(model.models.values())
    training = _Training(stage, examples, budget, directory, options, accelerator, complete, stages)
    return training.run(title)


def _train_all(
    model: Model | Staged, budget: Budget, directory: Path | None, train_one: Callable[..., Trained],
    fractions: Mapping[str, float] | None,
) -> Trained:  # fmt: skip
    """Train a model, or the stages of one in order."""
    if not isinstance(model, Staged):
        return train_one("training", model, budget, directory)
    budgets = split_budget(budget, list(model.models), fractions)
    return total(train_stages(model, budgets, directory, train_one, is_usable))


def _place(directory: str | Path | None) -> Path | None:
    """The directory of a training; None: no files. Errors: ConfigError for a `model` of someone else."""
    if directory is None:
        return None
    place = Path(directory).expanduser()
    check_replaced(place / "model")
    return place


def _accelerator(device: Device) -> "Accelerator":
    from accelerate import Accelerator, DistributedDataParallelKwargs

    Rank.initialize(device)  # joins the process group, as everywhere in the library
    # only one player's parameters have gradients in a turn
    ddp = DistributedDataParallelKwargs(find_unused_parameters=True)
    # without a GPU, processes would train alone unless cpu=True; `precision.py` handles mixed precision
    cpu = device == "cpu" or not torch.cuda.is_available()
    return Accelerator(cpu=cpu, mixed_precision="no", kwargs_handlers=[ddp])


def _device(device: Device, accelerator: "Accelerator") -> torch.device:
    """The rank's device; with one process, the requested one (accelerate keeps a process's first device)."""
    if device == "cuda" and not torch.cuda.is_available():
        raise ConfigError("device='cuda': torch finds no GPU here; use device='cpu' or 'auto'")
    if accelerator.num_processes > 1:
        return accelerator.device
    if device == "cpu" or not torch.cuda.is_available():
        return torch.device("cpu")
    return torch.device("cuda", torch.cuda.current_device())
