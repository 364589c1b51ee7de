r"""Gaussian mixture models, fitted by expectation-maximization (EM): a baseline without gradients or GPU.

    p(x | c) = sum_k pi_ck N(x; mu_k, Sigma_k)

The E-step computes the responsibilities r_k(x) = p(k | x, c). The M-step sets the weights, means and
covariances to those of the data weighted by r_k (Dempster, Laird & Rubin 1977). `losses` performs the E-step
and returns sums, `update_from_statistics` the M-step, so a mixture is trained by the same loop as a network.
On all rows this is classical EM, and micro-batches are added up. On a part of the rows it is online EM, s <-
(1 - rate) s + rate s(batch) (Cappe & Moulines 2009, "On-line expectation-maximization for latent data
models").
"""

__all__ = [
    "Mixture", "MixtureSampler", "akaike_criterion", "bayesian_criterion", "class_counts",
    "class_probabilities", "cluster", "scaled_noise",
]  # fmt: skip

import math
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.numerics.clustering import kmeans, nearest, spread_centres
from morphogen.numerics.randomness import Rng
from morphogen.representations.degenerate import warn_if_singular

TINY = 1e-12  # lower bound of the weight of an empty component or unseen class, against division by zero


class Mixture(Objective):
    r"""A Gaussian mixture model; all classes share the components and have their own component weights.

        Sigma_k = (n_k S_k + prior W) / (n_k + prior) + floor I,     W = sum_k n_k S_k / n

    S_k is the covariance of component k, n_k its number of rows, and W the pooled covariance, towards which
    components of few rows are shrunk (Friedman 1989, "Regularized discriminant analysis"). With prior = 0
    this is scikit-learn's EM. The initialization is k-means++ (Arthur & Vassilvitskii 2007) followed by a few
    iterations of k-means, with the components divided among the classes.

    Arguments:
        components: number of components K, at least 1; a multiple of `classes` is divided evenly.
        shape: shape of one x; its dimension d is the product.
        classes: number of classes, the width of the one-hot `context.vector [B, classes]`; 0: unconditional.
            Without a context the marginal distribution is used.
        covariance: "full" needs K d^2 numbers, "tied" d^2, "diagonal" K d; low rank: `FactorMixture`.
        floor: value added to every variance, in the units of x squared, above 0.
        prior: shrinkage towards W, in rows, at least 0.
        rate: weight of the new statistics, in (0, 1]; 1 is classical EM.

    Raises:
        ConfigError: if an argument is out of range, or a context has the wrong width.
    """

    def __init__(
        self,
        components: int,
        shape: tuple[int, ...],
        classes: int = 0,
        covariance: Literal["full", "tied", "diagonal"] = "full",
        floor: float = 1e-3,
        prior: float = 0.0,
        rate: float = 1.0,
    ):
        super().__init__()
        if components < 1 or floor <= 0 or prior < 0 or not 0 < rate <= 1:
            values = f"components={components}, floor={floor:g}, prior={prior:g}, rate={rate:g}"
            raise ConfigError(
                f"Mixture needs components >= 1, floor > 0, prior >= 0, 0 < rate <= 1; got {values}"
            )
        self.components, self.shape, self.classes = components, tuple(shape), classes
        self.covariance, self.floor, self.prior, self.rate = covariance, floor, prior, rate
        k, c, d = components, max(classes, 1), math.prod(shape)
        identity = torch.ones(d).double() if covariance == "diagonal" else torch.eye(d).double()
        scatter = identity.repeat(1 if covariance == "tied" else k, *[1] * identity.ndim)
        self.register_buffer("weights", torch.full((c, k), 1 / (c * k), dtype=torch.float64))  # p(c, k)
        self.register_buffer("means", torch.zeros(k, d, dtype=torch.float64))
        self.register_buffer("scatter", scatter)  # S [K, d, d], one [1, d, d], or diagonals [K, d]
        self.register_buffer("rows", torch.ones((), dtype=torch.float64))  # n, to which prior is compared

    weights: Float[Tensor, "c k"]
    means: Float[Tensor, "k d"]
    scatter: Float[Tensor, "m d ..."]
    rows: Float[Tensor, ""]

    @property
    def covariances(self) -> Float[Tensor, "k d ..."]:
        """Sigma [K, d, d], or its diagonals [K, d]."""
        weight = self.weights.sum(0).reshape(-1, *[1] * (self.scatter.ndim - 1))
        pooled, prior = (weight * self.scatter).sum(0) / weight.sum(), self.prior / self.rows
        shrunk = (weight * self.scatter + prior * pooled) / (weight + prior).clamp_min(TINY)
        ridge = self.floor * (torch.ones(1) if shrunk.ndim == 2 else torch.eye(self.means.shape[1]))
        return shrunk + ridge.to(shrunk)

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the model is fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        flat = x.x.flatten(1).double()
        log_joint = self._log_joint(flat, context)
        statistics = _statistics(self, flat, log_joint.softmax(1), context)
        return Losses({"nll": -log_joint.logsumexp(1)}, statistics=statistics)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        context, rng = self.receive_mask(x.mask, context, rng)
        nats = self._log_joint(x.x.flatten(1).double(), context).logsumexp(1)
        return Likelihood(nats, x.dims, kind="exact", measure="density")

    def default_sampler(self) -> Sampler:
        return MixtureSampler()

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Initialize the components as clusters of the first batch, those of a class from its rows."""
        flat = x.x.flatten(1).double()
        warn_if_singular(flat, f"density of {type(self).__name__}")
        assigned = cluster(flat, self.components, self.classes, context, rng)
        self._maximise(_statistics(self, flat, assigned, context), rate=1.0)

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """The M-step."""
        self._maximise(statistics, self.rate)

    def log_weights(self, context: Context | None, rows: int) -> Float[Tensor, "b k"]:
        """log p(k | c) of each row, or log p(k) without a context."""
        p_class, joint = class_probabilities(self.classes, context), self.weights.clamp_min(TINY)
        if p_class is None:
            return joint.sum(0).log().expand(rows, -1)
        return (p_class @ (joint / joint.sum(1, keepdim=True))).log()

    @property
    def free_parameters(self) -> int:
        """Numbers that EM estimates, as information criteria count them."""
        d, (c, k) = self.means.shape[1], self.weights.shape
        each = d if self.covariance == "diagonal" else d * (d + 1) // 2
        return c * k - 1 + k * d + len(self.scatter) * each

    def scales(self) -> Float[Tensor, "k d ..."]:
        """Cholesky factors L [K, d, d] of the covariances, or standard deviations [K, d]."""
        covariances = self.covariances
        return covariances.sqrt() if self.covariance == "diagonal" else torch.linalg.cholesky(covariances)

    def deviations(self, component: Int[Tensor, " b"], rng: Rng) -> Float[Tensor, "b d"]:
        """Draw L_k eps, the deviations of samples of these components from their means."""
        eps, scales = rng.normal(self.means.shape[1]).double(), self.scales()
        return scaled_noise(component, eps, scales) if scales.ndim == 3 else eps * scales[component]

    def _log_joint(self, x: Float[Tensor, "b d"], context: Context | None) -> Float[Tensor, "b k"]:
        """log p(x, k | c), one component at a time to avoid a tensor [B, K, d]."""
        columns = []
        for mean, scale in zip(self.means, self.scales(), strict=True):
            full = scale.ndim == 2
            if full:
                z = torch.linalg.solve_triangular(scale, (x - mean).T, upper=False).T
            else:
                z = (x - mean) / scale
            log_det = (scale.diagonal() if full else scale).log().sum()
            columns.append(-0.5 * z.square().sum(1) - log_det - 0.5 * x.shape[1] * math.log(2 * math.pi))
        return torch.stack(columns, 1) + self.log_weights(context, len(x))

    def _maximise(self, statistics: dict[str, Tensor], rate: float) -> None:
        """Set weights, means and scatter from the statistics per row, averaged with the current ones."""
        rows = statistics["counts"].sum()
        old = self.weights, self.weights.sum(0)[:, None] * self.means, _second_moments(self)
        new = (statistics[name] / rows for name in ("counts", "first", "second"))
        counts, first, second = ((1 - rate) * o + rate * n for o, n in zip(old, new, strict=True))
        weight = counts.sum(0).clamp_min(TINY)
        self.weights.copy_(counts)
        self.means.copy_(first / weight[:, None])
        between = _per_component(weight, second) * _square(self.means, self.covariance)
        if self.covariance == "tied":
            between, weight = between.sum(0, keepdim=True), counts.sum()[None]
        self.scatter.copy_((second - between) / _per_component(weight, second))
        self.rows.copy_(rows / rate)  # effective number of rows of the moving average


class MixtureSampler(Sampler):
    """Draw k ~ p(k | c), then x = mu_k + temperature L_k eps.

    Exact at temperature 1; the cost is one multiplication by L_k per sample.

    Arguments:
        temperature: multiplier of the noise, at least 0; below 1 samples are closer to their component's mean
            (Kingma & Dhariwal 2018).
    """

    requires = "log_weights"

    def __init__(self, temperature: float = 1.0):
        self.temperature = temperature

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Float[Tensor, "b ..."]:
        self.check(objective)
        component = rng.fork("component").categorical(objective.log_weights(context, len(rng)))
        deviations = objective.deviations(component, rng.fork("noise"))
        x = objective.means[component] + self.temperature * deviations
        return x.reshape(-1, *shape).float()


@torch.no_grad()
def bayesian_criterion(mixture: Mixture, x: Encoded, context: Context | None = None) -> float:
    """BIC = -2 log p(x) + m log n of m free parameters and n rows; less is better (Schwarz 1978)."""
    nats = mixture.log_prob(x, context, Rng(0, len(x))).nats.sum().item()
    return -2 * nats + mixture.free_parameters * math.log(len(x))


@torch.no_grad()
def akaike_criterion(mixture: Mixture, x: Encoded, context: Context | None = None) -> float:
    """AIC = -2 log p(x) + 2 m of m free parameters; less is better (Akaike 1974)."""
    nats = mixture.log_prob(x, context, Rng(0, len(x))).nats.sum().item()
    return -2 * nats + 2 * mixture.free_parameters


def scaled_noise(
    component: Int[Tensor, " b"], eps: Float[Tensor, "b n"], scales: Float[Tensor, "k d n"]
) -> Float[Tensor, "b d"]:
    """The products of the noise of each row and the matrix of its component, without a matrix per row."""
    x = eps.new_empty(len(eps), scales.shape[1])
    for k in component.unique().tolist():
        rows = component == k
        x[rows] = eps[rows] @ scales[k].T
    return x


def class_counts(mixture: Mixture, r: Float[Tensor, "b k"], context: Context | None) -> Float[Tensor, "c k"]:
    """The responsibilities of each component for the rows of each class."""
    p_class = class_probabilities(mixture.classes, context)
    if p_class is not None:
        return p_class.T @ r
    # a row of unknown class counts for every class in proportion to the current weights
    return r.sum(0) * mixture.weights / mixture.weights.sum(0).clamp_min(TINY)


def cluster(
    x: Float[Tensor, "b d"], components: int, classes: int, context: Context | None, rng: Rng
) -> Float[Tensor, "b k"]:
    """The cluster of each row, one-hot; the components are divided among the classes."""
    p_class = class_probabilities(classes, context)
    classes = 1 if p_class is None or components < classes else classes
    if p_class is not None and classes > 1:
        labels = p_class.argmax(1)
    else:
        labels = torch.zeros(len(x), dtype=torch.int64, device=x.device)
    sizes = [components // classes + (c < components % classes) for c in range(classes)]
    assigned = torch.zeros(len(x), components, dtype=torch.float64, device=x.device)
    for c, size in enumerate(sizes):
        rows = (labels == c).nonzero().flatten()
        if len(rows):
            assigned[rows, sum(sizes[:c]) + _clusters(x[rows], size, rng[rows].fork("start", c))] = 1
    return assigned


def class_probabilities(classes: int, context: Context | None) -> Float[Tensor, "b c"] | None:
    """Class probabilities of each row; None without a class condition."""
    if context is None or context.vector is None or not classes:
        return None
    if (width := context.vector.shape[1]) != classes:
        raise ConfigError(
            f"Mixture(classes={classes}) received a context vector of width {width}: "
            "use the conditioner OneHot"
        )
    return context.vector.double()


def _statistics(
    mixture: Mixture, x: Float[Tensor, "b d"], r: Float[Tensor, "b k"], context: Context | None
) -> dict[str, Tensor]:
    """Sums weighted by the responsibilities r: counts [C, K], first [K, d] and second moments [K, d(, d)]."""
    # most rows belong to a single component, which makes this K times cheaper
    members = [(r_k > TINY).nonzero().flatten() for r_k in r.T]
    full = mixture.covariance == "full"
    if mixture.covariance == "tied":
        return {"counts": class_counts(mixture, r, context), "first": r.T @ x, "second": (x.T @ x)[None]}
    second = [
        (r[i, k, None] * x[i]).T @ x[i] if full else r[i, k] @ x[i].square() for k, i in enumerate(members)
    ]
    return {"counts": class_counts(mixture, r, context), "first": r.T @ x, "second": torch.stack(second)}


def _second_moments(mixture: Mixture) -> Tensor:
    """p(k) E[x x^T | k], summed over k if the covariance is tied, or the diagonals."""
    weight = _per_component(mixture.weights.sum(0), mixture.scatter)
    if mixture.covariance == "tied":
        return mixture.scatter + (weight * _square(mixture.means, "tied")).sum(0)
    return weight * (mixture.scatter + _square(mixture.means, mixture.covariance))


def _square(means: Tensor, covariance: str) -> Tensor:
    """mu mu^T, or its diagonal."""
    return means.square() if covariance == "diagonal" else means[:, :, None] * means[:, None, :]


def _per_component(weight: Float[Tensor, " k"], like: Tensor) -> Tensor:
    """One number per component, in as many dimensions as `like`."""
    return weight.reshape(-1, *[1] * (like.ndim - 1))


def _clusters(x: Float[Tensor, "n d"], k: int, rng: Rng) -> Tensor:
    """Cluster index of each row, int64 [n], by k-means with k-means++ initialization."""
    return nearest(x, kmeans(x, spread_centres(x, k, lambda i: rng.fork(i).uniform())))
