r"""From noise to data along a descending grid of times last = t_1 > ... > t_n > 0: one call of the network an interval.

    DDPM    x_s ~ N(mean of q(x_s | x_t, x_0), variance)                                  ancestral, as trained
    DDIM    x_s = alpha_s x_0 + sqrt(sigma_s^2 - c^2) eps + c z,  c = eta sd(q(x_s | x_t, x_0))   deterministic at eta = 0
    Euler   x_s = alpha_s x_0 + sigma_s eps                                               of the probability flow

with x_0 and eps what the network makes of x_t. The base owns the loop, the grid and the count of calls, a sampler one interval of maths
(more of them in `solvers.py`). The last interval ends at t = 0, where all say: x_0 itself.
(Ho, Jain & Abbeel 2020; Song, Meng & Ermon 2021; Karras et al. 2022.)
"""

__all__ = ["DDIM", "DDPM", "Denoiser", "DiffusionSampler", "Euler", "Interval", "MultistepConsistency"]

from abc import abstractmethod
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

from jaxtyping import Float, Real
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler, Unsupported
from morphogen.families.diffusion.grids import TimeGrid
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.targets import Denoised
from morphogen.families.diffusion.thresholds import DynamicThreshold
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

Clip = float | DynamicThreshold | None


class Denoiser:
    """What the network makes of x_t for one context, within where data may lie.

    Arguments:
        objective: of diffusion.
        context: of its network.
        clip: largest |x_0| the network may claim, or how it is brought there (None: any); its eps is the one that fits the clipped x_0.
    """

    def __init__(self, objective: Any, context: Context | None, clip: Clip):
        self.objective, self.context, self.clip = objective, context, clip
        self.process: ForwardProcess = objective.schedule

    def __call__(self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"]) -> Denoised:
        """x_0 and eps of x_t. One call."""
        found = self.objective.denoise(x_t, t, self.context)
        if self.clip is None:
            return found
        x_0 = self.clip(found.x_0) if isinstance(self.clip, DynamicThreshold) else found.x_0.clamp(-self.clip, self.clip)
        eps = (x_t - expand_like(self.process.alpha(t), x_t) * x_0) / expand_like(self.process.sigma(t), x_t)
        return Denoised(x_0, eps, found.share)

    def straight(self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], s: Real[Tensor, " b"]) -> Float[Tensor, "b ..."]:
        """x_s by one straight step of the probability flow: what `Euler` does, and DDIM at eta = 0."""
        found = self(x_t, t)
        return self.process.diffuse(found.x_0, found.eps, s)


@dataclass(frozen=True)
class Interval:
    """One interval of the grid, from t to s < t: where x stands, what the network makes of it, and what it made before.

    Arguments:
        t, s: its ends, 0 < s.
        x: x_t.
        found: of x_t.
        before: t and x_0 of the interval before, None at the first.
        calls: further calls of the network it may make.
        rng: its noise.
    """

    t: Real[Tensor, " b"]
    s: Real[Tensor, " b"]
    x: Float[Tensor, "b ..."]
    found: Denoised
    before: tuple[Real[Tensor, " b"], Float[Tensor, "b ..."]] | None
    calls: int
    rng: Rng

    @property
    def x_0(self) -> Float[Tensor, "b ..."]:
        """What the network takes the data for."""
        return self.found.x_0

    @property
    def eps(self) -> Float[Tensor, "b ..."]:
        """What it takes the noise for."""
        return self.found.eps


class DiffusionSampler(Sampler):
    """The loop from noise to data.

    Arguments:
        steps: calls of the network; or the times themselves, descending from at most the last; None: every step of a chain.
        clip: largest |x_0| the network may claim (None: any), or a `DynamicThreshold`; its eps is then the one that fits the clipped x_0.
        spacing: how the times of so many calls lie; None: as the process has them.
    """

    extra = 0  # calls that an interval may make besides its first

    def __init__(self, steps: int | tuple[float, ...] | None = None, clip: Clip = 1.0, spacing: TimeGrid | None = None):
        self.steps, self.clip, self.spacing = steps, clip, spacing

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        if not hasattr(objective, "denoise"):
            raise Unsupported(f"{type(objective).__name__} takes no noise away; sample it by its own sampler, not {type(self).__name__}")
        denoise = Denoiser(objective, context, self.clip)
        return self.descend(denoise, denoise.process.prior * rng.fork("start").normal(*shape), self.grid(denoise.process), rng)

    def descend(self, denoise: Denoiser, x: Float[Tensor, "b ..."], grid: list[float], rng: Rng) -> Float[Tensor, "b ..."]:
        """From x at the first time of the grid to its last."""
        spare, before = self._spare(len(grid) - 1), None
        for i, (time, following) in enumerate(pairwise(grid)):
            t, s = (denoise.process.moment(at, x) for at in (time, following))
            found = denoise(x, t)
            calls = min(self.extra, spare)
            x = self.step(denoise, Interval(t, s, x, found, before, calls, rng.fork("step", i))) if following else found.x_0
            spare, before = spare - calls, (t, found.x_0)
        return x

    @abstractmethod
    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        """x_s."""

    def grid(self, process: ForwardProcess) -> list[float]:
        """The times of the chain, from the noise down to 0."""
        last, steps = process.last, self.steps
        chain = not process.clock.is_floating_point
        if steps is None and chain:
            steps = int(last + self.extra * (last - 1))
        if isinstance(steps, int):
            count = -(-(steps + self.extra) // (1 + self.extra))
            times = (process.times(count) if self.spacing is None else self.spacing.times(process, count)) if steps >= 1 else []
        else:
            times = list(steps or ())
        if not times or times[0] > last or any(t <= s for t, s in pairwise([*times, 0])) or (chain and any(t % 1 for t in times)):
            most = f"1 .. {last}" if chain else "at least 1"
            raise ConfigError(f"{type(self).__name__}: steps must be {most}, or times that descend from at most {last} to above 0")
        return [*times, 0]

    def calls(self, objective: Any) -> int:
        """How often it asks the objective's network for a sample."""
        intervals = len(self.grid(objective.schedule)) - 1
        return intervals + self._spare(intervals)

    def _spare(self, intervals: int) -> int:
        """Calls that are left for second looks, the last interval needing none."""
        return self.steps - intervals if isinstance(self.steps, int) and self.extra else self.extra * (intervals - 1)


class DDPM(DiffusionSampler):
    """The chain as it was trained, or every k-th of its steps (Ho, Jain & Abbeel 2020, algorithm 2; Nichol & Dhariwal 2021, section 4).

    The variance of a step is the objective's.
    """

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        q = denoise.process.posterior(at.s, at.t)
        variance = q.variance(denoise.objective.variance, at.found.share)
        mean = expand_like(q.on_x_t, at.x) * at.x + expand_like(q.on_x_0, at.x) * at.x_0
        return mean + expand_like(variance.sqrt(), at.x) * at.rng.normal(*at.x.shape[1:])


class Euler(DiffusionSampler):
    """The straight step of the probability flow: eps, or the velocity, as it was at t (Karras et al. 2022, algorithm 1, lines 1-5).

    For every process the same as DDIM at eta = 0.
    """

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        return denoise.process.diffuse(at.x_0, at.eps, at.s)


class DDIM(DiffusionSampler):
    """Far fewer steps of a chain with the same marginals (Denoising diffusion implicit models, Song, Meng & Ermon 2021, eq. 12).

    Arguments:
        steps, clip, spacing: as of every `DiffusionSampler`.
        eta: 0 is deterministic given the starting noise, 1 is DDPM with the posterior variance.
    """

    def __init__(self, steps: int | tuple[float, ...] | None = 50, eta: float = 0.0, clip: Clip = 1.0, spacing: TimeGrid | None = None):
        super().__init__(steps, clip, spacing)
        self.eta = eta

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        alpha, sigma = denoise.process.alpha(at.s), denoise.process.sigma(at.s)
        c = self.eta * denoise.process.posterior(at.s, at.t).posterior.sqrt()
        x = expand_like(alpha, at.x) * at.x_0 + expand_like((sigma.square() - c.square()).clamp_min(0).sqrt(), at.x) * at.eps
        return x + expand_like(c, at.x) * at.rng.normal(*at.x.shape[1:]) if self.eta else x


class MultistepConsistency(DiffusionSampler):
    """Straight to the data, and back up with fresh noise to a lower time, a few times (Song, Dhariwal, Chen & Sutskever 2023, algorithm 1).

    Arguments:
        steps, clip, spacing: as of every `DiffusionSampler`; one step is the network's first guess.
    """

    def __init__(self, steps: int | tuple[float, ...] | None = 2, clip: Clip = 1.0, spacing: TimeGrid | None = None):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        return denoise.process.diffuse(at.x_0, at.rng.normal(*at.x.shape[1:]), at.s)
