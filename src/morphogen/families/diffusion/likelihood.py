r"""The last step to the data, p(x_0 | x_1), and the arithmetic of the bound (Ho et al. 2020, eq. 5):

    log p(x_0) >= E[log p(x_0 | x_1)] - sum_{t=2}^{T} KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)) - KL(q(x_T | x_0) || p(x_T))

The sum has T - 1 terms, each a call of the network. `strata` cuts 2 .. T into fewer pieces with one t drawn from each: unbiased,
and far less noisy than independent draws, because the terms change smoothly with t.
"""

__all__ = ["Bound", "DiscretizedGaussian", "GaussianReadout", "Readout", "strata", "variance_of_sum"]

from abc import ABC, abstractmethod
from itertools import pairwise
from typing import Literal, NamedTuple

from jaxtyping import Float
from torch import Tensor

from morphogen.component import Component
from morphogen.numerics.distributions import discretized, gaussian_cdf, gaussian_log_prob
from morphogen.numerics.tensors import expand_like, sum_rows


class Bound(NamedTuple):
    """The evidence bound of each row, term by term, in nats: log p(x_0) >= nats."""

    read: Float[Tensor, "2 b"]  # log p(x_0 | x_1), from two draws of x_1
    steps: Float[Tensor, "k b"]  # of each stratum of 2 .. T the KL at one of its t, times how many there are
    pieces: tuple[tuple[int, int], ...]  # the strata: first t, how many
    prior: Float[Tensor, " b"]  # KL(q(x_T | x_0) || p(x_T))

    @property
    def nats(self) -> Float[Tensor, " b"]:
        """The sum."""
        return self.read.mean(0) - self.steps.sum(0) - self.prior

    @property
    def stderr(self) -> Float[Tensor, " b"]:
        """Its Monte Carlo error, of the draws and of the strata."""
        return ((self.read[0] - self.read[1]).square() / 4 + variance_of_sum(self.steps)).sqrt()


class Readout(Component, ABC):
    """p(x_0 | x_1) around the denoised picture, and where data may lie: `bound` is the largest |x_0| (None: anywhere)."""

    measure: Literal["mass", "density"]
    bound: float | None = None

    @abstractmethod
    def log_prob(self, x_0: Float[Tensor, "b ..."], mean: Float[Tensor, "b ..."], log_sigma: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        """log p(x_0 | x_1) in nats; `mean` is the network's x_0."""

    def clip(self, x_0: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The nearest x_0 that data could be."""
        return x_0 if self.bound is None else x_0.clamp(-self.bound, self.bound)


class DiscretizedGaussian(Readout):
    """A Gaussian's mass in the bin of each subpixel, the end bins open (Ho, Jain & Abbeel 2020, eq. 13): a mass.

    Arguments:
        levels: values of a subpixel, evenly spaced over [-1, 1].
    """

    measure = "mass"
    bound = 1.0

    def __init__(self, levels: int):
        self.levels = levels

    def log_prob(self, x_0: Float[Tensor, "b ..."], mean: Float[Tensor, "b ..."], log_sigma: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return sum_rows(discretized(x_0, mean, expand_like(log_sigma, x_0), self.levels, gaussian_cdf))


class GaussianReadout(Readout):
    """N(x_0; mean, sigma^2): a density, for data that lie on no grid (points, latents)."""

    measure = "density"

    def log_prob(self, x_0: Float[Tensor, "b ..."], mean: Float[Tensor, "b ..."], log_sigma: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        return sum_rows(gaussian_log_prob(x_0, mean, expand_like(log_sigma, x_0)))


def strata(first: int, last: int, count: int) -> list[tuple[int, int]]:
    """first .. last cut into `count` pieces as even as can be (no more than there are numbers): (start, size) of each."""
    total = last - first + 1
    count = min(count, total)
    edges = [first + i * total // count for i in range(count + 1)]
    return [(low, high - low) for low, high in pairwise(edges)]


def variance_of_sum(terms: Float[Tensor, "k b"]) -> Float[Tensor, " b"]:
    """Of the sum of k independent terms, one draw of each: by neighbours, E (u - v)^2 = Var u + Var v + (difference of means)^2.

    Every term is counted, so that on average it is never too small; it is too large by as much as neighbours' means differ
    (collapsed strata: Cochran 1977, section 5A.12).
    """
    if len(terms) < 2:
        return terms.sum(0) * float("nan")
    paired = len(terms) // 2 * 2
    odd = (terms[-1] - terms[-2]).square() if paired < len(terms) else 0.0
    return (terms[:paired:2] - terms[1:paired:2]).square().sum(0) + odd
