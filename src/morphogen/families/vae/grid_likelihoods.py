r"""Observation models of values on a grid, such as pixels: probability masses of each entry given z.

    Bernoulli()                         two values, -1 and 1; h = logit of 1
    CategoricalLevels(levels)           any values, unordered; h = logits
    DiscretizedLogistic(levels)         ordered values; h = (mean, log s)
    SharedScaleLogistic(levels)         the same with one learned s; h = mean
    DiscretizedLogisticMixture(levels)  ordered values with several modes; h = K x (logit, mean, log s)

x has `levels` values, evenly spaced over [-1, 1]. Entries are independent given z; a mass between
neighbouring values, unlike a density of them, is at most 1, and its logarithm counts bits.
"""

__all__ = [
    "Bernoulli",
    "CategoricalLevels",
    "DiscretizedLogistic",
    "DiscretizedLogisticMixture",
    "SharedScaleLogistic",
    "likelihood_of_levels",
]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.families.vae.likelihoods import ObservationModel
from morphogen.numerics.distributions import logistic_log_mass
from morphogen.numerics.randomness import Rng, invert_cdf
from morphogen.numerics.tensors import sum_except_batch
from morphogen.numerics.trees import Tree
from morphogen.objective_values import check_result


class Bernoulli(ObservationModel):
    """P(x = 1) = sigmoid(h), P(x = -1) = sigmoid(-h) (Kingma & Welling 2013, appendix C.1).

    Errors: ConfigError for values between -1 and 1: their cross-entropy is not a likelihood.
    """

    measure = "mass"

    def check(self, x: Tree) -> None:
        if isinstance(x, Tensor) and not (x.abs() == 1).all():
            value = x[x.abs() != 1][0].item()
            raise ConfigError(
                f"Bernoulli: x has the value {value:.3g}, and may have the values -1 and 1 only: give "
                "black-and-white pictures, or use the likelihood DiscretizedLogistic(levels)"
            )

    def marginal(self, x: Float[Tensor, "b ..."]) -> Float[Tensor, "..."]:
        """Log odds of 1 in each entry, with half a row of each value added (Krichevsky & Trofimov 1981)."""
        return ((1 + x).sum(0) + 1).log() - ((1 - x).sum(0) + 1).log()

    def outputs(self, channels: int) -> int:
        return channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, x.shape)
        return sum_except_batch(F.logsigmoid(x * h))

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The mean, 2 P(x = 1) - 1: grey where the model is unsure, as in the papers' figures."""
        return (h / 2).tanh()

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        return torch.where(rng.uniform(*h.shape[1:]) < h.sigmoid(), 1.0, -1.0)


class CategoricalLevels(ObservationModel):
    """P(x = value v) = softmax(h)_v, with `levels` logits per entry and no order (van den Oord et al. 2016).

    Arguments:
        levels: number of values, evenly spaced over [-1, 1].
    """

    measure = "mass"

    def __init__(self, levels: int):
        self.levels = levels

    def outputs(self, channels: int) -> int:
        return self.levels * channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, (len(x), self.outputs(x.shape[1]), *x.shape[2:]))
        index = ((x + 1) * (0.5 * (self.levels - 1))).round().long()
        return sum_except_batch(self._log_masses(h).gather(1, index[:, None])[:, 0])

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        cdf = self._log_masses(h).exp().cumsum(1)
        return self._values((cdf < 0.5).sum(1))

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        logits = self._log_masses(h).movedim(1, -1)
        index = invert_cdf(logits.flatten(0, -2), rng.uniform(*logits.shape[1:-1]).flatten())
        return self._values(index.reshape(logits.shape[:-1]))

    def _log_masses(self, h: Tensor) -> Tensor:
        """[B, levels, C, ...]."""
        return h.unflatten(1, (self.levels, -1)).log_softmax(1)

    def _values(self, index: Int[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return index * (2 / (self.levels - 1)) - 1.0


class DiscretizedLogistic(ObservationModel):
    r"""Discretized logistic distribution: the mass in the bin of x; the outermost bins extend to infinity.

        P(x) = F((x + d - mean) / s) - F((x - d - mean) / s),  d = 1 / (levels - 1)

    PixelCNN++ (Salimans, Karpathy, Chen & Kingma 2017, eq. 2), with one mixture component.

    Arguments:
        levels: number of subpixel values, evenly spaced over [-1, 1].
        floor: lower bound of log s; without it, s tends to 0 for a subpixel that is constant in the data.
    """

    measure = "mass"

    def __init__(self, levels: int, floor: float = -7.0):
        self.levels, self.floor = levels, floor

    def outputs(self, channels: int) -> int:
        return 2 * channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, (len(x), self.outputs(x.shape[1]), *x.shape[2:]))
        return sum_except_batch(logistic_log_mass(x, *self._split(h), self.levels))

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return self._split(h)[0].clamp(-1, 1)

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        """Sample a logistic, clamp to [-1, 1] and round to the grid."""
        return _sample_logistic(*self._split(h), self.levels, rng)

    def _split(self, h: Tensor) -> tuple[Tensor, Tensor]:
        mean, log_s = h.chunk(2, 1)
        return mean, self.floor + F.softplus(log_s - self.floor)


class SharedScaleLogistic(ObservationModel, nn.Module):
    r"""A `DiscretizedLogistic` with one learned scale: h is the mean alone.

        -log P(x) ~ |x - h| / s + log s   per entry                                  far from the mean

    An absolute error whose weight is learned is the reconstruction of latent diffusion's first stage (Rombach
    et al. 2022); as in Rybkin, Daniilidis & Levine 2021, the scale weighs it against the other terms.

    Arguments:
        levels: number of subpixel values, evenly spaced over [-1, 1].
        log_scale: log s at initialization.
    """

    measure = "mass"

    def __init__(self, levels: int, log_scale: float = -2.5):
        super().__init__()
        self.levels, self.log_scale = levels, log_scale
        self.log_s = nn.Parameter(torch.tensor(log_scale))

    def outputs(self, channels: int) -> int:
        return channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, x.shape)
        return sum_except_batch(logistic_log_mass(x, h, self.log_s, self.levels))

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        return h.clamp(-1, 1)

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        """Sample a logistic, clamp to [-1, 1] and round to the grid."""
        return _sample_logistic(h, self.log_s, self.levels, rng)


class DiscretizedLogisticMixture(ObservationModel):
    r"""A mixture of K discretized logistics for each subpixel: P(x) = sum_k pi_k P_k(x).

    PixelCNN++ (Salimans, Karpathy, Chen & Kingma 2017, eq. 2), whose channels share their component and
    depend on each other; here all entries are independent given z.

    Arguments:
        levels: number of subpixel values, evenly spaced over [-1, 1].
        mixtures: number K of components.
        floor: lower bound of log s.
    """

    measure = "mass"

    def __init__(self, levels: int, mixtures: int = 5, floor: float = -7.0):
        self.levels, self.mixtures, self.floor = levels, mixtures, floor

    def outputs(self, channels: int) -> int:
        return 3 * self.mixtures * channels

    def log_prob(self, x: Float[Tensor, "b ..."], h: Float[Tensor, "b ..."]) -> Float[Tensor, " b"]:
        check_result("the decoder", h, (len(x), self.outputs(x.shape[1]), *x.shape[2:]))
        log_pi, mean, log_s = self._split(h)
        return sum_except_batch(
            (log_pi + logistic_log_mass(x[:, None], mean, log_s, self.levels)).logsumexp(1)
        )

    def median(self, h: Float[Tensor, "b ..."]) -> Float[Tensor, "b ..."]:
        """The mean of the likeliest component."""
        log_pi, mean, _ = self._split(h)
        return mean.gather(1, log_pi.argmax(1, keepdim=True))[:, 0].clamp(-1, 1)

    def sample(self, h: Float[Tensor, "b ..."], rng: Rng) -> Float[Tensor, "b ..."]:
        """Sample a component, then as `DiscretizedLogistic`."""
        log_pi, mean, log_s = self._split(h)
        logits = log_pi.movedim(1, -1)
        u = rng.fork("component").uniform(*mean.shape[2:]).flatten()
        chosen = invert_cdf(logits.flatten(0, -2), u).reshape(logits.shape[:-1])[:, None]
        mean, log_s = (parameter.gather(1, chosen)[:, 0] for parameter in (mean, log_s))
        return _sample_logistic(mean, log_s, self.levels, rng)

    def _split(self, h: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log pi, mean and log s, each [B, K, C, ...]."""
        logits, mean, log_s = h.unflatten(1, (3, self.mixtures, -1)).unbind(1)
        return logits.log_softmax(1), mean, self.floor + F.softplus(log_s - self.floor)


def likelihood_of_levels(levels: int, floor: float = -7.0) -> ObservationModel:
    """The likelihood of pixels with so many values: `Bernoulli` for two, else `DiscretizedLogistic`.

    Arguments:
        levels: number of values, evenly spaced over [-1, 1].
        floor: lower bound of log s, if there is one.
    """
    return Bernoulli() if levels == 2 else DiscretizedLogistic(levels, floor)


def _sample_logistic(mean: Tensor, log_s: Tensor, levels: int, rng: Rng) -> Tensor:
    """Sample a logistic, clamp to [-1, 1] and round to the grid."""
    u = rng.uniform(*mean.shape[1:])
    x = (mean + log_s.exp() * (u.log() - torch.log1p(-u))).clamp(-1, 1)
    return torch.round((x + 1) * (0.5 * (levels - 1))) * (2 / (levels - 1)) - 1
