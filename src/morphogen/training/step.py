"""One step: one turn of one player on one batch, whatever the family.

    g = grad sum_i w_i l_i / sum_i w_i        over the rows i of the global batch: micro-batches and ranks do not matter

Gradients of sum w l are gathered first and divided by the whole weight at the end, as the weights (tokens in a row) are known
only then. A step whose loss, statistics or gradient is not finite changes nothing: no weight, no average, no optimiser's memory.
"""

__all__ = ["Examples", "Stepper", "seed_torch"]

import hashlib
import math
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Batch, Losses
from morphogen.model import Model
from morphogen.numerics.precision import Precision, autocast
from morphogen.numerics.randomness import Rng
from morphogen.rank import Rank
from morphogen.training.ema import Ema
from morphogen.training.optimizers import Player, players_of
from morphogen.training.order import Order

if TYPE_CHECKING:
    from accelerate import Accelerator

MOST_TO_START_ON = 65_536  # rows of one step may be all there are, in micro-batches: they would not fit in memory at once


@runtime_checkable
class Examples(Protocol):
    """A data set: rows that can be asked for by number."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: Tensor, /) -> Batch: ...


@dataclass(frozen=True)
class Outcome:
    """What a step came to: means over the batch, the rate and the gradient's norm; None: it changed nothing."""

    player: str
    means: dict[str, float] | None
    stop: bool = False  # some rank was asked to
    seconds: float = 0.0  # the clock the ranks agree on


@dataclass
class _Sums:
    """What micro-batches add up to: sums of w l for each term, metric and the loss, w itself, and the statistics."""

    weighted: dict[str, Tensor] = field(default_factory=dict)
    statistics: dict[str, Tensor] = field(default_factory=dict)

    def add(self, weighted: dict[str, Tensor], statistics: dict[str, Tensor]) -> None:
        for total, new in ((self.weighted, weighted), (self.statistics, statistics)):
            for name, value in new.items():
                total[name] = total[name] + value.detach() if name in total else value.detach()


class Stepper:
    """Steps a model's players in turn.

    Arguments:
        model: on its device already.
        examples: the training rows.
        accelerator: which rank of how many this is, and how they meet.
        precision: of the forward pass.
        seed: of the training.
    """

    def __init__(self, model: Model, examples: Examples, accelerator: "Accelerator", precision: Precision, seed: int):
        self.model, self.examples, self.accelerator, self.precision, self.seed = model, examples, accelerator, precision, seed
        self.rank, self.device = Rank(accelerator.process_index, accelerator.num_processes), model.device
        self.players = players_of(model)
        self.first = next(iter(self.players.values()))
        self.order = Order(len(examples), model.plan.batch, seed)
        if self.order.batch < self.rank.count:
            raise ConfigError(f"{self.rank.count} processes cannot share a batch of {self.order.batch}; launch fewer, or raise plan.batch")
        mine = self.rank.share(torch.arange(self.order.batch))
        self.parts = [part for part in mine.tensor_split(model.plan.accumulate) if len(part)]
        self.ema: Ema | None = None
        self.forward: nn.Module = model  # or what the ranks see of it
        self._turn: Player | None = None

    def prepare(self) -> None:
        """The model's data-dependent start on rows of step 0, the same on every rank, so that all begin alike."""
        seed_torch(self.device, self.seed, "prepare", 0)
        rows = self.order[0][:MOST_TO_START_ON]
        rng = Rng(self.seed, torch.arange(len(rows), device=self.device), ("prepare",))
        with torch.no_grad():
            self.model.prepare(self.examples[rows].to(self.device), rng)

    def start_average(self) -> None:
        """Begin averaging from the weights as they stand."""
        if self.model.plan.ema and self.first.parameters:
            self.ema = Ema(self.first.parameters, self.model.plan.ema)

    def step(self, step: int, spent: float, seconds: float = 0.0, stop: bool = False) -> Outcome:
        """Step number `step`, with the share `spent` of the budget gone. `seconds` and `stop`: told to the other ranks."""
        turns, plan = self.model.objective.turns, self.model.plan
        player = self.players[turns[step % len(turns)]]
        self._hand_turn_to(player)
        seed_torch(self.device, self.seed, step, self.rank.index)
        sums = self._descent(player, step)
        gradients = [p.grad for p in player.parameters if p.grad is not None]
        if gradients:
            sums.weighted["norm"] = torch.linalg.vector_norm(torch.stack(torch._foreach_norm(gradients)))
        means, weight, outcome = self._means(sums, player, seconds, stop)
        if outcome.means is not None:
            turn = player.turns_before(step)
            if gradients:
                clip = 1.0 if plan.clip is None else min(1.0, plan.clip / max(means["norm"], 1e-12))
                # DDP left the mean over the ranks, of each rank's weighted sum
                means["lr"] = player.descend(clip * self.rank.count / weight, plan.schedule(turn, spent))
            if sums.statistics:
                with torch.no_grad():
                    self.model.objective.absorb(sums.statistics, step)
            if self.ema is not None and player is self.first:
                self.ema.update(turn)
        player.clear()
        return outcome

    def _descent(self, player: Player, step: int) -> _Sums:
        """Forward and backward over this rank's rows, a micro-batch at a time."""
        rows, augment, sums = self.order[step], self.model.plan.augment, _Sums()
        learns = player.optimizer is not None
        network = self.forward if learns else self.model
        for i, part in enumerate(self.parts):
            rng = Rng(self.seed, part.to(self.device), ("train", step))
            batch = self.examples[rows[part]].to(self.device)
            if augment is not None:
                batch = Batch(augment(batch.medium, rng.fork("augment")), batch.condition)
            apart = self.rank.count > 1 and i + 1 < len(self.parts)  # the ranks need meet only once a step
            with self.accelerator.no_sync(network) if apart else nullcontext(), torch.set_grad_enabled(learns):
                with autocast(self.precision, self.device):
                    losses = network(batch, rng, player.name)
                weighted = _weighted(losses)
                if learns:
                    self.accelerator.backward(weighted["loss"])
            sums.add(weighted, losses.statistics)
        if self.rank.count > 1:
            sums.statistics = {name: self.accelerator.reduce(value, "sum") for name, value in sums.statistics.items()}
        return sums

    def _means(self, sums: _Sums, player: Player, seconds: float, stop: bool) -> tuple[dict[str, float], float, Outcome]:
        """Sums over the ranks by their weight, in Python: the one place where a step waits for the device and the other ranks."""
        like = sums.weighted["loss"]
        checks = [value.sum().to(like) for value in sums.statistics.values()]
        vector = torch.stack([*sums.weighted.values(), *checks])
        if self.rank.count > 1:
            told = torch.tensor([seconds / self.rank.count, float(stop)], device=vector.device, dtype=vector.dtype)
            *values, seconds, stopped = self.accelerator.reduce(torch.cat([vector, told]), "sum").tolist()
            stop = stopped > 0
        else:
            values = vector.tolist()
        found = dict(zip(sums.weighted, values, strict=False))
        weight = found.pop("weight") or math.nan  # a batch without weight has no mean
        means = {name: value / weight for name, value in found.items()}
        must = [means["loss"], means.get("norm", 0.0), *values[len(sums.weighted) :]]
        return means, weight, Outcome(player.name, means if all(map(math.isfinite, must)) else None, stop, seconds)

    def _hand_turn_to(self, player: Player) -> None:
        """Only the turn's player asks for gradients; frozen models belong to nobody and never do."""
        if self._turn is not player:
            self.model.requires_grad_(False)
            for parameter in player.parameters:
                parameter.requires_grad_(True)
            self._turn = player


def seed_torch(device: torch.device, *name: Any) -> None:
    """Key torch's own generators, which serve nn.Dropout. (`torch.manual_seed` asks every backend there is: 0.2 ms a step.)"""
    key = int.from_bytes(hashlib.blake2b(repr(name).encode(), digest_size=8).digest(), "little") >> 1
    torch.default_generator.manual_seed(key)
    if device.type == "cuda":
        torch.cuda.manual_seed(key)


def _weighted(losses: Losses) -> dict[str, Tensor]:
    """Sums over rows of w l, for the loss, its terms and the metrics, and of w; never narrower than fp32."""
    total = losses.total
    total = total.float() if total.dtype in (torch.bfloat16, torch.float16) else total
    weight = torch.ones_like(total) if losses.weight is None else losses.weight.to(total.dtype)
    named = {name: (weight * value.detach().to(total.dtype)).sum() for name, value in (losses.terms | losses.metrics).items()}
    return named | {"loss": (weight * total).sum(), "weight": weight.sum()}
