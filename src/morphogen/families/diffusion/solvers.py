r"""Solvers of higher order, and of the reverse stochastic equation.

Without noise, x_t follows a curve whose direction the network gives (the probability flow, Song et al. 2021, section 4.3). In the
coordinates of the process it bends little, and is straight where the network's answer stays:

    noise   y = x / alpha,            r = sigma / alpha,              dy/dr = eps
    flow    y = x / (alpha + sigma),  r = sigma / (alpha + sigma),    dy/dr = eps - x_0

    Heun         y_s = y_t + (r_s - r_t) (d_t + d_s) / 2, d_s looked up at the end of Euler's step             order 2
    DPMSolver    x_s = (sigma_s / sigma_t) x_t + alpha_s (1 - e^-h) D,  D from this x_0 and the one before       order 2

With noise, the reverse equation (Anderson 1982) keeps the same marginals and forgets its errors as it goes.
"""

__all__ = ["AnnealedLangevin", "DPMSolver", "DPMSolverSDE", "EulerMaruyama", "Heun", "PredictorCorrector", "coordinates", "slope"]

from jaxtyping import Float, Real
from torch import Tensor

from morphogen.families.diffusion.grids import TimeGrid
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.families.diffusion.samplers import Clip, Denoiser, DiffusionSampler, Interval
from morphogen.families.diffusion.targets import Denoised
from morphogen.numerics.tensors import expand_like


class Heun(DiffusionSampler):
    """Twice a look: at t, and at the end of Euler's step (Karras et al. 2022, algorithm 1).

    Of an odd number of calls the last goes to the data and the others are pairs; of an even one, the call that is over is an Euler step.

    Arguments:
        steps, clip, spacing: as of every `DiffusionSampler`.
    """

    extra = 1

    def __init__(self, steps: int | tuple[float, ...] | None = 19, clip: Clip = 1.0, spacing: TimeGrid | None = None):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        process = denoise.process
        (whole_t, r_t), (whole, r) = coordinates(process, at.t, at.x), coordinates(process, at.s, at.x)
        here, y = slope(process, at.found), at.x / whole_t
        if at.calls:
            here = (here + slope(process, denoise(whole * (y + (r - r_t) * here), at.s))) / 2
        return whole * (y + (r - r_t) * here)


class DPMSolver(DiffusionSampler):
    r"""DPM-Solver++(2M): x_0 is extrapolated from its last two values, in steps h of lambda = ln(alpha / sigma).

        D = x_0 + (x_0 - x_0 before) h / (2 h before)            (DPM-Solver++, Lu, Zhou, Bao, Chen, Li & Zhu 2022, algorithm 2)

    Arguments:
        steps, clip, spacing: as of every `DiffusionSampler`.
    """

    def __init__(self, steps: int | tuple[float, ...] | None = 20, clip: Clip = 1.0, spacing: TimeGrid | None = None):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        shrink, fresh = _shrink(denoise.process, at)
        return shrink * at.x + fresh * _extrapolated(denoise.process, at)


class DPMSolverSDE(DPMSolver):
    r"""The same of the reverse stochastic equation, SDE-DPM-Solver++(2M): twice the pull to x_0, and noise in its place.

        x_s = (sigma_s / sigma_t) e^-h x_t + alpha_s (1 - e^-2h) D + sigma_s sqrt(1 - e^-2h) z     (Lu et al. 2022b, eq. 18)

    Arguments:
        steps, clip, spacing: as of every `DiffusionSampler`.
    """

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        (alpha_t, sigma_t), (alpha, sigma) = (denoise.process.levels(time) for time in (at.t, at.s))
        e = alpha_t * sigma / (sigma_t * alpha)  # e^-h
        left = 1 - e.square()
        shrink, fresh, noise = (expand_like(c.to(at.x.dtype), at.x) for c in (sigma / sigma_t * e, alpha * left, sigma * left.sqrt()))
        return shrink * at.x + fresh * _extrapolated(denoise.process, at) + noise * at.rng.normal(*at.x.shape[1:])


class EulerMaruyama(DiffusionSampler):
    r"""The reverse equation in plain steps: what the forward step takes away is put back, and the score pulls against its noise.

        x_s = x_t + (1 - alpha_t / alpha_s) x_t + beta grad log q(x_t) + sqrt(beta) z,   q(x_t | x_s) = N(alpha_t / alpha_s x_s, beta I)

    Score-based generative modeling through stochastic differential equations (Song et al. 2021, appendix E, "reverse diffusion").

    Arguments:
        steps, clip, spacing: as of every `DiffusionSampler`.
    """

    def __init__(self, steps: int | tuple[float, ...] | None = 200, clip: Clip = 1.0, spacing: TimeGrid | None = None):
        super().__init__(steps, clip, spacing)

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        (alpha_t, sigma_t), (alpha_s, _) = (denoise.process.levels(time) for time in (at.t, at.s))
        beta = denoise.process.posterior(at.s, at.t).beta
        grown, pull = (expand_like(c.to(at.x.dtype), at.x) for c in (2 - alpha_t / alpha_s, beta / sigma_t))
        return grown * at.x - pull * at.eps + expand_like(beta.sqrt(), at.x) * at.rng.normal(*at.x.shape[1:])


class PredictorCorrector(EulerMaruyama):
    r"""After each step down, steps of Langevin dynamics at that level, which pull x back into its law (Song et al. 2021, algorithm 1).

        x = x + e g + sqrt(2 e) z,   g = grad log q(x_s),   e = 2 (snr |z| / |g|)^2 = 2 (snr sigma_s)^2

    (The paper takes |z| and |g| as means over the batch, so that a sample would depend on what is drawn beside it. On average over the law
    they are sqrt(d) and sqrt(d) / sigma_s; row by row instead, steps would depend on where they lead, and leave the law.)

    Arguments:
        steps: calls of the network, those of the corrector included.
        snr: how far a corrector's step goes (0.16: the paper's for pictures under VE).
        clip, spacing: as of every `DiffusionSampler`.
    """

    extra = 1

    def __init__(self, steps: int | tuple[float, ...] | None = 400, snr: float = 0.16, clip: Clip = 1.0, spacing: TimeGrid | None = None):
        super().__init__(steps, clip, spacing)
        self.snr = snr

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        x = super().step(denoise, at)
        if not at.calls:
            return x
        eps = denoise(x, at.s).eps
        sigma = expand_like(denoise.process.sigma(at.s), x)
        z, size = at.rng.fork("corrector").normal(*x.shape[1:]), 2 * (self.snr * sigma).square()
        return x - size / sigma * eps + (2 * size).sqrt() * z


class AnnealedLangevin(DiffusionSampler):
    r"""No way down but the falling noise: at each level some steps of Langevin dynamics, which begin where the level above ended.

        x = x + e g + sqrt(2 e) z,   g = grad log q(x_t),   e = size sigma_t^2

    Generative modeling by estimating gradients of the data distribution (Song & Ermon 2019, algorithm 1).

    Arguments:
        steps: calls of the network, over all levels.
        rounds: of them at each level.
        size: 0.1 is the paper's.
        clip, spacing: as of every `DiffusionSampler`.
    """

    def __init__(
        self, steps: int | tuple[float, ...] | None = 1000, rounds: int = 10, size: float = 0.1, clip: Clip = 1.0,
        spacing: TimeGrid | None = None,
    ):  # fmt: skip
        super().__init__(steps, clip, spacing)
        self.rounds, self.size, self.extra = rounds, size, rounds - 1

    def step(self, denoise: Denoiser, at: Interval) -> Float[Tensor, "b ..."]:
        sigma, x, eps = expand_like(denoise.process.sigma(at.t), at.x), at.x, at.eps
        e = self.size * sigma.square()
        for k in range(1 + at.calls):
            x = x - e / sigma * eps + (2 * e).sqrt() * at.rng.fork("round", k).normal(*x.shape[1:])
            eps = denoise(x, at.t).eps if k < at.calls else eps
        return x


def coordinates(
    process: ForwardProcess, t: Real[Tensor, " b"], x: Float[Tensor, "b ..."]
) -> tuple[Float[Tensor, "b ..."], Float[Tensor, "b ..."]]:
    """x / y and r at t, of x's dtype, to be broadcast against it."""
    alpha, sigma = process.levels(t)
    whole = alpha + sigma if process.path == "flow" else alpha
    return expand_like(whole.to(x.dtype), x), expand_like((sigma / whole).to(x.dtype), x)


def slope(process: ForwardProcess, found: Denoised) -> Float[Tensor, "b ..."]:
    """dy/dr, of what the network makes of x_t."""
    return found.eps - found.x_0 if process.path == "flow" else found.eps


def _shrink(process: ForwardProcess, at: Interval) -> tuple[Tensor, Tensor]:
    """sigma_s / sigma_t, and alpha_s (1 - e^-h), e^-h = alpha_t sigma_s / (sigma_t alpha_s)."""
    (alpha_t, sigma_t), (alpha, sigma) = process.levels(at.t), process.levels(at.s)
    shrink, fresh = sigma / sigma_t, alpha - alpha_t * sigma / sigma_t
    return expand_like(shrink.to(at.x.dtype), at.x), expand_like(fresh.to(at.x.dtype), at.x)


def _extrapolated(process: ForwardProcess, at: Interval) -> Tensor:
    """D, from this x_0 and the one before it, if there is one."""
    if at.before is None:
        return at.x_0
    before, x_0 = at.before
    first, here, there = (process.ratio(time).log() for time in (before, at.t, at.s))
    share = (here - there) / (first - here) / 2  # 0 after a step from pure noise, infinitely long in these coordinates
    return at.x_0 + expand_like(share.to(x_0.dtype), x_0) * (at.x_0 - x_0)
