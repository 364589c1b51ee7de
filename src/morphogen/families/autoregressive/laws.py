r"""The law of one symbol, where a softmax over all its levels would waste what is known: that levels are numbers, near ones alike.

    P(v) = sum_k pi_k [F((v + d - mu_k) / s_k) - F((v - d - mu_k) / s_k)],   F = sigmoid,  d = 1 / (levels - 1),  v in [-1, 1]

The end bins are open: level 0 reaches down to -inf, the highest one up to inf, so the levels' masses sum to one. A pixel's colours are
one draw of k; given k each is logistic, its mean moved by the colours before it in proportion:

    mu_gk + a_k r       mu_bk + b_k r + c_k g

`LogisticMixture` wraps a network that describes whole pixels, and says logits of every level. Given the red of a pixel, the odds of k
are no longer pi_k but pi_k P_k(r): so the logits of green are those of a mixture with these odds, and decoding need not know.

Reference: PixelCNN++, Salimans, Karpathy, Chen & Kingma, 2017 (sections 2.1, 2.2; equations 2, 3).
"""

__all__ = ["LogisticMixture", "MixtureMemory", "Scores", "numbers"]

from typing import Any, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.numerics.distributions import logistic_log_mass

FLOOR = -7.0  # least log s: a subpixel that never changes would otherwise drive it down for ever
BEGIN = -2.5  # log s before anything is learned: a bin some hundredths of the range wide


def numbers(channels: int, mixtures: int) -> int:
    """How many describe a pixel: of each component its odds, a mean and a scale a colour, and how colours move those after them."""
    return mixtures * (1 + 2 * channels + channels * (channels - 1) // 2)


@runtime_checkable
class Scores(Protocol):
    """A network that can say log p of the symbols at hand without writing out the logits of all levels."""

    def log_probs(self, x: Int[Tensor, "b ..."], context: Context | None) -> Float[Tensor, "b ..."]:
        """log p(x_i | x_<i) of every symbol, in its place."""


class LogisticMixture(Component, nn.Module):
    """A mixture of discretised logistics for each pixel, as a causal network (Salimans et al. 2017).

    Arguments:
        network: x int64 [B, C, H, W], context -> numbers [B, P, H, W] of each pixel, of the pixels before it only; `shape` is x's,
            `outputs` is P = `numbers(C, mixtures)`, and its memory steps by pixels.
        levels: values of one subpixel, evenly spaced over [-1, 1].
        mixtures: K components (10 in the paper).

    Raises:
        ConfigError: if the network's outputs are not as many as the law needs.
    """

    def __init__(self, network: Any, levels: int, mixtures: int = 10):
        super().__init__()
        self.network, self.levels, self.mixtures, self.channels = network, levels, mixtures, int(network.shape[0])
        if network.outputs != (needed := numbers(self.channels, mixtures)):
            raise ConfigError(f"outputs {network.outputs}: {mixtures} mixtures of {self.channels} colours take {needed}")

    def forward(self, x: Int[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b c h w v"]:
        pixels, logits = _Pixels(self, self.network(x, context)), []
        for colour in x.unbind(1):
            logits.append(pixels.logits())
            pixels.tell(colour)
        return torch.stack(logits, 1).movedim(2, -1)

    def log_probs(self, x: Int[Tensor, "b c h w"], context: Context | None) -> Float[Tensor, "b c h w"]:
        """As the logits at x, at the price of one level."""
        pixels = _Pixels(self, self.network(x, context))
        return torch.stack([pixels.tell(colour) for colour in x.unbind(1)], 1)

    def cache(self, rows: int, context: Context | None) -> "MixtureMemory":
        """An empty memory for `rows` pictures."""
        return MixtureMemory(self, self.network.cache(rows, context))


class MixtureMemory:
    """The network's memory, which steps by pixels, and the pixel under way (Salimans et al. 2017).

    Arguments:
        law: whose it is.
        memory: of the law's network.
    """

    def __init__(self, law: LogisticMixture, memory: Any):
        self.law, self.memory = law, memory
        self.symbols: list[Tensor] = []  # of the pixel under way
        self.pixels: _Pixels | None = None

    @torch.no_grad()
    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        if previous is not None:
            self.symbols.append(previous)
        if self.pixels is None or len(self.symbols) == self.law.channels:
            drawn = torch.stack(self.symbols, 1) if self.symbols else None
            self.pixels, self.symbols = _Pixels(self.law, self.memory.step(drawn)[..., None, None]), []
        elif previous is not None:
            self.pixels.tell(previous[:, None, None])
        return self.pixels.logits()[..., 0, 0]


class _Pixels:
    """The mixtures of some pixels, told of their colours one after the other. In fp32: bins are small."""

    def __init__(self, law: LogisticMixture, described: Tensor):
        c = law.channels
        parts = described.float().unflatten(1, (law.mixtures, -1)).split([1, c, c, c * (c - 1) // 2], 2)
        self.odds = parts[0][:, :, 0].log_softmax(1)  # [B, K, H, W]: log pi, and log P of the colours known
        self.means, self.moves = parts[1], parts[3].tanh()  # [B, K, C, H, W], [B, K, C (C - 1) / 2, H, W]
        self.scales = FLOOR + F.softplus(parts[2] + (BEGIN - FLOOR))
        self.levels = law.levels
        self.known: list[Tensor] = []  # values [B, 1, H, W]

    def logits(self) -> Tensor:
        """Of the next colour, [B, V, H, W]."""
        grid = self._values(torch.arange(self.levels, device=self.odds.device)).view(1, 1, -1, 1, 1)
        mean, scale = (t[:, :, None] for t in self._next())
        return (self.odds[:, :, None] + logistic_log_mass(grid, mean, scale, self.levels)).logsumexp(1).log_softmax(1)

    def tell(self, x: Tensor) -> Tensor:
        """Take in the next colour [B, H, W]; its log p."""
        before, v = self.odds.logsumexp(1), self._values(x)[:, None]
        self.odds = self.odds + logistic_log_mass(v, *self._next(), self.levels)
        self.known.append(v)
        return self.odds.logsumexp(1) - before

    def _next(self) -> tuple[Tensor, Tensor]:
        """Means, given the colours known, and log s of the next colour, [B, K, H, W] each."""
        c = len(self.known)
        mean, first = self.means[:, :, c], c * (c - 1) // 2
        for i, v in enumerate(self.known):
            mean = mean + self.moves[:, :, first + i] * v
        return mean, self.scales[:, :, c]

    def _values(self, x: Tensor) -> Tensor:
        return x * (2 / max(1, self.levels - 1)) - 1
