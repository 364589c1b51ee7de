r"""The decoder p(x_0 | x_1), and the arithmetic of the evidence lower bound (Ho et al. 2020, eq. 5).

    log p(x_0) >= E[log p(x_0 | x_1)] - sum_{t=2}^{T} KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t))
                  - KL(q(x_T | x_0) || p(x_T))

Each of the T - 1 terms of the sum costs one network call. `strata` divides 2 .. T into fewer strata, and
one t is drawn from each. The estimate is unbiased, and has a much lower variance than independent draws of
t because the terms change smoothly with t.
"""

__all__ = [
    "Bound",
    "DecoderLikelihood",
    "DiscretizedGaussian",
    "GaussianDecoder",
    "strata",
    "variance_of_sum",
]

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Literal, NamedTuple

from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import Component
from morphogen.numerics.distributions import discretized_log_mass, gaussian_cdf, gaussian_log_prob
from morphogen.numerics.masking import masked_sum
from morphogen.numerics.tensors import expand_like


class Bound(NamedTuple):
    """The terms of the evidence lower bound of each row, in nats."""

    reconstruction: Float[Tensor, "2 b"]  # log p(x_0 | x_1), for two samples of x_1
    step_kl: Float[Tensor, "k b"]  # per stratum of 2 .. T: the KL at one t, times the size of the stratum
    strata: tuple[tuple[int, int], ...]  # (first t, size) of each stratum
    prior_kl: Float[Tensor, " b"]  # KL(q(x_T | x_0) || p(x_T))

    @property
    def nats(self) -> Float[Tensor, " b"]:
        """The lower bound of log p(x_0)."""
        return self.reconstruction.mean(0) - self.step_kl.sum(0) - self.prior_kl

    @property
    def stderr(self) -> Float[Tensor, " b"]:
        """The Monte Carlo standard error of `nats`, from the noise and from the choice of t."""
        reconstruction = (self.reconstruction[0] - self.reconstruction[1]).square() / 4
        return (reconstruction + variance_of_sum(self.step_kl)).sqrt()


class DecoderLikelihood(Component, ABC):
    """Base class of decoders p(x_0 | x_1), centred at the predicted x_0.

    Attributes:
        measure: whether p(x_0 | x_1) is a mass or a density.
        max_abs: largest |x_0| of the data; None: unbounded.
    """

    measure: Literal["mass", "density"]
    max_abs: float | None = None

    @abstractmethod
    def log_prob(
        self,
        x_0: Float[Tensor, "b ..."],
        mean: Float[Tensor, "b ..."],
        log_sigma: Float[Tensor, "b ..."],
        mask: Bool[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, " b"]:
        """Return log p(x_0 | x_1) in nats, of existing elements; `mean` is the predicted x_0."""

    def clip(self, x_0: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """Clip x_0 to the data range."""
        return x_0 if self.max_abs is None else x_0.clamp(-self.max_abs, self.max_abs)


class DiscretizedGaussian(DecoderLikelihood):
    """Discretized Gaussian decoder: the mass of a Gaussian in the bin of each subpixel.

    Ho, Jain & Abbeel, 2020, equation 13. The first and the last bin are open.

    Arguments:
        levels: number of values of a subpixel, evenly spaced over [-1, 1].
    """

    measure = "mass"
    max_abs = 1.0

    def __init__(self, levels: int):
        self.levels = levels

    def log_prob(
        self,
        x_0: Float[Tensor, "b ..."],
        mean: Float[Tensor, "b ..."],
        log_sigma: Float[Tensor, "b ..."],
        mask: Bool[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, " b"]:
        log_sigma = expand_like(log_sigma, x_0)
        return masked_sum(discretized_log_mass(x_0, mean, log_sigma, self.levels, gaussian_cdf), mask)


class GaussianDecoder(DecoderLikelihood):
    """Gaussian decoder N(x_0; mean, sigma^2), a density, for continuous data (points, latents)."""

    measure = "density"

    def log_prob(
        self,
        x_0: Float[Tensor, "b ..."],
        mean: Float[Tensor, "b ..."],
        log_sigma: Float[Tensor, "b ..."],
        mask: Bool[Tensor, "b n"] | None = None,
    ) -> Float[Tensor, " b"]:
        return masked_sum(gaussian_log_prob(x_0, mean, expand_like(log_sigma, x_0)), mask)


def strata(first: int, last: int, count: int) -> list[tuple[int, int]]:
    """Divide first .. last into `count` strata of nearly equal size, or one per number if there are fewer.

    Returns (start, size) of each.
    """
    total = last - first + 1
    count = min(count, total)
    edges = [first + i * total // count for i in range(count + 1)]
    return [(low, high - low) for low, high in pairwise(edges)]


def variance_of_sum(terms: Float[Tensor, "k b"]) -> Float[Tensor, " b"]:
    """Estimate the variance of a sum of k independent terms from one draw of each, by pairs of neighbours.

    E (u - v)^2 = Var u + Var v + (difference of means)^2, so the estimate is biased upwards by the squared
    differences of the neighbours' means (collapsed strata: Cochran 1977, section 5A.12). An odd last term is
    paired with the one before it.
    """
    if len(terms) < 2:
        return terms.sum(0) * float("nan")
    paired = len(terms) // 2 * 2
    odd = (terms[-1] - terms[-2]).square() if paired < len(terms) else 0.0
    return (terms[:paired:2] - terms[1:paired:2]).square().sum(0) + odd
