r"""How data turn into noise, each process on its own clock: x_t = alpha(t) x_0 + sigma(t) eps, t = 0 the data, t = last (almost) noise.

    VP             alpha = exp(-(b0 t + (b1 - b0) t^2 / 2) / 2),  sigma^2 = 1 - alpha^2    t in (0, 1]     Song et al. 2021, eq. 11
    SubVP          the same alpha,                                sigma = 1 - alpha^2      t in (0, 1]     eq. 12
    VE             alpha = 1,      sigma = low (high / low)^t                              t in (0, 1]     eq. 9
    EDM            alpha = 1,      sigma = t                                               t in (0, high]  Karras et al. 2022
    RectifiedFlow  alpha = 1 - t,  sigma = t                                               t in (0, 1]     Liu, Lipman et al. 2023

and, in `schedules.py`, the chains of T steps. A chain's clock ticks in whole numbers; all else about them is the same, so targets,
samplers, guidance and likelihoods are written once. Levels are worked in fp64, since 1 - alpha^2 cancels near the data.
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

_HALVINGS = 60  # of the clock: more than fp64 can tell apart


Variance = Literal["beta", "posterior", "learned"]


class Posterior(NamedTuple):
    """q(x_s | x_t, x_0) = N(on_x_t x_t + on_x_0 x_0, posterior), and q(x_t | x_s) = N(.., beta)."""

    on_x_t: Float[Tensor, " b"]
    on_x_0: Float[Tensor, " b"]
    posterior: Float[Tensor, " b"]  # variance of x_s once x_0 is known: right for a single point of data
    beta: Float[Tensor, " b"]  # variance of the forward step: right for data ~ N(0, I)

    def variance(self, kind: Variance, share: Float[Tensor, "b ..."] | None = None) -> Float[Tensor, "b ..."]:
        """Of the reverse step: one of the two, or ln v = share ln beta + (1 - share) ln posterior (Nichol & Dhariwal 2021, eq. 15)."""
        if kind != "learned":
            return self.beta if kind == "beta" else self.posterior
        assert share is not None
        high, low = (expand_like(c.log(), share) for c in (self.beta, self.posterior))
        return (share * high + (1 - share) * low).exp()


class ForwardProcess(Component, nn.Module, ABC):
    """q(x_t | x_0) = N(alpha(t) x_0, sigma(t)^2 I), sigma / alpha rising with t.

    Attributes:
        last: the time of noise.
        clock: of the times: a chain counts (int64), the others measure (float64).
        prior: standard deviation of the noise that x_last is taken for.
        path: in which coordinates a curve from noise to data is straight: x / alpha over sigma / alpha ("noise"), or, where alpha ends in
            0 or next to it, x / (alpha + sigma) over sigma / (alpha + sigma) ("flow").
    """

    last: float = 1.0
    clock: torch.dtype = torch.float64
    prior: float = 1.0
    path: Literal["noise", "flow"] = "noise"

    @abstractmethod
    def levels(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        """alpha(t) and sigma(t) in fp64; 1 and 0 at t = 0."""

    def alpha(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        """alpha(t), in torch's default dtype."""
        return self.levels(t)[0].to(torch.get_default_dtype())

    def sigma(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        """sigma(t), in torch's default dtype."""
        return self.levels(t)[1].to(torch.get_default_dtype())

    def diffuse(self, x_0: Float[Tensor, "b ..."], eps: Float[Tensor, "b ..."], t: Real[Tensor, " b"]) -> Float[Tensor, "b ..."]:
        """x_t = alpha(t) x_0 + sigma(t) eps: with eps ~ N(0, I) a draw of q(x_t | x_0)."""
        return expand_like(self.alpha(t), x_0) * x_0 + expand_like(self.sigma(t), x_0) * eps

    def moment(self, time: float, x: Float[Tensor, "b ..."]) -> Real[Tensor, " b"]:
        """One time for all rows of x, on the process's clock."""
        return torch.full((len(x),), time, device=x.device, dtype=self.clock)

    def told(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        """What a network is told of t: the share of the clock that has run, in (0, 1]."""
        return (t / self.last).to(torch.get_default_dtype())

    def draw(self, rng: Rng) -> Real[Tensor, " b"]:
        """Times to train at."""
        return self.last * rng.uniform().double()

    def times(self, steps: int) -> list[float]:
        """So many, evenly down from the last to one step before the data."""
        return [self.last * (steps - i) / steps for i in range(steps)]

    def at(self, ratios: Float[Tensor, " n"]) -> Real[Tensor, " n"]:
        """The times at which sigma / alpha is so large, fp64, by halving the clock."""
        low, high = torch.zeros_like(ratios), torch.full_like(ratios, self.last)
        for _ in range(_HALVINGS):
            middle = (low + high) / 2
            beyond = self.ratio(middle) > ratios
            low, high = torch.where(beyond, low, middle), torch.where(beyond, middle, high)
        return high

    def ratio(self, t: Real[Tensor, " n"]) -> Float[Tensor, " n"]:
        """sigma(t) / alpha(t) in fp64, infinite where nothing of the data is left."""
        alpha, sigma = self.levels(t)
        return sigma / alpha

    def posterior(self, s: Real[Tensor, " b"], t: Real[Tensor, " b"]) -> Posterior:
        """One step back, from t to s < t (Ho et al. 2020, eq. 7, for any stride and any levels)."""
        (alpha_s, sigma_s), (alpha_t, sigma_t) = self.levels(s), self.levels(t)
        ratio, noise = alpha_t / alpha_s, (sigma_s / sigma_t).square()
        beta = sigma_t.square() - (ratio * sigma_s).square()
        found = (ratio * noise, alpha_s * beta / sigma_t.square(), beta * noise, beta)
        return Posterior(*(coefficient.to(torch.get_default_dtype()) for coefficient in found))


class VP(ForwardProcess):
    r"""Variance preserving: the limit of Ho et al.'s chain, beta(t) = b0 + (b1 - b0) t (Song et al. 2021, eq. 11).

    Arguments:
        start, end: beta at t = 0 and t = 1, above 0.
    """

    def __init__(self, start: float = 0.1, end: float = 20.0):
        super().__init__()
        self.start, self.end = start, end

    def levels(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        log_alpha = self._log_alpha(t.double())
        return log_alpha.exp(), (-torch.expm1(2 * log_alpha)).sqrt()

    def draw(self, rng: Rng) -> Real[Tensor, " b"]:
        return 1e-5 + (1 - 1e-5) * rng.uniform().double()  # eps grows without bound towards the data (Song et al. 2021, appendix C)

    def _log_alpha(self, t: Tensor) -> Tensor:
        return -(self.start * t + (self.end - self.start) * t.square() / 2) / 2


class SubVP(VP):
    r"""The same alpha with less noise everywhere, sigma = 1 - alpha^2: better likelihoods (Song et al. 2021, eq. 12).

    Arguments:
        start, end: as of `VP`.
    """

    def levels(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        log_alpha = self._log_alpha(t.double())
        return log_alpha.exp(), -torch.expm1(2 * log_alpha)


class VE(ForwardProcess):
    r"""Variance exploding: the noise of NCSN's levels, sigma(t) = low (high / low)^t (Song & Ermon 2019; Song et al. 2021, eq. 9).

    Arguments:
        low, high: sigma next to the data and at t = 1; `high` about the largest distance of two examples (Song & Ermon 2020).
    """

    def __init__(self, low: float = 0.01, high: float = 50.0):
        super().__init__()
        self.low, self.high, self.prior = low, high, float(high)

    def levels(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        t = t.double()
        return torch.ones_like(t), torch.where(t > 0, self.low * (self.high / self.low) ** t, 0.0)

    def times(self, steps: int) -> list[float]:
        """Evenly down to next to the data, where sigma is `low`."""
        return [1.0 - i / max(1, steps - 1) * (1 - 1e-5) for i in range(steps)]


class EDM(ForwardProcess):
    r"""Noise is the clock, sigma = t (Elucidating the design space of diffusion models, Karras, Aittala, Aila & Laine 2022).

        ln sigma ~ N(mean, spread^2) in training,   sigma_i = (high^(1/r) + i / (n - 1) (low^(1/r) - high^(1/r)))^r in sampling, r = 7

    Networks are told ln(sigma) / 4.

    Arguments:
        low, high: sigma next to the data and at the end.
        mean, spread: of ln sigma in training.
    """

    def __init__(self, low: float = 0.002, high: float = 80.0, mean: float = -1.2, spread: float = 1.2):
        super().__init__()
        self.low, self.high, self.mean, self.spread = low, high, mean, spread
        self.last = self.prior = float(high)

    def levels(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        return torch.ones_like(t, dtype=torch.float64), t.double()

    def told(self, t: Real[Tensor, " b"]) -> Float[Tensor, " b"]:
        return (t.double().log() / 4).to(torch.get_default_dtype())

    def draw(self, rng: Rng) -> Real[Tensor, " b"]:
        return (self.mean + self.spread * rng.normal().double()).exp()

    def times(self, steps: int) -> list[float]:
        high, low = self.high ** (1 / 7), self.low ** (1 / 7)
        return [(high + i / max(1, steps - 1) * (low - high)) ** 7 for i in range(steps)]


class RectifiedFlow(ForwardProcess):
    r"""Straight lines from data to noise, x_t = (1 - t) x_0 + t eps, dx/dt = eps - x_0.

    Flow straight and fast (Liu, Gong & Liu 2023); Flow matching for generative modeling (Lipman, Chen, Ben-Hamu, Nickel & Le 2023).
    """

    path = "flow"

    def __init__(self) -> None:
        super().__init__()

    def levels(self, t: Real[Tensor, " b"]) -> tuple[Float[Tensor, " b"], Float[Tensor, " b"]]:
        return 1 - t.double(), t.double()
