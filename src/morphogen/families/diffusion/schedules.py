r"""The chains: a table of T + 1 levels of noise, t = 0 data, t = T (almost) noise.

    q(x_t | x_0) = N(alpha_t x_0, sigma_t^2 I),   alpha_t^2 = prod_{s <= t} (1 - beta_s),   sigma_t^2 = 1 - alpha_t^2

All a family needs follows from that one table (Sohl-Dickstein et al. 2015; Ho, Jain & Abbeel 2020, eqs. 4-7), for neighbours
t-1, t and for any s < t alike: the strided chains of fast samplers are the same formula.
"""

__all__ = ["CosineAlphas", "InverseBetas", "LinearBetas", "NoiseSchedule", "ZeroTerminal"]

import math

import torch
from jaxtyping import Float, Int, Real
from torch import Tensor

from morphogen.families.diffusion.processes import ForwardProcess
from morphogen.numerics.randomness import Rng


class NoiseSchedule(ForwardProcess):
    """The levels of noise; a subclass gives the betas.

    Arguments:
        betas: variance added at t = 1 .. T, in (0, 1], fp64 [T].
    """

    clock = torch.int64
    steps: int
    signal: Float[Tensor, " t"]

    def __init__(self, betas: Float[Tensor, " t"]):
        super().__init__()
        self.last = len(betas)
        self.register_buffer("signal", torch.cat([betas.new_ones(1), (1 - betas).cumprod(0)]), persistent=False)  # alpha_t^2

    def levels(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        signal = self.signal[t.long()]
        return signal.sqrt(), (1 - signal).sqrt()

    def draw(self, rng: Rng) -> Int[Tensor, " b"]:
        """Every step is as likely."""
        return 1 + rng.integers(self.steps)

    def times(self, steps: int) -> list[float]:
        return [round(self.steps * (steps - i) / steps) for i in range(steps)]

    def at(self, ratios: Float[Tensor, " n"]) -> Int[Tensor, " n"]:
        """The steps whose levels are nearest."""
        known = self.ratio(torch.arange(1, self.steps + 1, device=self.signal.device)).log()
        return 1 + (known - ratios.to(known.device).log()[:, None]).abs().argmin(1)


class LinearBetas(NoiseSchedule):
    r"""beta_t rises evenly (Denoising diffusion probabilistic models, Ho, Jain & Abbeel 2020, section 4).

    A chain of fewer steps than the paper's needs larger ones to end in noise: multiply both ends by 1000 / steps.

    Arguments:
        start, end: beta_1 and beta_T, in (0, 1).
        steps: T.
    """

    def __init__(self, start: float = 1e-4, end: float = 0.02, steps: int = 1000):
        super().__init__(torch.linspace(start, end, steps, dtype=torch.float64))
        self.start, self.end, self.steps = start, end, steps


class CosineAlphas(NoiseSchedule):
    r"""alpha_t^2 = f(t) / f(0), f(t) = cos^2((t / T + s) / (1 + s) pi / 2), s = 0.008, beta_t <= 0.999.

    Spends less of the chain near pure noise (Improved denoising diffusion probabilistic models, Nichol & Dhariwal 2021, eq. 17).

    Next to nothing of the data is left at T (beta_T = 0.999), and half way there much is: curves are straight as those of a flow.

    Arguments:
        steps: T.
    """

    path = "flow"

    def __init__(self, steps: int = 1000):
        progress = torch.linspace(0, 1, steps + 1, dtype=torch.float64)
        f = torch.cos((progress + 0.008) / 1.008 * (math.pi / 2)).square()
        super().__init__((1 - f[1:] / f[:-1]).clamp_max(0.999))
        self.steps = steps


class InverseBetas(NoiseSchedule):
    r"""beta_t = 1 / (T - t + 1): each step takes an equal share of the signal away, until none is left.

    Deep unsupervised learning using nonequilibrium thermodynamics (Sohl-Dickstein, Weiss, Maheswaranathan & Ganguli 2015, section 2.4.1,
    for binomial noise; here for a Gaussian one, whose alpha_t^2 is 1 - t / T).

    Arguments:
        steps: T.
    """

    path = "flow"

    def __init__(self, steps: int = 1000):
        super().__init__(1 / torch.arange(steps, 0, -1, dtype=torch.float64))
        self.steps = steps


class ZeroTerminal(NoiseSchedule):
    r"""Another chain, shifted and stretched so that x_T is noise and nothing else.

        alpha_t' = (alpha_t - alpha_T) alpha_1 / (alpha_1 - alpha_T)

    Common diffusion noise schedules and sample steps are flawed (Lin, Liu, Li & Yang 2024, algorithm 1). With eps as the target nothing
    could be learned at T: take v or x0.

    Arguments:
        chain: the other.
    """

    path = "flow"

    def __init__(self, chain: NoiseSchedule):
        alphas = chain.signal.sqrt()
        first, last = alphas[1], alphas[-1]
        signal = torch.cat([alphas[:1], (alphas[1:] - last) * first / (first - last)]).square()
        super().__init__(1 - signal[1:] / signal[:-1])
        self.chain, self.steps = chain, chain.steps
