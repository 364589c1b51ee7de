r"""Diffusion samplers: one denoiser call per interval of a descending time grid t_max = t_1 > ... > t_n > 0.

    DDPM    x_s ~ N(mean of q(x_s | x_t, x_0), variance)                             ancestral sampling
    DDIM    x_s = alpha_s x_0 + sqrt(sigma_s^2 - c^2) eps + c z,  c = eta std(q(x_s | x_t, x_0))
    Euler   x_s = alpha_s x_0 + sigma_s eps                                          probability-flow ODE

x_0 and eps are the denoiser's predictions at x_t. The base class owns the loop, the time grid and the call
count; a subclass implements one step. `solvers.py` has the higher-order and stochastic solvers. Every sampler
returns the predicted x_0 on the last interval, which ends at t = 0.

References: Denoising diffusion probabilistic models, Ho, Jain & Abbeel, 2020; Denoising diffusion implicit
models, Song, Meng & Ermon, 2021; Elucidating the design space of diffusion-based generative models, Karras et
al., 2022.
"""

__all__ = [
    "DDIM",
    "DDPM",
    "ClippedDenoiser",
    "DiffusionSampler",
    "Euler",
    "MultistepConsistency",
    "StepState",
]

from abc import abstractmethod
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any, Literal

from jaxtyping import Float, Real
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Context, Sampler, x_mask_of
from morphogen.families.diffusion.denoiser import Denoiser
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.targets import Denoised
from morphogen.families.diffusion.thresholds import DynamicThreshold
from morphogen.families.diffusion.timesteps import TimestepSpacing
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

Clip = float | Literal["data"] | DynamicThreshold | None


class ClippedDenoiser:
    """The prediction of x_0 and eps for a fixed context, clipped to the data range.

    Arguments:
        objective: a diffusion model.
        context: passed to its prediction.
        clip: see `DiffusionSampler`.
    """

    def __init__(self, objective: Denoiser, context: Context | None, clip: Clip):
        self.objective, self.context = objective, context
        self.clip = objective.max_abs if clip == "data" else clip
        self.process = objective.schedule

    def __call__(self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"]) -> Denoised:
        """Predict x_0 and eps from x_t, with one call of the network."""
        prediction = self.objective.predict(x_t, t, self.context)
        if self.clip is None:
            return prediction
        if isinstance(self.clip, DynamicThreshold):
            x_0 = self.clip(prediction.x_0, x_mask_of(self.context))
        else:
            x_0 = prediction.x_0.clamp(-self.clip, self.clip)
        alpha_t, sigma_t = expand_like(self.process.alpha(t), x_t), expand_like(self.process.sigma(t), x_t)
        return Denoised(x_0, (x_t - alpha_t * x_0) / sigma_t, prediction.variance_fraction)

    def ode_step(
        self, x_t: Float[Tensor, "b ..."], t: Real[Tensor, " b"], s: Real[Tensor, " b"]
    ) -> Float[Tensor, "b ..."]:
        """One Euler step of the probability-flow ODE from t to s, equal to DDIM with eta = 0."""
        x_0, eps, _ = self(x_t, t)
        return self.process.diffuse(x_0, eps, s)


@dataclass(frozen=True)
class StepState:
    """State of one sampling step from t to s < t.

    Arguments:
        t, s: times at the start and at the end of the step, s > 0.
        x_t: the current sample.
        prediction: the denoiser's output at x_t.
        history: t and the predictions of the steps before, the last one first, at most three.
        extra_calls: denoiser calls that the step may make beyond the first.
        rng: the step's random stream.
    """

    t: Real[Tensor, " b"]
    s: Real[Tensor, " b"]
    x_t: Float[Tensor, "b ..."]
    prediction: Denoised
    history: tuple[tuple[Real[Tensor, " b"], Denoised], ...]
    extra_calls: int
    rng: Rng

    @property
    def x_0(self) -> Float[Tensor, "b ..."]:
        """The predicted data."""
        return self.prediction.x_0

    @property
    def eps(self) -> Float[Tensor, "b ..."]:
        """The predicted noise."""
        return self.prediction.eps

    def noise(self) -> Float[Tensor, "b ..."]:
        """z ~ N(0, I), of the shape of x_t."""
        return self.rng.normal(*self.x_t.shape[1:])


class DiffusionSampler(Sampler):
    """Base class of diffusion samplers: the loop over a descending time grid.

    Arguments:
        steps: number of denoiser calls; or the times themselves, descending from at most t_max; None: every
            step of a discrete chain.
        clip: largest |x_0| of a prediction, or a `DynamicThreshold`; "data": that of the data, which is 1 for
            pixels, and no clipping for unbounded data such as latents and points; None: no clipping. eps is
            recomputed from the clipped x_0.
        spacing: where the times lie; None: the process's own timesteps.
    """

    requires = "schedule"
    extra_calls_per_step = 0  # denoiser calls that a step may make beyond the first

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = None,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        self.steps, self.clip, self.spacing = steps, clip, spacing

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        denoise = ClippedDenoiser(objective, context, self.clip)
        x = denoise.process.prior_std * rng.fork("start").normal(*shape)
        return self.integrate(denoise, x, self.grid(denoise.process), rng)

    def integrate(
        self, denoise: ClippedDenoiser, x: Float[Tensor, "b ..."], grid: list[float], rng: Rng
    ) -> Float[Tensor, "b ..."]:
        """Integrate from x at the first time of the grid to its last; at t = 0, x is the predicted x_0."""
        budget = self._extra_calls(len(grid) - 1)
        history: tuple[tuple[Tensor, Denoised], ...] = ()
        for i, (start, end) in enumerate(pairwise(grid)):
            t, s = denoise.process.full_time(start, x), denoise.process.full_time(end, x)
            prediction = denoise(x, t)
            if not end:
                return prediction.x_0
            extra = min(self.extra_calls_per_step, budget)
            x = self.step(denoise, StepState(t, s, x, prediction, history, extra, rng.fork("step", i)))
            budget, history = budget - extra, ((t, prediction), *history[:2])
        return x

    @abstractmethod
    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        """One step from x_t to x_s."""

    def grid(self, process: ForwardProcess) -> list[float]:
        """The descending times, ending with 0 or the spacing's end. Errors: ConfigError for invalid steps."""
        t_max, steps, end = process.t_max, self.steps, 0.0
        discrete = not process.time_dtype.is_floating_point
        if steps is None and discrete:
            steps = int(t_max) + self._extra_calls(int(t_max))
        if isinstance(steps, int):
            spaced = process.timesteps if self.spacing is None else partial(self.spacing.timesteps, process)
            times = spaced(self._intervals(steps)) if steps >= 1 else []
            end = 0.0 if self.spacing is None else self.spacing.end
        else:
            times = list(steps or ())
        descending = all(t > s for t, s in pairwise([*times, end]))
        if not times or times[0] > t_max or not descending or (discrete and any(t % 1 for t in times)):
            valid = f"1 .. {t_max}" if discrete else "at least 1"
            raise ConfigError(
                f"{type(self).__name__}: steps must be {valid}, "
                f"or times that descend from at most {t_max} to above 0"
            )
        return [*times, end]

    def calls(self, objective: Any) -> int:
        """Number of network calls per sample."""
        intervals = len(self.grid(objective.schedule)) - 1
        return intervals + self._extra_calls(intervals)

    def _intervals(self, steps: int) -> int:
        """Number of intervals that take `steps` denoiser calls."""
        return -(-(steps + self.extra_calls_per_step) // (1 + self.extra_calls_per_step))

    def _extra_calls(self, intervals: int) -> int:
        """Total of the extra denoiser calls; the last interval needs none."""
        return (
            self.steps - intervals
            if isinstance(self.steps, int) and self.extra_calls_per_step
            else self.extra_calls_per_step * (intervals - 1)
        )


class DDPM(DiffusionSampler):
    """Ancestral sampling of the reverse chain, all of its steps or every k-th.

    Denoising diffusion probabilistic models, Ho, Jain & Abbeel, 2020, algorithm 2; strided as in Nichol &
    Dhariwal, 2021, section 4. The variance of the step is the objective's.

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`.
    """

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        q = denoise.process.posterior(state.s, state.t)
        variance = q.variance(denoise.objective.variance, state.prediction.variance_fraction)
        mean = expand_like(q.on_x_t, state.x_t) * state.x_t + expand_like(q.on_x_0, state.x_t) * state.x_0
        return mean + expand_like(variance.sqrt(), state.x_t) * state.noise()


class Euler(DiffusionSampler):
    """Euler's method on the probability-flow ODE; equal to DDIM with eta = 0 for every process.

    Karras et al., 2022, algorithm 1, lines 1-5.

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`.
    """

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        return denoise.process.diffuse(state.x_0, state.eps, state.s)


class DDIM(DiffusionSampler):
    r"""DDIM: a non-Markovian sampler with the marginals of the chain, in far fewer steps.

        x_s = alpha_s x_0 + sqrt(sigma_s^2 - c^2) eps + c z,     c = eta std(q(x_s | x_t, x_0))

    Denoising diffusion implicit models, Song, Meng & Ermon, 2021, equation 12.

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`.
        eta: 0 is deterministic given the initial noise; 1 is DDPM with the posterior variance.
    """

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 50,
        eta: float = 0.0,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)
        self.eta = eta

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        alpha_s, sigma_s = denoise.process.alpha(state.s), denoise.process.sigma(state.s)
        c = self.eta * denoise.process.posterior(state.s, state.t).posterior.sqrt()
        direction = (sigma_s.square() - c.square()).clamp_min(0).sqrt()
        x_s = expand_like(alpha_s, state.x_t) * state.x_0
        x_s = x_s + expand_like(direction, state.x_t) * state.eps
        return x_s + expand_like(c, state.x_t) * state.noise() if self.eta else x_s


class MultistepConsistency(DiffusionSampler):
    """Multistep consistency sampling: predict x_0, then add fresh noise up to a lower time.

    Consistency models, Song, Dhariwal, Chen & Sutskever, 2023, algorithm 1.

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`; one step returns the network's first prediction.
    """

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 2,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        return denoise.process.diffuse(state.x_0, state.noise(), state.s)
