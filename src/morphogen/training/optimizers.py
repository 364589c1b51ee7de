"""Players and their optimizers: torch optimizers with fused kernels, or ours, built from the plan.

A player is a group of parameters that one optimizer turn updates. Most models have one. A GAN has two, each
with its own optimizer and its own count of turns; a family with a closed-form fit (EM) has one without
parameters.
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
from morphogen.training.ema import Ema
from morphogen.training.fused_adam import FusedAdam


class Player:
    """One player: its parameters, its optimizer and its count of turns.

    Arguments:
        name: its name in `turns`.
        parameters: what its turns update; if empty, `optimizer` is None.
        spec: its optimizer in the plan.
        turns: the objective's cycle of turns.
    """

    def __init__(
        self, name: str, parameters: Sequence[nn.Parameter], spec: Component, turns: tuple[str, ...]
    ):
        self.name, self.parameters, self.turns = name, list(parameters), turns
        try:
            self.optimizer = _torch_optimizer(spec, self.parameters) if self.parameters else None
        except (ValueError, TypeError) as error:
            raise ConfigError(f"plan.optimizer, {spec}: {error}; give other values") from None
        self._fused = FusedAdam.of(self.optimizer)
        self._rates = [] if self.optimizer is None else [group["lr"] for group in self.optimizer.param_groups]

    def turns_before(self, step: int) -> int:
        """Number of this player's turns among the steps 0 .. step - 1."""
        cycles, rest = divmod(step, len(self.turns))
        return cycles * self.turns.count(self.name) + self.turns[:rest].count(self.name)

    def zero_grad(self) -> None:
        """Set the gradients to None."""
        for parameter in self.parameters:
            parameter.grad = None

    @torch.no_grad()
    def step(self, gradient_scale: float, lr_factor: float, turn: int = 0, ema: Ema | None = None) -> float:
        """One optimizer step, after which the average of its weights is updated; returns the learning rate.

        Arguments:
            gradient_scale, lr_factor: factors of the gradients and of the learning rate.
            turn: the number of the turn, for the average.
            ema: the average of this player's parameters, if there is one.

        Without parameters it does nothing and returns 0.
        """
        if self.optimizer is None:
            return 0.0
        for group, rate in zip(self.optimizer.param_groups, self._rates, strict=True):
            group["lr"] = rate * lr_factor
        if self._fused is not None:
            self._fused.step(gradient_scale, turn, ema)
        else:
            torch._foreach_mul_([p.grad for p in self.parameters if p.grad is not None], gradient_scale)
            self.optimizer.step()
            if ema is not None:
                ema.update(turn)
        return self._rates[0] * lr_factor

    def state(self) -> tuple[dict[str, Tensor], dict[str, Any]]:
        """The optimizer's state, as tensors and other values, keyed by `player/parameter/key`."""
        by_parameter = {} if self.optimizer is None else self.optimizer.state_dict()["state"]
        flat = {
            f"{self.name}/{i}/{key}": value
            for i, values in by_parameter.items()
            for key, value in values.items()
        }
        return (
            {k: v for k, v in flat.items() if isinstance(v, Tensor)},
            {k: v for k, v in flat.items() if not isinstance(v, Tensor)},
        )

    def restore(self, tensors: dict[str, Tensor], others: dict[str, Any]) -> None:
        """Load what `state` returned; entries of other players are ignored."""
        if self.optimizer is None:
            return
        by_parameter: dict[int, dict[str, Any]] = {}
        for path, value in (tensors | others).items():
            player, i, key = path.rsplit("/", 2)
            if player == self.name:
                by_parameter.setdefault(int(i), {})[key] = value
        self.optimizer.load_state_dict(
            {"state": by_parameter, "param_groups": self.optimizer.state_dict()["param_groups"]}
        )
        if self._fused is not None:
            self._fused.forget()


def players_of(model: Model) -> dict[str, Player]:
    """The model's players, the one that samples first; parameters of nested Boundaries are excluded."""
    own = {id(p) for p in owned(model)}
    turns = model.objective.turns
    players = {}
    for name, parameters in model.players().items():
        spec = model.plan.optimizer
        if isinstance(spec, dict) and name not in spec:
            raise ConfigError(
                f"plan.optimizer names {sorted(spec)}, but a player is {name!r}: give it an optimizer"
            )
        updated = [p for p in parameters if id(p) in own]
        players[name] = Player(name, updated, spec[name] if isinstance(spec, dict) else spec, turns)
    missing = sorted(set(turns) - players.keys())
    if missing:
        raise ConfigError(
            f"{type(model.objective).__name__}.turns names {missing}, but its players() are {sorted(players)}"
        )
    return players


def _torch_optimizer(spec: Component, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    # one kernel for all parameters: 0.5 ms, where the default loop takes 3 ms (40 tensors of 64 x 64)
    fused = all(p.device.type in ("cpu", "cuda") and p.is_floating_point() for p in parameters)
    if isinstance(spec, SGD):
        return torch.optim.SGD(
            parameters, lr=spec.lr, momentum=spec.momentum, weight_decay=spec.weight_decay, fused=fused
        )
    if isinstance(spec, Adam):
        return torch.optim.Adam(parameters, lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=fused)
    if isinstance(spec, AdamW):
        matrices, vectors = [p for p in parameters if p.ndim >= 2], [p for p in parameters if p.ndim < 2]
        groups = [
            {"params": matrices, "weight_decay": spec.weight_decay},
            {"params": vectors, "weight_decay": 0.0},
        ]
        return torch.optim.AdamW(
            [g for g in groups if g["params"]], lr=spec.lr, betas=spec.betas, eps=spec.eps, fused=fused
        )
    raise ConfigError(f"plan.optimizer is a {type(spec).__name__}: use SGD, Adam or AdamW")
