r"""Forward processes x_t = alpha(t) x_0 + sigma(t) eps, from data (t = 0) to almost pure noise (t = t_max).

    VP             alpha = exp(-(b0 t + (b1 - b0) t^2 / 2) / 2),  sigma^2 = 1 - alpha^2    t in (0, 1]
    SubVP          the same alpha,                                sigma = 1 - alpha^2      t in (0, 1]
    VE             alpha = 1,      sigma = low (high / low)^t                              t in (0, 1]
    EDM            alpha = 1,      sigma = t                                               t in (0, high]
    RectifiedFlow  alpha = 1 - t,  sigma = t                                               t in (0, 1]

VP, SubVP and VE: Song et al. 2021, equations 11, 12 and 9; EDM: Karras et al. 2022; RectifiedFlow: Liu et al.
2023, Lipman et al. 2023.

`schedules.py` has the discrete chains of T steps. Their times are integers; otherwise the interface is the
same, so targets, samplers, guidance and likelihoods are written once for all processes. alpha and sigma are
computed in fp64, because 1 - alpha^2 cancels near t = 0.
"""

__all__ = ["EDM", "VE", "VP", "ForwardProcess", "Posterior", "RectifiedFlow", "SubVP", "Variance"]

from abc import ABC, abstractmethod
from typing import Literal, NamedTuple

import torch
from jaxtyping import Float, Real
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import expand_like

_BISECTIONS = 60  # more than fp64 can resolve


Variance = Literal["beta", "posterior", "learned"]


class Posterior(NamedTuple):
    """q(x_s | x_t, x_0) = N(on_x_t x_t + on_x_0 x_0, posterior), and q(x_t | x_s) = N(.., beta), s < t."""

    on_x_t: Float[Tensor, " b"]
    on_x_0: Float[Tensor, " b"]
    posterior: Float[Tensor, " b"]  # variance of x_s given x_0 and x_t: optimal for a single data point
    beta: Float[Tensor, " b"]  # variance of the forward step: optimal for data ~ N(0, I)

    def variance(
        self, kind: Variance, variance_fraction: Float[Tensor, "b ..."] | None = None
    ) -> Float[Tensor, "b ..."]:
        """Return the variance of the reverse step.

        "learned" interpolates: ln v = fraction ln beta + (1 - fraction) ln posterior (Nichol & Dhariwal 2021,
        eq. 15).
        """
        if kind != "learned":
            return self.beta if kind == "beta" else self.posterior
        assert variance_fraction is not None
        log_beta = expand_like(self.beta.log(), variance_fraction)
        log_posterior = expand_like(self.posterior.log(), variance_fraction)
        return (variance_fraction * log_beta + (1 - variance_fraction) * log_posterior).exp()


class ForwardProcess(Component, nn.Module, ABC):
    """Base class of forward processes: q(x_t | x_0) = N(alpha(t) x_0, sigma(t)^2 I).

    sigma / alpha increases with t.

    Attributes:
        t_max: the last time, at which x_t is almost pure noise.
        time_dtype: dtype of times: int64 for a discrete chain, float64 otherwise.
        prior_std: standard deviation of the prior p(x_t_max) = N(0, prior_std^2 I).
        coordinates: coordinates in which the solvers integrate the probability-flow ODE: "noise" is x / alpha
            over sigma / alpha; "flow", for an alpha that ends at or close to 0, is x / (alpha + sigma) over
            sigma / (alpha + sigma).
    """

    t_max: float = 1.0
    time_dtype: torch.dtype = torch.float64
    prior_std: float = 1.0
    coordinates: Literal["noise", "flow"] = "noise"

    @abstractmethod
    def alpha_sigma(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """Return alpha(t) and sigma(t) in fp64; 1 and 0 at t = 0."""

    def alpha(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return alpha(t) in torch's default dtype."""
        return self.alpha_sigma(t)[0].to(torch.get_default_dtype())

    def sigma(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return sigma(t) in torch's default dtype."""
        return self.alpha_sigma(t)[1].to(torch.get_default_dtype())

    def diffuse(
        self, x_0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."], t: Real[Tensor, " b"]
    ) -> Float[Tensor, "b ..."]:
        """Return x_t = alpha(t) x_0 + sigma(t) eps, a sample of q(x_t | x_0) if eps ~ N(0, I)."""
        return expand_like(self.alpha(t), x_0) * x_0 + expand_like(self.sigma(t), x_0) * eps

    def full_time(self, time: float, x: Float[Tensor, "b ..."]) -> Real[Tensor, " b"]:
        """Return `time` for every row of x, in the process's dtype."""
        return torch.full((len(x),), time, device=x.device, dtype=self.time_dtype)

    def time_input(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        """Return the network's time input, t / t_max in (0, 1]."""
        return (t / self.t_max).to(torch.get_default_dtype())

    def sample_time(self, rng: Rng) -> Real[Tensor, " b"]:
        """Sample training times."""
        return self.t_max * rng.uniform().double()

    def timesteps(self, steps: int) -> list[float]:
        """Return `steps` uniformly spaced times, descending from t_max to one step before 0."""
        return [self.t_max * (steps - i) / steps for i in range(steps)]

    def time_of_ratio(self, ratios: Float[Tensor, " n"]) -> Real[Tensor, " n"]:
        """Return the times in fp64 at which sigma / alpha equals each ratio, by bisection."""
        low, high = torch.zeros_like(ratios), torch.full_like(ratios, self.t_max)
        for _ in range(_BISECTIONS):
            middle = (low + high) / 2
            above = self.ratio(middle) > ratios
            low, high = torch.where(above, low, middle), torch.where(above, middle, high)
        return high

    def ratio(self, t: Real[Tensor, " n"]) -> Float[Tensor, " n"]:
        """Return sigma(t) / alpha(t) in fp64; infinite where alpha = 0."""
        alpha, sigma = self.alpha_sigma(t)
        return sigma / alpha

    def posterior(self, s: Real[Tensor, " b"], t: Real[Tensor, " b"]) -> Posterior:
        """Return q(x_s | x_t, x_0) for s < t (Ho et al. 2020, eq. 7, for any stride and process)."""
        alpha_s, sigma_s = self.alpha_sigma(s)
        alpha_t, sigma_t = self.alpha_sigma(t)
        ratio = alpha_t / alpha_s
        noise_ratio = (sigma_s / sigma_t).square()
        beta = sigma_t.square() - (ratio * sigma_s).square()
        terms = (ratio * noise_ratio, alpha_s * beta / sigma_t.square(), beta * noise_ratio, beta)
        return Posterior(*(term.to(torch.get_default_dtype()) for term in terms))


class VP(ForwardProcess):
    r"""Variance-preserving SDE: the continuous limit of the DDPM chain, beta(t) = b0 + (b1 - b0) t.

    Song et al., 2021, equation 11.

    Arguments:
        beta_start, beta_end: b0 and b1, beta at t = 0 and t = 1, above 0.
    """

    def __init__(self, beta_start: float = 0.1, beta_end: float = 20.0):
        super().__init__()
        self.beta_start, self.beta_end = beta_start, beta_end

    def alpha_sigma(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        log_alpha = self._log_alpha(t.double())
        return log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()

    def sample_time(self, rng: Rng) -> Real[Tensor, " b"]:
        """Sample t uniformly from [1e-5, 1]: the score diverges at 0 (Song et al. 2021, appendix C)."""
        return 1e-5 + (1 - 1e-5) * rng.uniform().double()

    def _log_alpha(self, t: Tensor) -> Tensor:
        return -(self.beta_start * t + (self.beta_end - self.beta_start) * t.square() / 2) / 2


class SubVP(VP):
    r"""Sub-VP SDE: alpha of VP with less noise, sigma = 1 - alpha^2, for better likelihoods.

    Song et al., 2021, equation 12.

    Arguments:
        beta_start, beta_end: see `VP`.
    """

    def alpha_sigma(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        log_alpha = self._log_alpha(t.double())
        return log_alpha.exp(), -torch.expm1(2 * log_alpha)


class VE(ForwardProcess):
    r"""Variance-exploding SDE: the noise levels of NCSN, sigma(t) = sigma_min (sigma_max / sigma_min)^t.

    Song & Ermon, 2019; Song et al., 2021, equation 9.

    Arguments:
        sigma_min, sigma_max: sigma close to t = 0 and at t = 1; `sigma_max` is about the largest distance
            between two examples (Song & Ermon 2020).
    """

    def __init__(self, sigma_min: float = 0.01, sigma_max: float = 50.0):
        super().__init__()
        self.sigma_min, self.sigma_max, self.prior_std = sigma_min, sigma_max, float(sigma_max)

    def alpha_sigma(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        t = t.double()
        return torch.ones_like(t), torch.where(
            t > 0, self.sigma_min * (self.sigma_max / self.sigma_min) ** t, 0.0
        )

    def timesteps(self, steps: int) -> list[float]:
        """Return uniformly spaced times from 1 to 1e-5, where sigma is about `sigma_min`."""
        return [1.0 - i / max(1, steps - 1) * (1 - 1e-5) for i in range(steps)]


class EDM(ForwardProcess):
    r"""The EDM process: time is sigma.

        training   ln sigma ~ N(log_sigma_mean, log_sigma_std^2)
        sampling   sigma_i = (sigma_max^(1/r) + i / (n - 1) (sigma_min^(1/r) - sigma_max^(1/r)))^r,   r = 7

    The network's time input is ln(sigma) / 4.

    Elucidating the design space of diffusion-based generative models, Karras, Aittala, Aila & Laine, 2022.

    Arguments:
        sigma_min, sigma_max: smallest and largest sigma in sampling.
        log_sigma_mean, log_sigma_std: mean and standard deviation of ln sigma in training.
    """

    def __init__(
        self,
        sigma_min: float = 0.002,
        sigma_max: float = 80.0,
        log_sigma_mean: float = -1.2,
        log_sigma_std: float = 1.2,
    ):
        super().__init__()
        self.sigma_min, self.sigma_max, self.log_sigma_mean, self.log_sigma_std = (
            sigma_min,
            sigma_max,
            log_sigma_mean,
            log_sigma_std,
        )
        self.t_max = self.prior_std = float(sigma_max)

    def alpha_sigma(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        return torch.ones_like(t, dtype=torch.float64), t.double()

    def time_input(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        return (t.double().log() / 4).to(torch.get_default_dtype())

    def sample_time(self, rng: Rng) -> Real[Tensor, " b"]:
        return (self.log_sigma_mean + self.log_sigma_std * rng.normal().double()).exp()

    def timesteps(self, steps: int) -> list[float]:
        high, low = self.sigma_max ** (1 / 7), self.sigma_min ** (1 / 7)
        return [(high + i / max(1, steps - 1) * (low - high)) ** 7 for i in range(steps)]


class RectifiedFlow(ForwardProcess):
    r"""Rectified flow: x_t = (1 - t) x_0 + t eps, whose conditional velocity is dx/dt = eps - x_0.

    Flow straight and fast, Liu, Gong & Liu, 2023; Flow matching for generative modeling, Lipman, Chen,
    Ben-Hamu, Nickel & Le, 2023.
    """

    coordinates = "flow"

    def __init__(self) -> None:
        super().__init__()

    def alpha_sigma(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        return 1 - t.double(), t.double()
