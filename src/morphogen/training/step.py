"""One training step: one optimizer turn of one player on one batch.

    g = grad sum_i w_i l_i / sum_i w_i    over the rows i of the global batch, for any micro-batches and ranks

Gradients of sum w l are accumulated first and divided by the total weight at the end, because the weights
(tokens per row) are known only then. A step whose loss, statistics or gradient is not finite is skipped:
weights, averages and optimizer state remain unchanged.

If the loss of a row depends on the other rows (InfoNCE, BatchNorm), every rank evaluates all rows of the
batch, which are a function of (seed, step), so that the result is that of one process; micro-batches are
refused.
"""

__all__ = ["Examples", "StepResult", "Stepper", "seed_torch"]

import hashlib
import math
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Batch, Losses
from morphogen.model import Model
from morphogen.numerics.precision import Precision, autocast
from morphogen.numerics.randomness import Rng
from morphogen.ownership import coupled_parts
from morphogen.rank import ALONE, Rank
from morphogen.training.ema import Ema
from morphogen.training.fused_adam import gradient_norm
from morphogen.training.optimizers import Player, players_of
from morphogen.training.order import DataOrder
from morphogen.training.own_parts import own_parts, trying
from morphogen.training.progress import Deadline

if TYPE_CHECKING:
    from accelerate import Accelerator

Complete = Callable[[Batch, Rng], Batch]
# a batch of all rows, which is trained in micro-batches, would not fit in memory at once
MAX_PREPARE_ROWS = 65_536
MAX_MICRO_ROWS = 4_096  # of a batch of all rows, between which a deadline can drop the round


@runtime_checkable
class Examples(Protocol):
    """A data set indexed by tensors of row numbers."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Batch: ...


@dataclass(frozen=True)
class StepResult:
    """Result of a step: means over the batch, learning rate and gradient norm; None if it was skipped."""

    player: str
    means: dict[str, float] | None
    stop: bool  # whether any rank received a signal
    seconds: float  # mean clock of the ranks
    dropped: bool  # whether any rank passed its deadline within the step, which then has changed nothing


@dataclass
class _Sums:
    """Sums over micro-batches of w l (loss, its terms, metrics), of w and of the statistics."""

    weighted: dict[str, Tensor] = field(default_factory=dict)
    statistics: dict[str, Tensor] = field(default_factory=dict)
    dropped: bool = False  # whether micro-batches are missing

    def add(self, weighted: dict[str, Tensor], statistics: dict[str, Tensor]) -> None:
        for totals, values in ((self.weighted, weighted), (self.statistics, statistics)):
            for name, value in values.items():
                totals[name] = totals[name] + value.detach() if name in totals else value.detach()


class Stepper:
    """Training steps of a model, whose players take turns.

    Arguments:
        model: already on its device.
        examples: the training rows.
        accelerator: communication between ranks.
        precision: of the forward pass.
        seed: of the training.
        complete: adds the conditions that are made from the augmented batch; see `Staged.stage_batch`.
    """

    def __init__(
        self, model: Model, examples: Examples, accelerator: "Accelerator", precision: Precision, seed: int,
        complete: Complete,
    ):  # fmt: skip
        self.model, self.examples, self.accelerator = model, examples, accelerator
        self.seed, self.complete, self.device = seed, complete, model.device
        self.autocast = autocast(precision, self.device)
        self.rank = Rank(accelerator.process_index, accelerator.num_processes)
        self.players = players_of(model)
        self.first = next(iter(self.players.values()))
        self.order = DataOrder(len(examples), model.plan.batch, seed)
        if self.order.batch < self.rank.count:
            raise ConfigError(
                f"{self.rank.count} processes cannot share a batch of {self.order.batch}: "
                "launch fewer processes, or increase plan.batch"
            )
        self.shards = ALONE if _couples_rows(model, self.order.batch) else self.rank  # how rows are divided
        positions = self.shards.shard(torch.arange(self.order.batch))
        parts = _number_of_parts(model, len(positions))
        self.micro_batches = [part for part in positions.tensor_split(parts) if len(part)]
        self.ema: Ema | None = None
        self.forward: nn.Module = model  # its DDP wrapper, if there are several ranks
        self._active_player: Player | None = None
        self.untried = own_parts(model)

    def prepare(self) -> None:
        """Data-dependent initialization of the model on the rows of step 0, identical on every rank.

        Errors: ConfigError if a part of the user's own fails on them, with what it receives.
        """
        seed_torch(self.device, self.seed, "prepare", 0)
        count = max(self.order.batch, self.model.objective.prepare_rows)
        rows = DataOrder(len(self.examples), count, self.seed)[0][:MAX_PREPARE_ROWS]
        rng = Rng(self.seed, torch.arange(len(rows), device=self.device), ("prepare",))
        with torch.no_grad(), trying(self.untried):
            self.model.prepare(self.complete(self.examples[rows].to(self.device), rng), rng)

    def start_ema(self) -> None:
        """Start the moving average at the current weights, if the plan has one."""
        if self.model.plan.ema and self.first.parameters:
            self.ema = Ema(self.first.parameters, self.model.plan.ema)

    def step(self, step: int, spent: float, deadline: Deadline) -> StepResult:
        """Step number `step`, after the fraction `spent` of the budget; EM drops one at its deadline."""
        turns = self.model.objective.turns
        player = self.players[turns[step % len(turns)]]
        if player is not self._active_player:
            _enable_gradients(self.model, player, self._active_player)
            self._active_player = player
        seed_torch(self.device, self.seed, step, self.shards.index)
        with trying(self.untried):
            sums = self._forward_backward(player, step, deadline)
        self.untried = []
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        if gradients:
            sums.weighted["norm"] = gradient_norm(gradients)
        means, weight, result = self._reduce(sums, player, deadline)
        if result.means is not None:
            turn = player.turns_before(step)
            if gradients:
                means["lr"] = self._optimizer_step(player, means["norm"], weight, turn, spent)
            if sums.statistics:
                with torch.no_grad():
                    self.model.objective.update_from_statistics(sums.statistics, step)
        player.zero_grad()
        return result

    def _optimizer_step(self, player: Player, norm: float, weight: float, turn: int, spent: float) -> float:
        """Clip the gradients, update the player's parameters and their average; returns the learning rate."""
        plan = self.model.plan
        clip = 1.0 if plan.clip is None else min(1.0, plan.clip / max(norm, 1e-12))
        # DDP averages each rank's weighted sum over the ranks
        ema = self.ema if player is self.first else None
        return player.step(clip * self.rank.count / weight, plan.schedule(turn, spent), turn, ema)

    def _forward_backward(self, player: Player, step: int, deadline: Deadline) -> _Sums:
        """Accumulate losses and gradients over this rank's micro-batches, until the deadline."""
        rows, augment, sums = self.order[step], self.model.plan.augment, _Sums()
        has_gradients = player.optimizer is not None
        network = self.forward if has_gradients else self.model
        for i, positions in enumerate(self.micro_batches):
            if i and not has_gradients and deadline.passed(step):
                sums.dropped = True
                break
            rng = Rng(self.seed, positions.to(self.device), ("train", step))
            batch = self.examples[rows[positions]].to(self.device)
            if augment is not None:
                batch = replace(batch, medium=augment(batch.medium, rng.fork("augment")))
            batch = self.complete(batch, rng)
            # gradients are synchronized once per step, at the last micro-batch
            postpone_sync = self.rank.count > 1 and i + 1 < len(self.micro_batches)
            with (
                self.accelerator.no_sync(network) if postpone_sync else nullcontext(),
                torch.set_grad_enabled(has_gradients),
            ):
                with self.autocast:
                    losses = network(batch, rng, player.name)
                weighted = _weighted(losses)
                if has_gradients:
                    weighted["loss"].backward()
            sums.add(weighted, losses.statistics)
        if self.shards.count > 1:
            reduce = self.accelerator.reduce
            sums.statistics = {name: reduce(value, "sum") for name, value in sums.statistics.items()}
        return sums

    def _reduce(
        self, sums: _Sums, player: Player, deadline: Deadline
    ) -> tuple[dict[str, float], float, StepResult]:
        """Means over all ranks, as Python numbers.

        This is the only place where a step waits for the device and for the other ranks.
        """
        loss = sums.weighted["loss"]
        checks = [value.sum().to(loss) for value in sums.statistics.values()]
        vector = torch.stack([*sums.weighted.values(), *checks])
        seconds, stop, dropped = deadline.seconds, deadline.signalled, sums.dropped
        if self.rank.count > 1:
            shared = [seconds / self.rank.count, float(stop), float(dropped)]
            extra = torch.tensor(shared, device=vector.device, dtype=vector.dtype)
            *values, seconds, stops, drops = self.accelerator.reduce(
                torch.cat([vector, extra]), "sum"
            ).tolist()
            stop, dropped = stops > 0, drops > 0
        else:
            values = vector.tolist()
        totals = dict(zip(sums.weighted, values, strict=False))
        weight = totals.pop("weight") or math.nan  # a batch of zero weight has no mean
        means = {name: total / weight for name, total in totals.items()}
        required = [means["loss"], means.get("norm", 0.0), *values[len(sums.weighted) :]]
        usable = not dropped and all(map(math.isfinite, required))
        return means, weight, StepResult(player.name, means if usable else None, stop, seconds, dropped)


def seed_torch(device: torch.device, *name: Any) -> None:
    """Seed torch's own generators, which nn.Dropout uses, from a key.

    `torch.manual_seed` would seed every backend, which takes 0.2 ms per step.
    """
    key = int.from_bytes(hashlib.blake2b(repr(name).encode(), digest_size=8).digest(), "little") >> 1
    torch.default_generator.manual_seed(key)
    if device.type == "cuda":
        torch.cuda.manual_seed(key)


def _number_of_parts(model: Model, rows: int) -> int:
    """The number of micro-batches: that of the plan, or more for a batch of all rows, as in EM."""
    plan, coupled = model.plan, coupled_parts(model)
    return plan.accumulate if plan.batch or coupled else max(plan.accumulate, -(-rows // MAX_MICRO_ROWS))


def _couples_rows(model: Model, batch: int) -> bool:
    """Whether the loss of a row depends on the others of its batch, of this size.

    Errors: ConfigError if it does, and the plan has micro-batches, or the batch a single row.
    """
    coupled = sorted({type(part).__name__ for part in coupled_parts(model)})
    if coupled and batch == 1:
        raise ConfigError(
            f"a batch has one row, but {', '.join(coupled)} couples the rows of a batch, and one alone has "
            "no statistics: set plan.batch to 2 or more, and give as many examples"
        )
    if coupled and model.plan.accumulate > 1:
        raise ConfigError(
            f"plan.accumulate is {model.plan.accumulate}, but {', '.join(coupled)} couples the rows of a "
            "batch: micro-batches would have another loss; set plan.accumulate=1"
        )
    return bool(coupled)


def _weighted(losses: Losses) -> dict[str, Tensor]:
    """Sums over rows of w l, for the loss, its terms and the metrics, and of w; at least in fp32."""
    total = losses.total
    total = total.float() if total.dtype in (torch.bfloat16, torch.float16) else total
    values = {name: v.detach().to(total.dtype) for name, v in (losses.terms | losses.metrics).items()}
    if losses.weight is None:
        sums = {name: value.sum() for name, value in values.items()}
        return sums | {"loss": total.sum(), "weight": total.detach().new_full((), len(total))}
    weight = losses.weight.to(total.dtype)
    sums = {name: (weight * value).sum() for name, value in values.items()}
    return sums | {"loss": (weight * total).sum(), "weight": weight.sum()}


def _enable_gradients(model: Model, player: Player, before: Player | None) -> None:
    """Require gradients for the player's parameters only; frozen models belong to no player.

    After another player's turn there is no walk through all modules, which can take as long as a small step.
    """
    for parameter in model.parameters() if before is None else before.parameters:
        parameter.requires_grad_(False)
    for parameter in player.parameters:
        parameter.requires_grad_(True)
