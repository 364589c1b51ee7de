r"""Distillation of a trained diffusion model into a student that samples in fewer steps.

    ProgressiveDistillation    one DDIM step of the student equals two of the teacher      Salimans & Ho 2022
    ConsistencyDistillation    the student maps x_t to the end of the teacher's ODE        Song et al. 2023

A distillation loss replaces the loss of `Diffusion`. The student is initialized from its teacher, network
and conditioner (`conditioning/frozen.py`), and remains a diffusion model: every sampler, guidance and the
bound apply as before. Samples are best with as few steps as were distilled.
"""

__all__ = ["ConsistencyDistillation", "DistillationLoss", "ProgressiveDistillation"]

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Losses, x_mask_of
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.samplers import ClippedDenoiser
from morphogen.numerics.masking import masked_mean
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


class DistillationLoss(Component, nn.Module, ABC):
    """Base class of distillation losses.

    Arguments:
        teacher: a Model of diffusion. It is a Boundary, and therefore frozen.
        steps: number of sampling steps of the student.

    Raises ConfigError for a teacher that isn't a diffusion model, or less than one step.
    """

    def __init__(self, teacher: Any, steps: int):
        super().__init__()
        if not hasattr(teacher.objective, "schedule"):
            raise ConfigError(
                f"{type(self).__name__}: the teacher must be a diffusion model, "
                f"not {type(teacher.objective).__name__}"
            )
        if steps < 1:
            raise ConfigError(f"{type(self).__name__}: steps must be at least 1, got {steps}")
        self.teacher, self.steps = teacher, steps

    @abstractmethod
    def losses(self, student: Any, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Losses:
        """Return the losses that replace the student's own."""

    def init_from_teacher(self, network: nn.Module) -> None:
        """Copy the teacher's weights to the student's network. Errors: ConfigError if they don't fit."""
        theirs, own = self.teacher.objective.network.state_dict(), network.state_dict()
        mismatched = [
            name
            for name in own.keys() | theirs.keys()
            if own.get(name, _MISSING).shape != theirs.get(name, _MISSING).shape
        ]
        if mismatched:
            raise ConfigError(
                f"the teacher's network differs from the student's ({min(mismatched)}): "
                "use a teacher of the same size and image shape"
            )
        network.load_state_dict(theirs)

    def _denoiser(self, context: Context | None) -> ClippedDenoiser:
        """The teacher's prediction, clipped to the data range as in sampling."""
        if (mask := x_mask_of(context)) is not None:
            self.teacher.objective.receive_mask(mask, context, Rng(0, len(mask)))
        return ClippedDenoiser(self.teacher.objective, context, "data")

    def _times(
        self, process: ForwardProcess, count: int, indices: Int[Tensor, "b k"]
    ) -> tuple[Real[Tensor, " b"], ...]:
        """The k times per row at `indices` of the process's grid of `count` intervals, which ends at 0."""
        grid = torch.tensor([*process.timesteps(count), 0], dtype=process.time_dtype, device=indices.device)
        return grid[indices].unbind(1)


class ProgressiveDistillation(DistillationLoss):
    r"""Progressive distillation: one DDIM step of the student from t to s replaces two of the teacher.

        loss = max(snr, 1) |x - x_0(x_t)|^2
        x    = (x_s - sigma_s / sigma_t x_t) / (alpha_s - sigma_s / sigma_t alpha_t)

    x_s is the end of the teacher's two steps, and x the x_0 with which a single step reaches x_s.

    Progressive distillation for fast sampling of diffusion models, Salimans & Ho, 2022, algorithm 2.

    Arguments:
        teacher: a Model of diffusion.
        steps: number of sampling steps of the student; the teacher takes twice as many.
    """

    def losses(self, student: Any, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Losses:
        process, teacher = student.schedule, self._denoiser(context)
        indices = 2 * rng.fork("t").integers(self.steps)[:, None] + torch.arange(3, device=x_0.device)
        t, m, s = self._times(process, 2 * self.steps, indices)
        x_t = process.diffuse(x_0, rng.fork("noise").normal(*x_0.shape[1:]), t)
        with torch.no_grad():
            x_m = teacher.ode_step(x_t, t, m)
            x_s = teacher.ode_step(x_m, m, s)
            target = self._target(process, x_t, t, x_s, s)
        error = masked_mean((target - student.predict(x_t, t, context).x_0).square(), x_mask_of(context))
        weight = process.ratio(t).pow(-2).clamp_min(1).to(error.dtype)
        return Losses({"progressive": weight * error})

    def _target(self, process: ForwardProcess, x_t: Tensor, t: Tensor, x_s: Tensor, s: Tensor) -> Tensor:
        """The x_0 with which a DDIM step leads from x_t to x_s."""
        alpha_t, sigma_t = process.alpha_sigma(t)
        alpha_s, sigma_s = process.alpha_sigma(s)
        ratio = sigma_s / sigma_t
        scale = alpha_s - ratio * alpha_t
        ratio, scale = (expand_like(c.to(x_t.dtype), x_t) for c in (ratio, scale))
        return (x_s - ratio * x_t) / scale


class ConsistencyDistillation(DistillationLoss):
    r"""Consistency distillation: the student maps every point of an ODE trajectory to its end.

        loss = |f(x_t) - x|^2,     x the end of the teacher's DDIM steps from x_t to t = 0

    Consistency models, Song, Dhariwal, Chen & Sutskever, 2023, definition 1. Their algorithm 2 takes one
    teacher step and bootstraps the rest from an exponential moving average of the student. With training of
    a few hundred steps, bootstrapped targets diverged; integrating the teacher to t = 0 costs more of its
    calls and is stable (several steps of the teacher: Multistep consistency models, Heek, Hoogeboom &
    Salimans 2024).

    Arguments:
        teacher: a Model of diffusion.
        steps: number of steps of the whole trajectory.
    """

    def losses(self, student: Any, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Losses:
        process, teacher = student.schedule, self._denoiser(context)
        first = rng.fork("t").integers(self.steps)  # index of t in the grid
        (t,) = self._times(process, self.steps, first[:, None])
        x_t = process.diffuse(x_0, rng.fork("noise").normal(*x_0.shape[1:]), t)
        with torch.no_grad():
            x = x_t
            for i, (start, end) in enumerate(pairwise([*process.timesteps(self.steps), 0])):
                x_end = teacher.ode_step(x, process.full_time(start, x), process.full_time(end, x))
                x = torch.where(expand_like(first <= i, x), x_end, x)
        error = masked_mean((student.predict(x_t, t, context).x_0 - x).square(), x_mask_of(context))
        return Losses({"consistency": error})


_MISSING = torch.empty(0, 0)  # compared by shape with missing weights
