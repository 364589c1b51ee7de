r"""Higher-order ODE solvers, SDE solvers and Langevin samplers.

Without noise, x_t follows the probability-flow ODE (Song et al. 2021, section 4.3), whose drift the network
predicts. It is solved in coordinates (y, r) in which the trajectories bend little, and are straight where the
prediction is constant; `ForwardProcess.coordinates` selects them:

    "noise"   y = x / alpha,            r = sigma / alpha,              dy/dr = eps
    "flow"    y = x / (alpha + sigma),  r = sigma / (alpha + sigma),    dy/dr = eps - x_0

    Heun         y_s = y_t + (r_s - r_t) (d_t + d_s) / 2,  d_s at the end of Euler's step           order 2
    DPMSolver    x_s = (sigma_s / sigma_t) x_t + alpha_s (1 - e^-h) D,  D from the last two x_0     order 2

With noise, the reverse SDE (Anderson 1982) has the same marginals and contracts earlier errors.
"""

__all__ = [
    "AnnealedLangevin",
    "DPMSolver",
    "DPMSolverSDE",
    "EulerMaruyama",
    "Heun",
    "PredictorCorrector",
    "ode_coordinates",
    "ode_drift",
]

from jaxtyping import Float, Real
from torch import Tensor

from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.samplers import Clip, ClippedDenoiser, DiffusionSampler, StepState
from morphogen.families.diffusion.targets import Denoised
from morphogen.families.diffusion.timesteps import TimestepSpacing
from morphogen.numerics.tensors import expand_like


class Heun(DiffusionSampler):
    """Heun's second-order method: evaluates the network at both ends of the step.

    Karras et al., 2022, algorithm 1. The last step takes one call and every other step two; if `steps` is
    even, the last but one is an Euler step of one call.

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`.
    """

    extra_calls_per_step = 1

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 19,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        scale_t, r_t = ode_coordinates(denoise.process, state.t, state.x_t)
        scale_s, r_s = ode_coordinates(denoise.process, state.s, state.x_t)
        y_t = state.x_t / scale_t
        d_t = ode_drift(denoise.process, state.prediction)
        x_s = scale_s * (y_t + (r_s - r_t) * d_t)
        if not state.extra_calls:
            return x_s
        d_s = ode_drift(denoise.process, denoise(x_s, state.s))
        return scale_s * (y_t + (r_s - r_t) * ((d_t + d_s) / 2))


class DPMSolver(DiffusionSampler):
    r"""DPM-Solver++(2M): second-order multistep solver with steps h of lambda = ln(alpha / sigma).

        x_s = (sigma_s / sigma_t) x_t + alpha_s (1 - e^-h) D
        D   = x_0 + (x_0 - previous x_0) h / (2 previous h)

    DPM-Solver++, Lu, Zhou, Bao, Chen, Li & Zhu, 2022, algorithm 2.

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`.
    """

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 20,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        alpha_t, sigma_t = denoise.process.alpha_sigma(state.t)
        alpha_s, sigma_s = denoise.process.alpha_sigma(state.s)
        on_x_t = _broadcast(sigma_s / sigma_t, state.x_t)
        on_x_0 = _broadcast(alpha_s - alpha_t * sigma_s / sigma_t, state.x_t)  # alpha_s (1 - e^-h)
        return on_x_t * state.x_t + on_x_0 * _extrapolated_x_0(denoise.process, state)


class DPMSolverSDE(DPMSolver):
    r"""SDE-DPM-Solver++(2M): the same multistep scheme for the reverse SDE.

        x_s = (sigma_s / sigma_t) e^-h x_t + alpha_s (1 - e^-2h) D + sigma_s sqrt(1 - e^-2h) z

    DPM-Solver++, Lu et al., 2022, equation 18.

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`.
    """

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        alpha_t, sigma_t = denoise.process.alpha_sigma(state.t)
        alpha_s, sigma_s = denoise.process.alpha_sigma(state.s)
        decay = alpha_t * sigma_s / (sigma_t * alpha_s)  # e^-h
        variance = 1 - decay.square()
        on_x_t = _broadcast(sigma_s / sigma_t * decay, state.x_t)
        on_x_0 = _broadcast(alpha_s * variance, state.x_t)
        on_z = _broadcast(sigma_s * variance.sqrt(), state.x_t)
        x_0 = _extrapolated_x_0(denoise.process, state)
        return on_x_t * state.x_t + on_x_0 * x_0 + on_z * state.noise()


class EulerMaruyama(DiffusionSampler):
    r"""Reverse diffusion: the Euler-Maruyama discretization of the reverse SDE.

        x_s = (2 - alpha_t / alpha_s) x_t + beta grad log q(x_t) + sqrt(beta) z
        q(x_t | x_s) = N(alpha_t / alpha_s x_s, beta I),     grad log q(x_t) = -eps / sigma_t

    Score-based generative modeling through stochastic differential equations, Song et al., 2021, appendix E
    ("reverse diffusion").

    Arguments:
        steps, clip, spacing: see `DiffusionSampler`.
    """

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 200,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        alpha_t, sigma_t = denoise.process.alpha_sigma(state.t)
        alpha_s, _ = denoise.process.alpha_sigma(state.s)
        beta = denoise.process.posterior(state.s, state.t).beta
        on_x_t = _broadcast(2 - alpha_t / alpha_s, state.x_t)
        on_eps = _broadcast(beta / sigma_t, state.x_t)
        on_z = expand_like(beta.sqrt(), state.x_t)
        return on_x_t * state.x_t - on_eps * state.eps + on_z * state.noise()


class PredictorCorrector(EulerMaruyama):
    r"""Predictor-corrector sampling: each reverse-diffusion step is followed by a step of Langevin dynamics.

        x = x + e g + sqrt(2 e) z,   g = grad log q(x_s),   e = 2 (snr |z| / |g|)^2 = 2 (snr sigma_s)^2

    Song et al., 2021, algorithm 1. The paper takes |z| and |g| as means over the batch, which makes a
    sample depend on the rest of its batch. Here they are replaced by their expectations, sqrt(d) and
    sqrt(d) / sigma_s. Norms per row would make the step size depend on x, which biases the stationary
    distribution.

    Arguments:
        steps: number of denoiser calls, corrector steps included; see `DiffusionSampler`.
        snr: signal-to-noise ratio of a corrector step (0.16: the paper's for images under VE).
        clip, spacing: see `DiffusionSampler`.
    """

    extra_calls_per_step = 1

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 400,
        snr: float = 0.16,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)
        self.snr = snr

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        x_s = super().step(denoise, state)
        if not state.extra_calls:
            return x_s
        eps = denoise(x_s, state.s).eps
        z = state.rng.fork("corrector").normal(*x_s.shape[1:])
        sigma_s = expand_like(denoise.process.sigma(state.s), x_s)
        e = 2 * (self.snr * sigma_s).square()
        return x_s - e / sigma_s * eps + (2 * e).sqrt() * z


class AnnealedLangevin(DiffusionSampler):
    r"""Annealed Langevin dynamics: a few Langevin steps at each of a descending series of noise levels.

        x = x + e g + sqrt(2 e) z,   g = grad log q(x_t),   e = step_size sigma_t^2

    Each level starts from the last x of the level above.

    Generative modeling by estimating gradients of the data distribution, Song & Ermon, 2019, algorithm 1.

    Arguments:
        steps: number of denoiser calls over all levels; see `DiffusionSampler`.
        steps_per_level: Langevin steps per level.
        step_size: step step_size relative to sigma_t^2 (0.1: the paper's).
        clip, spacing: see `DiffusionSampler`.
    """

    def __init__(
        self,
        steps: int | tuple[float, ...] | None = 1000,
        steps_per_level: int = 10,
        step_size: float = 0.1,
        clip: Clip = "data",
        spacing: TimestepSpacing | None = None,
    ):
        super().__init__(steps, clip, spacing)
        self.steps_per_level, self.step_size, self.extra_calls_per_step = (
            steps_per_level,
            step_size,
            steps_per_level - 1,
        )

    def step(self, denoise: ClippedDenoiser, state: StepState) -> Float[Tensor, "b ..."]:
        x, eps = state.x_t, state.eps
        sigma_t = expand_like(denoise.process.sigma(state.t), x)
        e = self.step_size * sigma_t.square()
        for k in range(1 + state.extra_calls):
            z = state.rng.fork("round", k).normal(*x.shape[1:])
            x = x - e / sigma_t * eps + (2 * e).sqrt() * z
            if k < state.extra_calls:
                eps = denoise(x, state.t).eps
        return x


def ode_coordinates(
    process: ForwardProcess, t: Real[Tensor, " b"], x: Float[Tensor, "b ..."]
) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
    """Return (x / y, r) at t, in the dtype of x and with axes that broadcast against it."""
    alpha, sigma = process.alpha_sigma(t)
    scale = alpha + sigma if process.coordinates == "flow" else alpha
    return _broadcast(scale, x), _broadcast(sigma / scale, x)


def ode_drift(process: ForwardProcess, prediction: Denoised) -> Float[Tensor, "b ..."]:
    """Return dy/dr, the drift of the probability-flow ODE, from a prediction at x_t."""
    return prediction.eps - prediction.x_0 if process.coordinates == "flow" else prediction.eps


def _broadcast(coefficient: Tensor, x: Tensor) -> Tensor:
    """A coefficient per row, in the dtype of x and with axes that broadcast against it."""
    return expand_like(coefficient.to(x.dtype), x)


def _extrapolated_x_0(process: ForwardProcess, state: StepState) -> Tensor:
    """D of DPM-Solver++(2M): x_0 extrapolated linearly in lambda from this step and the previous one, if any.

    The weight h / (2 previous h) is 0 after a step from pure noise, where the previous h is infinite.
    """
    if not state.history:
        return state.x_0
    previous_t, (previous_x_0, _, _) = state.history[0]
    log_r, log_r_t, log_r_s = (process.ratio(t).log() for t in (previous_t, state.t, state.s))
    weight = (log_r_t - log_r_s) / (log_r - log_r_t) / 2
    return state.x_0 + _broadcast(weight, previous_x_0) * (state.x_0 - previous_x_0)
