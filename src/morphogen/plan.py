"""How a system is trained, in numbers: optimiser, schedule, batch, averages. `training/` carries the plan out.

A system's page holds these beside its widths, so that the config of a run says how it came about, and
`--set plan.optimizer.lr=1e-3` reaches them like any other number.
"""

__all__ = ["SGD", "Adam", "AdamW", "Augmentation", "Constant", "Cosine", "Flip", "InverseRoot", "Plan", "Schedule", "Shift"]

import math
from abc import ABC, abstractmethod

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.component import Component, ConfigError
from morphogen.numerics.randomness import Rng


class SGD(Component):
    """Stochastic gradient descent with momentum (Polyak 1964).

    Arguments:
        lr: learning rate.
        momentum: share of the last step that the next one keeps, in [0, 1).
        weight_decay: added to the gradient, times the weights.
    """

    def __init__(self, lr: float, momentum: float = 0.0, weight_decay: float = 0.0):
        self.lr, self.momentum, self.weight_decay = lr, momentum, weight_decay


class Adam(Component):
    """Adam (Kingma & Ba 2015).

    Arguments:
        lr: learning rate.
        betas: decay of the averages of the gradient and of its square, each in [0, 1).
        eps: added to the root of the latter.
    """

    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8):
        self.lr, self.betas, self.eps = lr, betas, eps


class AdamW(Component):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019); vectors (biases, gains) are not decayed.

    Arguments:
        lr, betas, eps: as of `Adam`.
        weight_decay: share of a weight that goes each step, times lr.
    """

    def __init__(self, lr: float = 1e-3, betas: tuple[float, float] = (0.9, 0.999), eps: float = 1e-8, weight_decay: float = 0.01):
        self.lr, self.betas, self.eps, self.weight_decay = lr, betas, eps, weight_decay


class Schedule(Component, ABC):
    """A factor on the learning rate. `turn` counts the player's own turns, `progress` in [0, 1] the budget spent."""

    @abstractmethod
    def __call__(self, turn: int, progress: float) -> float: ...


class Constant(Schedule):
    """1, after a linear warm-up.

    Arguments:
        warmup: turns that it takes.
    """

    def __init__(self, warmup: int = 0):
        self.warmup = warmup

    def __call__(self, turn: int, progress: float) -> float:
        return min(1.0, (turn + 1) / (self.warmup + 1))


class Cosine(Schedule):
    """Half a cosine over the budget (Loshchilov & Hutter 2017), after a linear warm-up.

    Arguments:
        warmup: turns that it takes.
        floor: where the cosine ends; it begins at 1.
    """

    def __init__(self, warmup: int = 0, floor: float = 0.0):
        self.warmup, self.floor = warmup, floor

    def __call__(self, turn: int, progress: float) -> float:
        decay = 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))
        return min(1.0, (turn + 1) / (self.warmup + 1)) * (self.floor + (1 - self.floor) * decay)


class InverseRoot(Schedule):
    """sqrt(warmup / turn), after a linear warm-up to 1 (Vaswani et al. 2017, section 5.3; their peak is (width warmup)^-1/2).

    Arguments:
        warmup: turns that it takes, at least 1.
    """

    def __init__(self, warmup: int):
        if warmup < 1:
            raise ConfigError(f"InverseRoot: warmup {warmup} is below 1")
        self.warmup = warmup

    def __call__(self, turn: int, progress: float) -> float:
        return min((turn + 1) / self.warmup, math.sqrt(self.warmup / (turn + 1)))


class Augmentation(Component, ABC):
    """A random change of the medium that keeps its meaning."""

    @abstractmethod
    def __call__(self, medium: Shaped[Tensor, " b *x"], rng: Rng) -> Shaped[Tensor, " b *x"]: ...


class Flip(Augmentation):
    """Mirror pictures left to right with probability 1/2."""

    def __call__(self, medium: Float[Tensor, "b c h w"], rng: Rng) -> Float[Tensor, "b c h w"]:
        return torch.where(rng.uniform(1, 1, 1) < 0.5, medium.flip(-1), medium)


class Shift(Augmentation):
    """Move pictures, the border value -1 (ground) moving in.

    Arguments:
        pixels: how far at the most, each way.
    """

    def __init__(self, pixels: int):
        self.pixels = pixels

    def __call__(self, medium: Float[Tensor, "b c h w"], rng: Rng) -> Float[Tensor, "b c h w"]:
        b, _, h, w = medium.shape
        padded = torch.nn.functional.pad(medium, (self.pixels,) * 4, value=-1.0)
        dy, dx = rng.integers(2 * self.pixels + 1, 2).unbind(1)
        rows = dy[:, None] + torch.arange(h, device=medium.device)
        columns = dx[:, None] + torch.arange(w, device=medium.device)
        at = torch.arange(b, device=medium.device)[:, None, None]
        return padded[at, :, rows[:, :, None], columns[:, None, :]].permute(0, 3, 1, 2)


class Plan(Component):
    """The numbers of a training.

    Arguments:
        optimizer: one for all players, or `{player: optimizer}`.
        batch: rows of one step, over all ranks and micro-batches; 0: the whole data set (EM).
        schedule: of the learning rate.
        ema: decay of the averaged weights that sample (0: none), warmed up as min(ema, (1 + s) / (10 + s)).
        clip: largest norm of the gradient (None: any).
        accumulate: micro-batches of one step; the gradient is that of the whole batch.
        augment: a random change of each example.
        rounds: cycles of turns after which nothing is left to learn (every n-gram is counted, EM has converged), whatever budget
            is left; None: as many as the budget allows.

    Raises ConfigError for numbers out of range.
    """

    def __init__(
        self, optimizer: Component | dict[str, Component], batch: int = 64, schedule: Schedule | None = None, ema: float = 0.0,
        clip: float | None = None, accumulate: int = 1, augment: Augmentation | None = None, rounds: int | None = None,
    ):  # fmt: skip
        if batch < 0 or accumulate < 1 or not 0 <= ema < 1 or not (clip is None or clip > 0) or not (rounds is None or rounds > 0):
            got = f"batch={batch}, ema={ema:g}, clip={clip}, accumulate={accumulate}, rounds={rounds}"
            raise ConfigError(f"Plan needs batch >= 0, 0 <= ema < 1, clip > 0, accumulate >= 1, rounds >= 1; got {got}")
        self.optimizer, self.batch, self.ema, self.clip = optimizer, batch, ema, clip
        self.schedule = schedule if schedule is not None else Constant()
        self.accumulate, self.augment, self.rounds = accumulate, augment, rounds
