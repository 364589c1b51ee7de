r"""Emissions of a hidden Markov model: what each of its states looks like.

    CategoricalEmissions    p(x_t = v | s) = B_sv                    tokens
    GaussianEmissions       p(x_t | s) = N(x_t; mu_s, Sigma_s)       vectors

Each is fitted from sums over the positions, weighted by p(s_t = s | x), which are the statistics of one round
of EM (Baum, Petrie, Soules & Weiss 1970).
"""

__all__ = ["CategoricalEmissions", "Emissions", "GaussianEmissions"]

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.numerics.clustering import kmeans, nearest, spread_centres
from morphogen.numerics.randomness import Rng
from morphogen.representations.degenerate import warn_if_singular

TINY = 1e-100  # mass of what no row has: it keeps logarithms finite, and changes no number beside it


class Emissions(Component, nn.Module, ABC):
    """Distributions p(x_t | s) of S states.

    Attributes:
        states: S.
    """

    states: int

    @abstractmethod
    def log_prob(self, x: Shaped[Tensor, "b t ..."]) -> Float[Tensor, "b t s"]:
        """log p(x_t | s) of every state; anything finite where x_t is missing."""

    @abstractmethod
    def statistics(
        self, x: Shaped[Tensor, "b t ..."], weight: Float[Tensor, "b t s"]
    ) -> dict[str, Float[Tensor, "..."]]:
        """Sums over the positions, weighted by the probability of each state; 0 where x_t is missing."""

    @abstractmethod
    def update(self, statistics: dict[str, Float[Tensor, "..."]], rate: float) -> None:
        """The M-step, from statistics per row, averaged with the previous ones."""

    @abstractmethod
    def start(
        self, x: Shaped[Tensor, "b t ..."], exists: Bool[Tensor, "b t"], chains: Int[Tensor, " b"],
        per_chain: int, rng: Rng,
    ) -> Float[Tensor, "b t s"]:  # fmt: skip
        """Initial weights of the states at each position, for rows of the chains' first statistics."""

    @abstractmethod
    def sample(self, states: Int[Tensor, " b"], rng: Rng) -> Shaped[Tensor, "b ..."]:
        """Draw x_t of the given states."""


class CategoricalEmissions(Emissions):
    """p(x_t = v | s) = (n_sv + prior m_v) / (n_s + prior), with the frequencies m of the data.

    Shrunk towards the frequencies of all states together, with one more of every token, so that no token has
    probability 0 (MacKay & Peto 1995, "A hierarchical Dirichlet language model").

    Arguments:
        vocabulary: V, at least 1.
        states: S, at least 1.
        prior: in tokens, at least 0; 0 is the maximum likelihood.

    Raises:
        ConfigError: if an argument is out of range.
    """

    def __init__(self, vocabulary: int, states: int, prior: float = 0.0):
        super().__init__()
        if vocabulary < 1 or states < 1 or not 0 <= prior < math.inf:
            raise ConfigError(
                "CategoricalEmissions needs vocabulary >= 1, states >= 1, prior >= 0; got "
                f"vocabulary={vocabulary}, states={states}, prior={prior:g}"
            )
        self.vocabulary, self.states, self.prior = vocabulary, states, prior
        even = torch.full((states, vocabulary), 1 / vocabulary, dtype=torch.float64)
        self.register_buffer("counts", even)  # expected tokens per row
        self.register_buffer("rows", torch.ones((), dtype=torch.float64))

    counts: Float[Tensor, "s v"]
    rows: Float[Tensor, ""]

    @property
    def probabilities(self) -> Float[Tensor, "s v"]:
        """B, whose rows sum to 1."""
        total = self.counts.sum(0) + 1 / self.rows
        added = self.prior / self.rows * total / total.sum() + TINY
        return (self.counts + added) / (self.counts + added).sum(1, keepdim=True)

    def log_prob(self, x: Int[Tensor, "b t"]) -> Float[Tensor, "b t s"]:
        return F.embedding(x.clamp_min(0), self.probabilities.log().T)

    def statistics(self, x: Int[Tensor, "b t"], weight: Float[Tensor, "b t s"]) -> dict[str, Tensor]:
        counts = torch.zeros_like(self.counts).T
        return {"tokens": counts.index_add(0, x.clamp_min(0).flatten(), weight.flatten(0, 1)).T}

    def update(self, statistics: dict[str, Tensor], rate: float) -> None:
        rows = statistics["rows"]
        self.counts.lerp_(statistics["tokens"] / rows, rate)
        self.rows.copy_(rows / rate)

    def start(
        self, x: Int[Tensor, "b t"], exists: Bool[Tensor, "b t"], chains: Int[Tensor, " b"], per_chain: int,
        rng: Rng,
    ) -> Float[Tensor, "b t s"]:  # fmt: skip
        """Random responsibilities of each token, Dirichlet(1), so that the states begin to differ."""
        one = Rng(rng.seed, torch.zeros_like(rng.rows[:1]), (*rng.path, "tokens"))
        share = -one.uniform(self.vocabulary, self.states).double().log()[0]
        weight = F.embedding(x.clamp_min(0), share)
        own = F.one_hot(chains, self.states // per_chain).repeat_interleave(per_chain, 1)
        weight = weight * own[:, None]
        return weight / weight.sum(2, keepdim=True)

    def sample(self, states: Int[Tensor, " b"], rng: Rng) -> Int[Tensor, " b"]:
        return rng.categorical(self.probabilities.log()[states])


class GaussianEmissions(Emissions):
    """p(x_t | s) = N(mu_s, Sigma_s + floor I), Sigma_s full or diagonal.

    The start is k-means++ (Arthur & Vassilvitskii 2007) and a few rounds of k-means over all positions.

    Arguments:
        dims: D, numbers per position, at least 1.
        states: S, at least 1.
        covariance: "full" or "diagonal".
        floor: added to every variance, in the units of x squared, above 0.

    Raises:
        ConfigError: if an argument is out of range.
    """

    def __init__(
        self, dims: int, states: int, covariance: Literal["full", "diagonal"] = "full", floor: float = 1e-3
    ):
        super().__init__()
        if dims < 1 or states < 1 or not 0 < floor < math.inf:
            raise ConfigError(
                "GaussianEmissions needs dims >= 1, states >= 1, floor > 0; got "
                f"dims={dims}, states={states}, floor={floor:g}"
            )
        self.dims, self.states, self.covariance, self.floor = dims, states, covariance, floor
        identity = torch.eye(dims).double() if covariance == "full" else torch.ones(dims).double()
        self.register_buffer("mass", torch.ones(states, dtype=torch.float64))  # positions per row
        self.register_buffer("means", torch.zeros(states, dims, dtype=torch.float64))
        self.register_buffer("scatter", identity.repeat(states, *[1] * identity.ndim))

    mass: Float[Tensor, " s"]
    means: Float[Tensor, "s d"]
    scatter: Float[Tensor, "s d ..."]

    @property
    def covariances(self) -> Float[Tensor, "s d ..."]:
        """Sigma [S, D, D], or its diagonals [S, D]."""
        ridge = torch.eye(self.dims) if self.covariance == "full" else torch.ones(1)
        return self.scatter + self.floor * ridge.to(self.scatter)

    def log_prob(self, x: Float[Tensor, "b t d"]) -> Float[Tensor, "b t s"]:
        flat = x.flatten(0, 1).double()
        columns = []
        for mean, scale in zip(self.means, self._scales(), strict=True):
            full = scale.ndim == 2
            if full:
                z = torch.linalg.solve_triangular(scale, (flat - mean).T, upper=False).T
            else:
                z = (flat - mean) / scale
            log_det = (scale.diagonal() if full else scale).log().sum()
            columns.append(-0.5 * z.square().sum(1) - log_det - 0.5 * self.dims * math.log(2 * math.pi))
        return rearrange(torch.stack(columns, 1), "(b t) s -> b t s", b=len(x))

    def statistics(self, x: Float[Tensor, "b t d"], weight: Float[Tensor, "b t s"]) -> dict[str, Tensor]:
        flat, r = x.flatten(0, 1).double(), weight.flatten(0, 1)
        flat = torch.where((r.sum(1) > 0)[:, None], flat, 0.0)  # a missing x_t may be anything
        full = self.covariance == "full"
        second = [(r_s[:, None] * flat).T @ flat if full else r_s @ flat.square() for r_s in r.T]
        return {"mass": r.sum(0), "first": r.T @ flat, "second": torch.stack(second)}

    def update(self, statistics: dict[str, Tensor], rate: float) -> None:
        rows = statistics["rows"]
        old = self.mass, self.mass[:, None] * self.means, _per_state(self.mass, self.scatter) * self._second()
        new = (statistics[name] / rows for name in ("mass", "first", "second"))
        mass, first, second = (o.lerp(n, rate) for o, n in zip(old, new, strict=True))
        seen = (mass > TINY)[:, None]
        means = torch.where(seen, first / mass.clamp_min(TINY)[:, None], self.means)
        scatter = second / _per_state(mass.clamp_min(TINY), second) - _square(means, self.covariance)
        self.scatter.copy_(torch.where(_per_state(mass, second) > TINY, scatter, self.scatter))
        self.means.copy_(means)
        self.mass.copy_(mass)

    def start(
        self, x: Float[Tensor, "b t d"], exists: Bool[Tensor, "b t"], chains: Int[Tensor, " b"],
        per_chain: int, rng: Rng,
    ) -> Float[Tensor, "b t s"]:  # fmt: skip
        warn_if_singular(x[exists], "density of GaussianEmissions")
        weight = torch.zeros(*exists.shape, self.states, dtype=torch.float64, device=x.device)
        for c in range(self.states // per_chain):
            own = exists & (chains == c)[:, None]
            points = x[own].double()
            if len(points):
                row, t = own.nonzero().T
                keyed = Rng(rng.seed, rng.rows[row] * x.shape[1] + t, (*rng.path, "start", c))
                first = spread_centres(points, per_chain, _uniform(keyed))
                centres = kmeans(points, first)
                found = c * per_chain + nearest(points, centres)
                weight[own] = F.one_hot(found, self.states).double()
        return weight

    def sample(self, states: Int[Tensor, " b"], rng: Rng) -> Float[Tensor, "b d"]:
        eps, scales = rng.normal(self.dims).double(), self._scales()[states]
        noise = torch.einsum("bde,be->bd", scales, eps) if scales.ndim == 3 else scales * eps
        return (self.means[states] + noise).float()

    def _scales(self) -> Tensor:
        """Cholesky factors [S, D, D] or standard deviations [S, D]."""
        covariances = self.covariances
        return torch.linalg.cholesky(covariances) if self.covariance == "full" else covariances.sqrt()

    def _second(self) -> Tensor:
        return self.scatter + _square(self.means, self.covariance)


def _uniform(rng: Rng) -> Callable[[int], Tensor]:
    """A number of each row, for centre i."""
    return lambda i: rng.fork(i).uniform()


def _square(means: Tensor, covariance: str) -> Tensor:
    """mu mu^T, or its diagonal."""
    return means[:, :, None] * means[:, None, :] if covariance == "full" else means.square()


def _per_state(mass: Float[Tensor, " s"], like: Tensor) -> Tensor:
    """One number per state, in as many dimensions as `like`."""
    return mass.reshape(-1, *[1] * (like.ndim - 1))
