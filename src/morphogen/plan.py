"""Training hyperparameters of a model: optimizer, schedule, batch size, weight averaging, augmentation.

A plan is plain data that `training/` executes. It is defined on the system's page beside the network's widths
and saved in the config, so that `--set plan.optimizer.lr=1e-3` reaches it like any other number.
"""

__all__ = [
    "SGD",
    "Adam",
    "AdamW",
    "Augmentation",
    "Constant",
    "Cosine",
    "Flip",
    "InverseRoot",
    "Plan",
    "Schedule",
    "Shift",
]

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.numerics.randomness import Rng
from morphogen.numerics.translation import translated
from morphogen.numerics.trees import Tree


class SGD(Component):
    """Stochastic gradient descent with momentum (Polyak 1964).

    Arguments:
        lr: learning rate.
        momentum: fraction of the previous step that is kept, in [0, 1).
        weight_decay: L2 coefficient, added to the gradient as weight_decay * weights.
    """

    def __init__(self, lr: float, momentum: float = 0.0, weight_decay: float = 0.0):
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay


class Adam(Component):
    """Adam (Kingma & Ba 2015).

    Arguments:
        lr: learning rate.
        betas: decay rates of the first and second moment estimates, each in [0, 1).
        eps: added to the denominator.
    """

    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
        self.lr, self.betas, self.eps = lr, betas, eps


class AdamW(Component):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019); biases and gains are not decayed.

    Arguments:
        lr, betas, eps: see `Adam`.
        weight_decay: each step shrinks the weights by lr * weight_decay.
    """

    def __init__(
        self,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0.01,
    ):
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay


class Schedule(Component, ABC):
    """A factor on the learning rate.

    `turn` is the player's own optimizer step, `progress` the fraction of the budget used, in [0, 1].
    """

    @abstractmethod
    def __call__(self, turn: int, progress: float) -> float: ...


class Constant(Schedule):
    """A constant learning rate after a linear warm-up.

    Arguments:
        warmup: warm-up steps.
    """

    def __init__(self, warmup: int = 0):
        self.warmup = warmup

    def __call__(self, turn: int, progress: float) -> float:
        return min(1.0, (turn + 1) / (self.warmup + 1))


class Cosine(Schedule):
    """Cosine decay over the budget (Loshchilov & Hutter 2017), after a linear warm-up.

    Arguments:
        warmup: warm-up steps.
        floor: final factor; the initial one is 1.
    """

    def __init__(self, warmup: int = 0, floor: float = 0.0):
        self.warmup, self.floor = warmup, floor

    def __call__(self, turn: int, progress: float) -> float:
        decay = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return min(1.0, (turn + 1) / (self.warmup + 1)) * (self.floor + (1 - self.floor) * decay)


class InverseRoot(Schedule):
    """Inverse square-root decay, sqrt(warmup / turn), after a linear warm-up to 1.

    Vaswani et al. 2017, section 5.3, whose peak learning rate is (width * warmup)^-1/2.

    Arguments:
        warmup: warm-up steps, at least 1.
    """

    def __init__(self, warmup: int):
        if warmup < 1:
            raise ConfigError(f"InverseRoot: warmup {warmup} is below 1")
        self.warmup = warmup

    def __call__(self, turn: int, progress: float) -> float:
        return min((turn + 1) / self.warmup, math.sqrt(self.warmup / (turn + 1)))


class Augmentation(Component, ABC):
    """A random transformation of the training examples that preserves their meaning."""

    @abstractmethod
    def __call__(self, medium: Tree, rng: Rng) -> Tree: ...


class Flip(Augmentation):
    """Mirror pictures left to right with probability 1/2."""

    def __call__(self, medium: Float[Tensor, "b c h w"], rng: Rng) -> Float[Tensor, "b c h w"]:
        return torch.where(rng.uniform(1, 1, 1) < 0.5, medium.flip(-1), medium)


class Shift(Augmentation):
    """Shift pictures by a random offset, padding with the background value -1.

    Arguments:
        pixels: largest offset in each direction.
    """

    def __init__(self, pixels: int):
        self.pixels = pixels

    def __call__(self, medium: Float[Tensor, "b c h w"], rng: Rng) -> Float[Tensor, "b c h w"]:
        dy, dx = (self.pixels - rng.integers(2 * self.pixels + 1, 2)).unbind(1)
        return translated(medium, dy, dx, (self.pixels, self.pixels), background=-1.0)


class Plan(Component):
    """Training hyperparameters.

    Arguments:
        optimizer: one for all players, or `{player: optimizer}`.
        batch: rows per step, over all ranks and micro-batches; 0: the whole data set (EM), in as many more
            micro-batches as keep each below 4,096 rows, unless the rows are coupled.
        schedule: of the learning rate; None: constant.
        ema: decay of the exponential moving average of the weights that is used for sampling, warmed up as
            min(ema, (1 + s) / (10 + s)); 0: no averaging.
        clip: largest gradient norm; None: no clipping.
        accumulate: micro-batches per step; the gradient equals that of the whole batch.
        augment: random transformation of each example; None: none.
        rounds: cycles of turns after which training is complete whatever the budget (counting n-grams,
            converged EM);
            None: train until the budget is spent.

    Errors: ConfigError for values out of range.
    """

    def __init__(
        self,
        optimizer: Component | dict[str, Component],
        batch: int = 64,
        schedule: Schedule | None = None,
        ema: float = 0.0,
        clip: float | None = None,
        accumulate: int = 1,
        augment: Augmentation | None = None,
        rounds: int | None = None,
    ):
        valid = batch >= 0 and accumulate >= 1 and 0 <= ema < 1
        if not valid or (clip is not None and not clip > 0) or (rounds is not None and not rounds > 0):
            got = f"batch={batch}, ema={ema:g}, clip={clip}, accumulate={accumulate}, rounds={rounds}"
            raise ConfigError(
                f"Plan needs batch >= 0, 0 <= ema < 1, clip > 0, accumulate >= 1, rounds >= 1; got {got}"
            )
        self.optimizer, self.batch, self.ema, self.clip = optimizer, batch, ema, clip
        self.schedule = schedule if schedule is not None else Constant()
        self.accumulate, self.augment, self.rounds = accumulate, augment, rounds
