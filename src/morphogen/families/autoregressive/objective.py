r"""The chain rule as a model: any law of a sequence is the product of the laws of each symbol given those before it.

    log p(x | c) = sum_i log p(x_i | x_<i, c)

One pass of a causal network gives every factor, so the likelihood is exact; drawing takes one step a symbol.

References: A neural probabilistic language model, Bengio et al., 2003; The neural autoregressive distribution estimator,
Larochelle & Murray, 2011.
"""

__all__ = ["Autoregressive"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.autoregressive.decoding import Ancestral
from morphogen.families.autoregressive.laws import Scores
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import raster, sum_rows, unraster


class Autoregressive(Objective):
    r"""p(x) = prod_i p(x_i | x_<i), each factor a softmax of the network's logits (or as it `Scores`); the loss is nats per symbol.

    A row's loss is its mean over the symbols scored, its weight their number: the loop's sum(w l) / sum(w) is then the mean over
    all symbols, whatever the lengths, and the learning rate does not depend on the length. A prefix is given, not scored; nor is what
    stands behind the end of a sequence, -1.

    Arguments:
        network: `Causal`: x int64 [B, *shape], context -> logits [B, *shape, V], those of symbol i of x_<i only.
        end: the symbol after which a sequence is over (None: every one is as long as its shape).
        smoothing: share of the target that the loss spreads over all symbols (Szegedy et al. 2016); the likelihood has none of it.

    Raises ConfigError for a share outside [0, 1).
    """

    def __init__(self, network: nn.Module, end: int | None = None, smoothing: float = 0.0):
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(f"Autoregressive: smoothing {smoothing:g}; a share lies in [0, 1)")
        self.network, self.end, self.smoothing = network, end, smoothing
        self.vocabulary: int | None = getattr(network, "vocabulary", None)  # kept here, since guidance replaces the network

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        log_p, scored = self.token_log_probs(x.x, context, self.smoothing), _scored(x, context)
        count = sum_rows(scored.to(log_p.dtype))
        return Losses({"nll": -sum_rows(log_p * scored) / count.clamp_min(1)}, weight=count)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact; -inf for an x that does not begin with the prefix."""
        nats = sum_rows(self.token_log_probs(x.x, context) * _scored(x, context))
        if context is not None and context.prefix is not None:
            begins = raster(x.x, x.x.shape[1:])[:, : context.prefix.shape[1]]
            nats = nats.masked_fill(((begins != context.prefix) & (context.prefix >= 0)).any(1), -torch.inf)
        return Likelihood(nats, x.dims, "exact", "mass")

    def token_log_probs(self, x: Int[Tensor, "b ..."], context: Context | None, smoothing: float = 0.0) -> Float[Tensor, "b ..."]:
        """log p(x_i | x_<i) of every symbol, in its place; 0 behind the end. `smoothing`: the share that is the mean over all symbols."""
        if isinstance(self.network, Scores) and not smoothing:
            return self.network.log_probs(x, context)
        logits = self.network(x.clamp_min(0), context).flatten(0, -2)
        return -F.cross_entropy(logits, x.flatten(), ignore_index=-1, reduction="none", label_smoothing=smoothing).view(x.shape)

    def sampler(self) -> Sampler:
        return Ancestral()


def _scored(x: Encoded, context: Context | None) -> Tensor:
    """True for the symbols whose probability counts: valid ones that were not given; of x's shape."""
    shape, scored = x.x.shape[1:], x.x >= 0
    if context is not None and context.prefix is not None:
        told = F.pad(context.prefix >= 0, (0, shape.numel() - context.prefix.shape[1]))
        scored = scored & ~unraster(told, shape)
    return scored if x.mask is None else scored & x.mask.bool().view(x.x.shape)
