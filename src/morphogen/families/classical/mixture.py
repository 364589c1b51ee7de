r"""Mixtures of Gaussians by expectation-maximisation: the yardstick that needs no gradient, on two cores or none to speak of.

    p(x | c) = sum_k pi_ck N(x; mu_k, Sigma_k)

E-step:  r_k(x) = p(k | x, c).   M-step: weights, means and covariances are those of the data counted r_k times
(Dempster, Laird & Rubin 1977). `losses` does the first and returns sums, `absorb` the second, so that a mixture is trained by the
same loop as a network: on all rows it is classical EM, micro-batches only add up, and on a part of the rows it is
online EM, s <- (1 - rate) s + rate s(batch) (Cappe & Moulines 2009, "On-line expectation-maximization for latent data models").
"""

__all__ = ["Mixture", "MixtureSampler"]

import math
from typing import Any, Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.numerics.randomness import Rng

TINY = 1e-12  # what an empty component or an unseen class counts as, so that no law is 0 / 0


class Mixture(Objective):
    r"""A Gaussian mixture; the classes share the components and differ in how often they use them.

        Sigma_k = (n_k S_k + prior W) / (n_k + prior) + floor I,     W = sum_k n_k S_k / n

    S_k is component k's own covariance, n_k its rows, W what the components have in common: a component of few rows keeps to
    the common shape (Friedman 1989, "Regularized discriminant analysis"). With prior = 0 this is scikit-learn's EM.
    The start is k-means++ (Arthur & Vassilvitskii 2007) and a few rounds of k-means, each class having its share of components.

    Arguments:
        components: K, at least 1; a multiple of `classes` is shared out evenly.
        shape: of one x; d is its product.
        classes: of the one-hot `context.vector [B, classes]`; 0: no context. Without a context the law is the marginal.
        covariance: "full" costs K d^2 numbers and 2 K d^2 multiplications a row, "diagonal" K d.
        floor: added to every variance, in the units of x squared, above 0.
        prior: strength of W, in rows, at least 0.
        rate: share of the new statistics, in (0, 1]; 1: EM.

    Raises ConfigError for numbers out of range, or for a context of another width.
    """

    def __init__(
        self, components: int, shape: tuple[int, ...], classes: int = 0, covariance: Literal["full", "diagonal"] = "full",
        floor: float = 1e-3, prior: float = 0.0, rate: float = 1.0,
    ):  # fmt: skip
        super().__init__()
        if components < 1 or floor <= 0 or prior < 0 or not 0 < rate <= 1:
            got = f"components={components}, floor={floor:g}, prior={prior:g}, rate={rate:g}"
            raise ConfigError(f"Mixture needs components >= 1, floor > 0, prior >= 0, 0 < rate <= 1; got {got}")
        self.components, self.shape, self.classes, self.covariance = components, tuple(shape), classes, covariance
        self.floor, self.prior, self.rate = floor, prior, rate
        k, c, d = components, max(classes, 1), math.prod(shape)
        spread = torch.eye(d).double() if covariance == "full" else torch.ones(d).double()
        self.register_buffer("weights", torch.full((c, k), 1 / (c * k), dtype=torch.float64))  # p(c, k)
        self.register_buffer("means", torch.zeros(k, d, dtype=torch.float64))
        self.register_buffer("scatter", spread.repeat(k, *[1] * spread.ndim))  # S [K, d, d] or its diagonals [K, d]
        self.register_buffer("rows", torch.ones((), dtype=torch.float64))  # n, which `prior` is weighed against

    weights: Float[Tensor, "c k"]
    means: Float[Tensor, "k d"]
    scatter: Float[Tensor, "k d ..."]
    rows: Float[Tensor, ""]

    @property
    def covariances(self) -> Float[Tensor, "k d ..."]:
        """Sigma [K, d, d], or its diagonals [K, d]."""
        share = self.weights.sum(0).reshape(-1, *[1] * (self.scatter.ndim - 1))
        common, prior = (share * self.scatter).sum(0) / share.sum(), self.prior / self.rows
        shrunk = (share * self.scatter + prior * common) / (share + prior).clamp_min(TINY)
        ridge = self.floor * (torch.eye(self.means.shape[1]) if self.covariance == "full" else torch.ones(1))
        return shrunk + ridge.to(shrunk)

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player with nothing to descend: the statistics do the work."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        flat = x.x.flatten(1).double()
        log_joint = self._log_joint(flat, context)
        return Losses({"nll": -log_joint.logsumexp(1)}, statistics=self._statistics(flat, log_joint.softmax(1), context))

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        nats = self._log_joint(x.x.flatten(1).double(), context).logsumexp(1)
        return Likelihood(nats, x.dims, kind="exact", measure="density")

    def sampler(self) -> "MixtureSampler":
        return MixtureSampler()

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Components start as clusters of the first batch, those of a class among its rows."""
        flat, law = x.x.flatten(1).double(), self._law_of_class(context)
        classes = 1 if law is None or self.components < self.classes else self.classes
        of = law.argmax(1) if law is not None and classes > 1 else torch.zeros(len(flat), dtype=torch.int64, device=flat.device)
        shares = [self.components // classes + (c < self.components % classes) for c in range(classes)]
        assigned = torch.zeros(len(flat), self.components, dtype=torch.float64, device=flat.device)
        for c, share in enumerate(shares):
            rows = (of == c).nonzero().flatten()
            if len(rows):
                assigned[rows, sum(shares[:c]) + _clusters(flat[rows], share, rng[rows].fork("start", c))] = 1
        self._maximise(self._statistics(flat, assigned, context), rate=1.0)

    @torch.no_grad()
    def absorb(self, statistics: dict[str, Tensor], step: int) -> None:
        """The M-step."""
        self._maximise(statistics, self.rate)

    def log_weights(self, context: Context | None, rows: int) -> Float[Tensor, "b k"]:
        """log p(k | c) of each row, or log p(k) without a context."""
        law, joint = self._law_of_class(context), self.weights.clamp_min(TINY)
        return joint.sum(0).log().expand(rows, -1) if law is None else (law @ (joint / joint.sum(1, keepdim=True))).log()

    def scales(self) -> Float[Tensor, "k d ..."]:
        """Cholesky factors L [K, d, d] of the covariances, or standard deviations [K, d]."""
        return torch.linalg.cholesky(self.covariances) if self.covariance == "full" else self.covariances.sqrt()

    def _log_joint(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b k"]:
        """log p(x, k | c); a component at a time, for [B, K, d] would not fit."""
        columns = []
        for mean, scale in zip(self.means, self.scales(), strict=True):
            z = torch.linalg.solve_triangular(scale, (x - mean).T, upper=False).T if scale.ndim == 2 else (x - mean) / scale
            log_det = (scale.diagonal() if scale.ndim == 2 else scale).log().sum()
            columns.append(-0.5 * z.square().sum(1) - log_det - 0.5 * x.shape[1] * math.log(2 * math.pi))
        return torch.stack(columns, 1) + self.log_weights(context, len(x))

    def _statistics(self, x: Float[Tensor, "b d"], r: Float[Tensor, "b k"], context: Context | None) -> dict[str, Tensor]:
        """Sums over the rows: [C, K] how often, [K, d] and [K, d(, d)] the first and second moments."""
        near = [(r_k > TINY).nonzero().flatten() for r_k in r.T]  # most rows are no one's but one component's: K times cheaper
        full = self.covariance == "full"
        second = [(r[i, k, None] * x[i]).T @ x[i] if full else r[i, k] @ x[i].square() for k, i in enumerate(near)]
        law = self._law_of_class(context)  # a row of unknown class counts for each as its component does
        counts = law.T @ r if law is not None else r.sum(0) * self.weights / self.weights.sum(0).clamp_min(TINY)
        return {"counts": counts, "first": r.T @ x, "second": torch.stack(second)}

    def _maximise(self, statistics: dict[str, Tensor], rate: float) -> None:
        """Weights, means and scatter of the statistics a row, blended with those that made the present ones."""
        rows = statistics["counts"].sum()
        old = self.weights, self.weights.sum(0)[:, None] * self.means, self._second()
        new = (statistics[name] / rows for name in ("counts", "first", "second"))
        counts, first, second = ((1 - rate) * o + rate * n for o, n in zip(old, new, strict=True))
        share = counts.sum(0).clamp_min(TINY)
        self.weights.copy_(counts)
        self.means.copy_(first / share[:, None])
        self.scatter.copy_(second / share.reshape(-1, *[1] * (second.ndim - 1)) - _square(self.means, self.covariance))
        self.rows.copy_(rows / rate)  # rows that a moving average of this rate remembers

    def _second(self) -> Tensor:
        share = self.weights.sum(0).reshape(-1, *[1] * (self.scatter.ndim - 1))
        return share * (self.scatter + _square(self.means, self.covariance))

    def _law_of_class(self, context: Context | None) -> Float[Tensor, "b c"] | None:
        """What the context says of each row's class; None: nothing."""
        if context is None or context.vector is None or not self.classes:
            return None
        if (width := context.vector.shape[1]) != self.classes:
            raise ConfigError(f"Mixture(classes={self.classes}) was given a vector of {width}; condition it with OneHot")
        return context.vector.double()


class MixtureSampler(Sampler):
    """k ~ p(k | c), then x = mu_k + temperature L_k eps: exact at 1, at one multiplication by L a draw.

    Arguments:
        temperature: of the noise, at least 0; below 1 samples keep nearer to their component's mean (Kingma & Dhariwal 2018).
    """

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng) -> Float[Tensor, "b ..."]:
        chosen = rng.fork("component").categorical(objective.log_weights(context, len(rng)))
        eps, scales = self.temperature * rng.fork("noise").normal(math.prod(shape)).double(), objective.scales()
        x = objective.means[chosen]
        for k in chosen.unique().tolist():
            rows = chosen == k
            x[rows] += eps[rows] @ scales[k].T if scales.ndim == 3 else eps[rows] * scales[k]
        return x.reshape(-1, *shape).float()


def _square(means: Tensor, covariance: str) -> Tensor:
    """mu mu^T, or its diagonal."""
    return means[:, :, None] * means[:, None, :] if covariance == "full" else means.square()


def _clusters(x: Float[Tensor, "n d"], k: int, rng: Rng, rounds: int = 10) -> Tensor:
    """The cluster of each row, int64 [n], by k-means from k-means++.

    Each centre is drawn in proportion to the squared distance from those before. The draw is a race of exponentials, one keyed to
    each row, so that their order does not matter.
    """
    centres: list[Tensor] = []
    for i in range(k):
        far = torch.cdist(x, torch.stack(centres)).amin(1).square().clamp_min(TINY) if centres else torch.ones_like(x[:, 0])
        centres.append(x[(-rng.fork(i).uniform().double().log() / far).argmin()])
    means = torch.stack(centres)
    for _ in range(rounds):
        near = nn.functional.one_hot(torch.cdist(x, means).argmin(1), k).double()
        counts = near.sum(0)[:, None]
        means = torch.where(counts > 0, near.T @ x / counts.clamp_min(1), means)
    return torch.cdist(x, means).argmin(1)
