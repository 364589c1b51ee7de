"""Players and their optimisers: the plan's numbers become torch's fused kernels, and their state becomes plain tensors.

A player is whose parameters a turn moves. Most models have one; a GAN has two, each with its own optimiser and its own count
of turns; a closed-form family (EM) has one with nothing to descend.
"""

__all__ = ["Player", "players_of"]

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import owned
from morphogen.model import Model
from morphogen.plan import SGD, Adam, AdamW


class Player:
    """One player of a training.

    Arguments:
        name: as it stands in `turns`.
        parameters: what its turns move; none: nothing to descend, `optimizer` is None.
        spec: the plan's optimiser for it.
        turns: the objective's cycle of turns.
    """

    def __init__(self, name: str, parameters: Sequence[nn.Parameter], spec: Component, turns: tuple[str, ...]):
        self.name, self.parameters, self.turns = name, list(parameters), turns
        try:
            self.optimizer = _optimizer(spec, self.parameters) if self.parameters else None
        except (ValueError, TypeError) as error:
            raise ConfigError(f"plan.optimizer, {spec}: {error}; give other numbers") from None
        self._rates = [] if self.optimizer is None else [group["lr"] for group in self.optimizer.param_groups]

    def turns_before(self, step: int) -> int:
        """How many of the steps 0 .. step-1 were this player's."""
        cycles, rest = divmod(step, len(self.turns))
        return cycles * self.turns.count(self.name) + self.turns[:rest].count(self.name)

    def clear(self) -> None:
        """Forget the gradients."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def descend(self, scale: float, factor: float) -> float:
        """One step along `scale` times the gradients at `factor` times the plan's rate; returns that rate (0: none)."""
        if self.optimizer is None:
            return 0.0
        torch._foreach_mul_([p.grad for p in self.parameters if p.grad is not None], scale)
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * factor
        self.optimizer.step()
        return self._rates[0] * factor

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The optimiser's memory: its tensors, and its other values, by `player/parameter/key`."""
        memory = {} if self.optimizer is None else self.optimizer.state_dict()["state"]
        flat = {f"{self.name}/{i}/{key}": value for i, of in memory.items() for key, value in of.items()}
        return (
            {k: v for k, v in flat.items() if isinstance(v, Tensor)},
            {k: v for k, v in flat.items() if not isinstance(v, Tensor)},
        )

    def restore(self, tensors: dict[str, Tensor], others: dict[str, Any]) -> None:
        """Take back what `state` gave (all players' together; this one picks its own)."""
        if self.optimizer is None:
            return
        memory: dict[int, dict[str, Any]] = {}
        for path, value in (tensors | others).items():
            player, i, key = path.rsplit("/", 2)
            if player == self.name:
                memory.setdefault(int(i), {})[key] = value
        self.optimizer.load_state_dict({"state": memory, "param_groups": self.optimizer.state_dict()["param_groups"]})


def players_of(model: Model) -> dict[str, Player]:
    """The model's players, the one that samples first; nothing behind a nested Boundary is ever among their parameters."""
    own = {id(p) for p in owned(model)}
    turns = model.objective.turns
    players = {}
    for name, parameters in model.players().items():
        plan = model.plan.optimizer
        if isinstance(plan, dict) and name not in plan:
            raise ConfigError(f"plan.optimizer names {sorted(plan)}, but the model's player is {name!r}; give it an optimiser")
        kept = [p for p in parameters if id(p) in own]
        players[name] = Player(name, kept, plan[name] if isinstance(plan, dict) else plan, turns)
    missing = sorted(set(turns) - players.keys())
    if missing:
        raise ConfigError(f"{type(model.objective).__name__}.turns names {missing}; players() knows {sorted(players)}")
    return players


def _optimizer(spec: Component, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    # one kernel for all parameters: 0.5 ms where the plain loop takes 3 (40 tensors of 64 x 64)
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
    if isinstance(spec, SGD):
        return torch.optim.SGD(parameters, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay, fused=fused)
    if isinstance(spec, Adam):
        return torch.optim.Adam(parameters, lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=fused)
    if isinstance(spec, AdamW):
        matrices, vectors = [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]
        groups = [{"params": matrices, "weight_decay": spec.weight_decay}, {"params": vectors, "weight_decay": 0.0}]
        return torch.optim.AdamW([g for g in groups if g["params"]], lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=fused)
    raise ConfigError(f"plan.optimizer is a {type(spec).__name__}; choose SGD, Adam or AdamW")
