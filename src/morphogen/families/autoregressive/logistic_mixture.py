r"""Discretized mixtures of logistics: a distribution of pixels with ordered levels, unlike a softmax.

    P(v) = sum_k pi_k [F((v + d - mu_k) / s_k) - F((v - d - mu_k) / s_k)],  F = sigmoid,  d = 1 / (levels - 1)

Levels are values v in [-1, 1]. The outer bins are open: level 0 extends to -inf and the highest level to inf,
so the probabilities of the levels sum to one. All channels of a pixel share one component k. Given k, each
channel is logistic, and its mean is linear in the previous channels:

    mu_gk + a_k r       mu_bk + b_k r + c_k g

`LogisticMixture` wraps a network that outputs these parameters for whole pixels, and returns logits of every
level. Given the red value of a pixel, the component weights are pi_k P_k(r) instead of pi_k: the logits of
green are those of a mixture with these weights. A sampler can therefore treat the model like any other
autoregressive network.

Reference: PixelCNN++, Salimans, Karpathy, Chen & Kingma, 2017 (sections 2.1, 2.2; equations 2, 3).
"""

__all__ = ["HasLogProbs", "LogisticMixture", "LogisticMixtureCache", "parameters_per_pixel"]

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.numerics.distributions import logistic_log_mass

MIN_LOG_SCALE = -7.0  # keeps log s of a constant subpixel from diverging to -inf
INITIAL_LOG_SCALE = -2.5  # log s at initialization: bins a few hundredths of the range wide


def parameters_per_pixel(channels: int, mixtures: int) -> int:
    """Number of network outputs per pixel.

    Per component: one weight, a mean and a scale per channel, and a coefficient per pair of channels.
    """
    return mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)


@runtime_checkable
class HasLogProbs(Protocol):
    """A network that can compute log p of given tokens without the logits of all levels."""

    def log_probs(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ..."]:
        """log p(x_i | x_<i) of every token, in the shape of x."""


class LogisticMixture(Component, nn.Module):
    """A discretized mixture of logistics per pixel, as a causal network (Salimans et al. 2017).

    Arguments:
        network: x int64 [B, C, H, W], context -> parameters [B, P, H, W]; those of a pixel depend only on the
            previous pixels. `network.shape` is the shape of x, `network.outputs` is P as given by
            `parameters_per_pixel`, and each step of its cache is a pixel.
        levels: number of values of a subpixel, evenly spaced over [-1, 1].
        mixtures: number of components K (10 in the paper).

    Raises:
        ConfigError: if the network has the wrong number of outputs.
    """

    def __init__(self, network: Any, levels: int, mixtures: int = 10):
        super().__init__()
        self.network, self.levels, self.mixtures = network, levels, mixtures
        self.channels = int(network.shape[0])
        required = parameters_per_pixel(self.channels, mixtures)
        if network.outputs != required:
            raise ConfigError(
                f"LogisticMixture: {mixtures} mixtures of {self.channels} channels require {required} "
                f"outputs per pixel, but the network has {network.outputs}"
            )

    def forward(self, x: Int[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b c h w v"]:
        pixels, logits = _Pixels(self, self.network(x, context)), []
        for channel in x.unbind(1):
            logits.append(pixels.logits())
            pixels.observe(channel)
        return torch.stack(logits, 1).movedim(2, -1)

    def log_probs(self, x: Int[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b c h w"]:
        """log p of every subpixel: the log-softmax of the logits at x, at the cost of one level."""
        pixels = _Pixels(self, self.network(x, context))
        return torch.stack([pixels.observe(channel) for channel in x.unbind(1)], 1)

    def make_cache(self, rows: int, context: Context | None) -> "LogisticMixtureCache":
        """An empty cache for `rows` pictures."""
        return LogisticMixtureCache(self, self.network.make_cache(rows, context))


class LogisticMixtureCache:
    """Decoding cache: the network's cache, which steps by pixels, and the current pixel.

    Arguments:
        mixture: the model.
        cache: an empty cache of the model's network.
    """

    def __init__(self, mixture: LogisticMixture, cache: Any):
        self.mixture, self.cache = mixture, cache
        self.decoded: list[Tensor] = []  # channels of the current pixel
        self.pixels: _Pixels | None = None

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous subpixel (None: at the first position); returns the logits of the next."""
        if previous is not None:
            self.decoded.append(previous)
        if self.pixels is None or len(self.decoded) == self.mixture.channels:
            pixel = torch.stack(self.decoded, 1) if self.decoded else None
            parameters = self.cache.step(pixel)[..., None, None]
            self.pixels, self.decoded = _Pixels(self.mixture, parameters), []
        elif previous is not None:
            self.pixels.observe(previous[:, None, None])
        return self.pixels.logits()[..., 0, 0]


class _Pixels:
    """Mixtures of pixels, conditioned on one channel after another; in fp32, because bins are small."""

    def __init__(self, mixture: LogisticMixture, parameters: Tensor):
        c = mixture.channels
        per_component = parameters.float().unflatten(1, (mixture.mixtures, -1))
        log_weights, means, scales, coefficients = per_component.split([1, c, c, c * (c - 1) // 2], 2)
        # [B, K, H, W]: log pi + log P of the observed channels
        self.log_weights = log_weights[:, :, 0].log_softmax(1)
        self.means = means  # [B, K, C, H, W]
        self.coefficients = coefficients.tanh()  # [B, K, C (C - 1) / 2, H, W]
        self.log_scales = MIN_LOG_SCALE + F.softplus(scales + (INITIAL_LOG_SCALE - MIN_LOG_SCALE))
        self.levels = mixture.levels
        self.observed: list[Tensor] = []  # values [B, 1, H, W]

    def logits(self) -> Tensor:
        """Logits of the next channel, [B, V, H, W]."""
        grid = self._values(torch.arange(self.levels, device=self.log_weights.device)).view(1, 1, -1, 1, 1)
        mean, log_scale = (t[:, :, None] for t in self._next_channel())
        log_mass = self.log_weights[:, :, None] + logistic_log_mass(grid, mean, log_scale, self.levels)
        return log_mass.logsumexp(1).log_softmax(1)

    def observe(self, x: Tensor) -> Tensor:
        """Condition on the next channel [B, H, W]; returns its log p."""
        before, v = self.log_weights.logsumexp(1), self._values(x)[:, None]
        self.log_weights = self.log_weights + logistic_log_mass(v, *self._next_channel(), self.levels)
        self.observed.append(v)
        return self.log_weights.logsumexp(1) - before

    def _next_channel(self) -> tuple[Tensor, Tensor]:
        """Means, given the observed channels, and log s of the next channel, each [B, K, H, W]."""
        c = len(self.observed)
        mean, first = self.means[:, :, c], c * (c - 1) // 2
        for i, v in enumerate(self.observed):
            mean = mean + self.coefficients[:, :, first + i] * v
        return mean, self.log_scales[:, :, c]

    def _values(self, x: Tensor) -> Tensor:
        """Levels as values in [-1, 1]."""
        return x * (2 / max(1, self.levels - 1)) - 1
