r"""From noise to data along a descending grid of times T = t_1 > ... > t_n > 0: one call of the network a step.

    DDPM   x_s ~ N(mean of q(x_s | x_t, x_0), variance)                                 ancestral, as trained
    DDIM   x_s = alpha_s x_0 + sqrt(sigma_s^2 - c^2) eps + c z,  c = eta sd(q(x_s | x_t, x_0))   deterministic at eta = 0

with x_0 and eps what the network makes of x_t. The base owns the loop and the grid, a sampler one step of maths. The last step
goes to t = 0, where both say: x_0 itself. (Ho, Jain & Abbeel 2020; Song, Meng & Ermon 2021.)
"""

__all__ = ["DDIM", "DDPM", "DiffusionSampler"]

from abc import abstractmethod
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like


class DiffusionSampler(Sampler):
    """The loop from noise to data.

    Arguments:
        steps: calls of the network, in 1 .. T, evenly spaced with T among them; or the times themselves, descending in T .. 1;
            None: all T.
        clip: largest |x_0| the network may claim (None: any); its eps is then the one that fits the clipped x_0.
    """

    def __init__(self, steps: int | tuple[int, ...] | None = None, clip: float | None = 1.0):
        self.steps, self.clip = steps, clip

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        x = rng.fork("start").normal(*shape)
        for i, (time, following) in enumerate(pairwise(self.grid(objective.schedule.steps))):
            t, s = (torch.full((len(x),), at, device=x.device) for at in (time, following))
            x_0, eps = objective.denoise(x, t, context)
            if self.clip is not None:
                x_0 = x_0.clamp(-self.clip, self.clip)
                eps = (x - expand_like(objective.schedule.alpha(t), x) * x_0) / expand_like(objective.schedule.sigma(t), x)
            x = self.step(objective, x, x_0, eps, t, s, rng.fork("step", i)) if following else x_0
        return x

    @abstractmethod
    def step(
        self, objective: Any, x_t: Float[Tensor, "b ..."], x_0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."],
        t: Int[Tensor, " b"], s: Int[Tensor, " b"], rng: Rng,
    ) -> Float[Tensor, "b ..."]:  # fmt: skip
        """x_s, for 0 < s < t."""

    def grid(self, last: int) -> list[int]:
        """The times of the chain, from T = `last` down to 0."""
        steps = last if self.steps is None else self.steps
        if isinstance(steps, int):
            times = [round(last * (steps - i) / steps) for i in range(steps)] if 1 <= steps <= last else []
        else:
            times = list(steps)
        if not times or times[0] > last or any(t <= s for t, s in pairwise([*times, 0])):
            raise ConfigError(f"{type(self).__name__}: steps must be 1 .. {last}, or times that descend from at most {last} to at least 1")
        return [*times, 0]


class DDPM(DiffusionSampler):
    """The chain as it was trained, or every k-th of its steps (Ho, Jain & Abbeel 2020, algorithm 2; Nichol & Dhariwal 2021, section 4).

    The variance of a step is the objective's ("beta" or "posterior").
    """

    def step(
        self, objective: Any, x_t: Float[Tensor, "b ..."], x_0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."],
        t: Int[Tensor, " b"], s: Int[Tensor, " b"], rng: Rng,
    ) -> Float[Tensor, "b ..."]:  # fmt: skip
        q = objective.schedule.posterior(s, t)
        variance = q.beta if objective.variance == "beta" else q.posterior
        mean = expand_like(q.on_x_t, x_t) * x_t + expand_like(q.on_x_0, x_t) * x_0
        return mean + expand_like(variance.sqrt(), x_t) * rng.normal(*x_t.shape[1:])


class DDIM(DiffusionSampler):
    """Far fewer steps of a chain with the same marginals (Denoising diffusion implicit models, Song, Meng & Ermon 2021, eq. 12).

    Arguments:
        steps, clip: as of every `DiffusionSampler`.
        eta: 0 is deterministic given the starting noise, 1 is DDPM with the posterior variance.
    """

    def __init__(self, steps: int | tuple[int, ...] | None = 50, eta: float = 0.0, clip: float | None = 1.0):
        super().__init__(steps, clip)
        self.eta = eta

    def step(
        self, objective: Any, x_t: Float[Tensor, "b ..."], x_0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."],
        t: Int[Tensor, " b"], s: Int[Tensor, " b"], rng: Rng,
    ) -> Float[Tensor, "b ..."]:  # fmt: skip
        alpha, sigma = objective.schedule.alpha(s), objective.schedule.sigma(s)
        c = self.eta * objective.schedule.posterior(s, t).posterior.sqrt()
        x = expand_like(alpha, x_t) * x_0 + expand_like((sigma.square() - c.square()).clamp_min(0).sqrt(), x_t) * eps
        return x + expand_like(c, x_t) * rng.normal(*x_t.shape[1:]) if self.eta else x
