r"""Discrete noise schedules: T + 1 noise levels, from t = 0 (data) to t = T (almost pure noise).

    q(x_t | x_0) = N(alpha_t x_0, sigma_t^2 I)
    alpha_t^2 = prod_{s <= t} (1 - beta_s),     sigma_t^2 = 1 - alpha_t^2

Everything else follows from this table (Sohl-Dickstein et al. 2015; Ho, Jain & Abbeel 2020, eqs. 4-7), for
any s < t, not only for t - 1 and t: strided sampling uses the same formulas.
"""

__all__ = [
    "CosineAlphas",
    "InverseBetas",
    "LinearBetas",
    "NoiseSchedule",
    "ScaledLinearBetas",
    "Shifted",
    "ZeroBased",
    "ZeroTerminal",
]

import math

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.numerics.randomness import Rng


class NoiseSchedule(ForwardProcess):
    """Base class of discrete noise schedules; a subclass computes the betas.

    Arguments:
        betas: variances of the forward steps t = 1 .. T, in (0, 1], fp64 [T].
    """

    time_dtype = torch.int64
    steps: int
    alpha_squared: Float[Tensor, " t"]

    def __init__(self, betas: Float[Tensor, " t"]):
        super().__init__()
        self.t_max = len(betas)
        alpha_squared = torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)])
        self.register_buffer("alpha_squared", alpha_squared, persistent=False)

    def alpha_sigma(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        alpha_squared = self.alpha_squared[t.long()]
        return alpha_squared.sqrt(), (1 - alpha_squared).sqrt()

    def sample_time(self, rng: Rng) -> Int[Tensor, " b"]:
        """Sample t uniformly from 1 .. T."""
        return 1 + rng.integers(self.steps)

    def timesteps(self, steps: int) -> list[float]:
        return [round(self.steps * (steps - i) / steps) for i in range(steps)]

    def time_of_ratio(self, ratios: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        """Return the times t >= 1 whose sigma / alpha is nearest to each ratio, in log scale."""
        device = self.alpha_squared.device
        log_ratio = self.ratio(torch.arange(1, self.steps + 1, device=device)).log()
        return 1 + (log_ratio - ratios.to(device).log()[:, None]).abs().argmin(1)


class LinearBetas(NoiseSchedule):
    r"""Linear schedule: beta_t increases linearly from `beta_start` to `beta_end`.

    Denoising diffusion probabilistic models, Ho, Jain & Abbeel, 2020, section 4. A chain of fewer steps needs
    larger betas to end in noise: multiply both by 1000 / steps.

    Arguments:
        beta_start, beta_end: beta_1 and beta_T, in (0, 1).
        steps: T.
    """

    def __init__(self, beta_start: float = 1e-4, beta_end: float = 0.02, steps: int = 1000):
        super().__init__(torch.linspace(beta_start, beta_end, steps, dtype=torch.float64))
        self.beta_start, self.beta_end, self.steps = beta_start, beta_end, steps


class ScaledLinearBetas(NoiseSchedule):
    r"""The schedule of latent diffusion: sqrt(beta_t) increases linearly.

    High-resolution image synthesis with latent diffusion models, Rombach et al., 2022; the defaults are those
    of Stable Diffusion. A shorter chain needs larger betas, as in `LinearBetas`.

    Arguments:
        beta_start, beta_end: beta_1 and beta_T, in (0, 1).
        steps: T.
    """

    def __init__(self, beta_start: float = 0.00085, beta_end: float = 0.012, steps: int = 1000):
        super().__init__(torch.linspace(beta_start**0.5, beta_end**0.5, steps, dtype=torch.float64).square())
        self.beta_start, self.beta_end, self.steps = beta_start, beta_end, steps


class CosineAlphas(NoiseSchedule):
    r"""Cosine schedule: alpha_t^2 = f(t) / f(0), f(t) = cos^2((t / T + s) / (1 + s) pi / 2), s = 0.008.

    Improved denoising diffusion probabilistic models, Nichol & Dhariwal, 2021, equation 17; beta_t <= 0.999.
    Fewer of its steps are close to pure noise than in the linear schedule. alpha_T is almost 0 (beta_T =
    0.999) and alpha is still large half way, so trajectories are nearly straight in the "flow" coordinates.

    Arguments:
        steps: T.
    """

    coordinates = "flow"

    def __init__(self, steps: int = 1000):
        progress = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        f = torch.cos((progress + 0.008) / 1.008 * (math.pi / 2)).square()
        super().__init__((1 - f[1:] / f[:-1]).clamp_max(0.999))
        self.steps = steps


class InverseBetas(NoiseSchedule):
    r"""beta_t = 1 / (T - t + 1): alpha_t^2 = 1 - t / T decreases linearly to 0.

    Deep unsupervised learning using nonequilibrium thermodynamics, Sohl-Dickstein, Weiss, Maheswaranathan &
    Ganguli, 2015, section 2.4.1. The paper uses it for binomial noise; here the noise is Gaussian.

    Arguments:
        steps: T.
    """

    coordinates = "flow"

    def __init__(self, steps: int = 1000):
        super().__init__(1 / torch.arange(steps, 0, -1, dtype=torch.float64))
        self.steps = steps


class Shifted(NoiseSchedule):
    r"""Another schedule with more noise at every t: sigma_t / alpha_t is multiplied by a factor.

        log snr_t' = log snr_t - 2 log factor,    alpha_t'^2 = alpha_t^2 / (alpha_t^2 + factor^2 sigma_t^2)

    Neighbouring pixels or latents that show the same thing average the noise out, so that what a picture
    shows is decided at larger ratios than for independent entries. simple diffusion: end-to-end diffusion for
    high resolution images, Hoogeboom, Heek & Salimans, 2023, section 2.1.

    Arguments:
        schedule: the schedule.
        factor: above 0; 2 for pictures of twice the side.

    Raises ConfigError for another factor.
    """

    def __init__(self, schedule: NoiseSchedule, factor: float):
        if not factor > 0:
            raise ConfigError(
                f"Shifted: factor must be above 0, got {factor}: 1 leaves the schedule as it is"
            )
        snr = schedule.alpha_squared / (1 - schedule.alpha_squared)
        alpha_squared = snr / (snr + factor**2)
        alpha_squared[0] = 1
        super().__init__(1 - alpha_squared[1:] / alpha_squared[:-1])
        self.schedule, self.factor, self.steps = schedule, factor, schedule.steps
        self.coordinates = schedule.coordinates


class ZeroTerminal(NoiseSchedule):
    r"""Another schedule rescaled to zero terminal SNR: alpha is shifted and scaled so that x_T is pure noise.

        alpha_t' = (alpha_t - alpha_T) alpha_1 / (alpha_1 - alpha_T)

    Common diffusion noise schedules and sample steps are flawed, Lin, Liu, Li & Yang, 2024, algorithm 1. The
    target eps is degenerate at T, where eps = x_T: use v or x0.

    Arguments:
        schedule: the schedule to rescale.
    """

    coordinates = "flow"

    def __init__(self, schedule: NoiseSchedule):
        alphas = schedule.alpha_squared.sqrt()
        first, last = alphas[1], alphas[-1]
        rescaled = (alphas[1:] - last) * first / (first - last)
        alpha_squared = torch.cat([alphas[:1], rescaled]).square()
        super().__init__(1 - alpha_squared[1:] / alpha_squared[:-1])
        self.schedule, self.steps = schedule, schedule.steps


class ZeroBased(NoiseSchedule):
    r"""Another schedule whose steps the network counts from 0: its time input is (t - 1) / 1000.

    The convention of published weights, whose networks take t - 1 itself as the position of the time
    embedding (Ho, Jain & Abbeel 2020; Rombach et al. 2022). The chain is the same.

    Arguments:
        schedule: the schedule.
    """

    def __init__(self, schedule: NoiseSchedule):
        alpha_squared = schedule.alpha_squared
        super().__init__(1 - alpha_squared[1:] / alpha_squared[:-1])
        self.schedule, self.steps, self.coordinates = schedule, schedule.steps, schedule.coordinates

    def time_input(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        return ((t - 1) / 1000).to(torch.get_default_dtype())
