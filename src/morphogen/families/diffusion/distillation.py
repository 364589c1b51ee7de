r"""Few steps: a student learns to say in one call what its teacher, a trained diffusion, says in several.

    halved        one straight step of the student from t to s goes where two of the teacher's go, over m between them
    consistency   what the student makes of x_t is where the teacher's steps lead from there: all points of a curve have one end

(Progressive distillation, Salimans & Ho 2022; consistency models, Song, Dhariwal, Chen & Sutskever 2023.) A lesson takes the place of the
loss of `Diffusion`; the student begins as its teacher, network and conditioner (`conditioning/taught.py`), and stays a diffusion: every
sampler, guidance and the bound work as before, best in as few steps as were taught.
"""

__all__ = ["Consistency", "Halved", "Lesson"]

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context, Losses
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.samplers import Denoiser
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


class Lesson(Component, nn.Module, ABC):
    """What a student learns of its teacher.

    Arguments:
        teacher: a Model of diffusion, a Boundary: frozen by ownership.
        steps: that are taught.

    Raises ConfigError for a teacher that is no diffusion, or no step.
    """

    def __init__(self, teacher: Any, steps: int):
        super().__init__()
        if not hasattr(teacher.objective, "denoise"):
            raise ConfigError(f"a {type(teacher.objective).__name__} takes no noise away; let a trained diffusion be the teacher")
        if steps < 1:
            raise ConfigError(f"{type(self).__name__}: steps is {steps}; teach at least 1")
        self.teacher, self.steps = teacher, steps

    @abstractmethod
    def losses(self, student: Any, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Losses:
        """In the place of the student's own."""

    def begin(self, network: nn.Module) -> None:
        """Give the student its teacher's weights. Errors: ConfigError where they do not fit."""
        theirs, own = self.teacher.objective.network.state_dict(), network.state_dict()
        if wrong := [name for name in own.keys() | theirs.keys() if own.get(name, _NONE).shape != theirs.get(name, _NONE).shape]:
            raise ConfigError(f"the teacher has another network ({min(wrong)}); take a run of the same size on pictures of the same shape")
        network.load_state_dict(theirs)

    def _denoiser(self, context: Context | None) -> Denoiser:
        """The teacher as it samples."""
        return Denoiser(self.teacher.objective, context, self.teacher.objective.decoder.bound)

    def _times(self, process: ForwardProcess, count: int, at: Int[Tensor, "b k"]) -> tuple[Real[Tensor, " b"], ...]:
        """The times at those places of a grid of so many intervals down to 0."""
        grid = torch.tensor([*process.times(count), 0], dtype=process.clock, device=at.device)
        return grid[at].unbind(1)


class Halved(Lesson):
    r"""Two of the teacher's straight steps in one (Progressive distillation for fast sampling, Salimans & Ho 2022, algorithm 2).

        loss = max(snr, 1) |x - x_0(x_t)|^2,     x = (x_s - sigma_s / sigma_t x_t) / (alpha_s - sigma_s / sigma_t alpha_t)

    with x_s where the teacher arrives: x is the picture that a single step to x_s would have to claim.

    Arguments:
        teacher: a Model of diffusion.
        steps: of the student; of the teacher they were twice as many.
    """

    def losses(self, student: Any, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Losses:
        process, teacher = student.schedule, self._denoiser(context)
        at = 2 * rng.fork("t").integers(self.steps)[:, None] + torch.arange(3, device=x_0.device)
        t, m, s = self._times(process, 2 * self.steps, at)
        x_t = process.diffuse(x_0, rng.fork("noise").normal(*x_0.shape[1:]), t)
        with torch.no_grad():
            x_s = teacher.straight(teacher.straight(x_t, t, m), m, s)
            (alpha_t, sigma_t), (alpha_s, sigma_s) = process.levels(t), process.levels(s)
            shrink = sigma_s / sigma_t
            kept, scale = (expand_like(c.to(x_t.dtype), x_t) for c in (shrink, alpha_s - shrink * alpha_t))
            claimed = (x_s - kept * x_t) / scale
        error = (claimed - student.denoise(x_t, t, context).x_0).square().flatten(1).mean(1)
        return Losses({"halved": process.ratio(t).pow(-2).clamp_min(1).to(error.dtype) * error})


class Consistency(Lesson):
    r"""One picture for all points of a curve: its end (Consistency models, Song, Dhariwal, Chen & Sutskever 2023, definition 1).

        loss = |f(x_t) - x|^2,     x where the teacher's straight steps lead from x_t

    The paper's algorithm 2 takes the first of these steps and lets the student guess the rest, by weights that follow its own slowly. In a
    few hundred steps of training such guesses ran away with each other; to walk to the end costs some calls of the teacher, and cannot
    (several steps of the teacher: Heek, Hoogeboom & Salimans 2024, Multistep consistency models).

    Arguments:
        teacher: a Model of diffusion.
        steps: of the whole curve.
    """

    def losses(self, student: Any, x_0: Float[Tensor, "b ..."], context: Context | None, rng: Rng) -> Losses:
        process, teacher, first = student.schedule, self._denoiser(context), rng.fork("t").integers(self.steps)
        (t,) = self._times(process, self.steps, first[:, None])
        x_t = process.diffuse(x_0, rng.fork("noise").normal(*x_0.shape[1:]), t)
        with torch.no_grad():
            x = x_t
            for i, (above, below) in enumerate(pairwise([*process.times(self.steps), 0])):
                further = teacher.straight(x, process.moment(above, x), process.moment(below, x))
                x = torch.where(expand_like(first <= i, x), further, x)
        return Losses({"consistency": (student.denoise(x_t, t, context).x_0 - x).square().flatten(1).mean(1)})


_NONE = torch.empty(0, 0)  # the shape of what is missing
