r"""Langevin dynamics: a Markov chain whose stationary distribution is p(x) = exp(-E(x)) / Z.

    x <- x - (lambda / 2) grad E(x) + sqrt(lambda) z,    z ~ N(0, I)

In the limit of small steps the chain samples p exactly, whatever Z (Roberts & Tweedie 1996, "Exponential
convergence of Langevin distributions and their discrete approximations"). For E = |x|^2 / 2 its variance is
1 / (1 - lambda / 4) instead of 1.

In practice the noise is far smaller than sqrt(lambda): the chain then samples exp(-E / T) at a low
temperature T = noise^2 / lambda, and the energy learns to be right at that one (Du & Mordatch 2019).
"""

__all__ = ["Langevin"]

import math
from collections.abc import Callable
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler
from morphogen.numerics.randomness import Rng

Score = Callable[[Tensor, Context | None], Tensor]


class Langevin(Sampler):
    """Langevin dynamics of a number of steps (Welling & Teh 2011; Du & Mordatch 2019, algorithm 1).

    Arguments:
        steps: gradients of the energy, at least 1.
        step_size: lambda, above 0, in units of x squared.
        noise: standard deviation of the noise of a step, at least 0; None: sqrt(step_size), which samples
            the model's own distribution.
        clip: largest absolute entry of a gradient, above 0; None: no limit.
        bound: entries of x are kept in [-bound, bound]; None: they are not.
        begin: "chains" continues chains of the training, if the model has kept them; "noise" starts at noise.

    Errors: ConfigError for arguments out of range, and for an energy that is not finite.
    """

    requires = "energy"

    def __init__(
        self,
        steps: int = 60,
        step_size: float = 0.01,
        noise: float | None = None,
        clip: float | None = None,
        bound: float | None = None,
        begin: Literal["chains", "noise"] = "chains",
    ):
        positive = {"step_size": step_size, "clip": clip, "bound": bound}
        for name, value in positive.items():
            if value is not None and not 0 < value < math.inf:
                raise ConfigError(f"Langevin: {name}={value:g}: give a number above 0, such as 0.01")
        if steps < 1 or (noise is not None and not 0 <= noise < math.inf):
            raise ConfigError(f"Langevin: steps={steps}, noise={noise}: give steps >= 1 and noise >= 0")
        self.steps, self.step_size, self.noise = steps, step_size, noise
        self.clip, self.bound, self.begin = clip, bound, begin

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        x = objective.start.noise(shape, rng.fork("begin"))
        if self.begin == "chains":
            x = objective.start.continued(x, context, rng.fork("chain"))
        x = self.run(objective.predict, x, context, rng)
        if not bool(x.isfinite().all()):
            rows = int((~x.flatten(1).isfinite().all(1)).sum())
            raise ConfigError(
                f"Langevin: {rows} of {len(x)} chains leave every bound: the energy is not finite there; "
                "give a smaller step_size or a clip, or train with a lower learning rate"
            )
        return x

    @torch.no_grad()
    def run(
        self, score: Score, x: Float[Tensor, "b ..."], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        """The chain after `steps` steps from x; `score(x, context)` is -grad E."""
        noise = math.sqrt(self.step_size) if self.noise is None else self.noise
        for i in range(self.steps):
            drift = score(x, context)
            drift = drift if self.clip is None else drift.clamp(-self.clip, self.clip)
            x = x + 0.5 * self.step_size * drift + noise * rng.fork("step", i).normal(*x.shape[1:]).to(x)
            x = x if self.bound is None else x.clamp(-self.bound, self.bound)
        return x
