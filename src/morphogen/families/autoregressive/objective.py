r"""Autoregressive models: p(x) as a product of conditionals, by the chain rule.

    log p(x | c) = sum_i log p(x_i | x_<i, c)

A single pass of a causal network computes all factors, so the likelihood is exact. Sampling takes one step
per token. A token is an id of a vocabulary, or the level of a subpixel when x is a picture.

References: A neural probabilistic language model, Bengio et al., 2003; The neural autoregressive distribution
estimator, Larochelle & Murray, 2011.
"""

__all__ = ["Autoregressive", "scored_tokens"]

from typing import Any

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler, Unsupported
from morphogen.families.autoregressive.decoding import Ancestral
from morphogen.families.autoregressive.logistic_mixture import HasLogProbs
from morphogen.numerics.cross_entropy import cross_entropy
from morphogen.numerics.masking import masked_mean, masked_sum
from morphogen.numerics.randomness import Rng
from morphogen.numerics.tensors import raster, sum_except_batch, unraster
from morphogen.objective_values import check_result
from morphogen.steering import prediction


class Autoregressive(Objective):
    r"""p(x) = prod_i p(x_i | x_<i); the loss is the negative log-likelihood in nats per token.

    Each factor is the softmax of the network's logits, or is computed by the network itself if it
    `HasLogProbs`. The loss of a row is the mean over its scored tokens, and its weight is their number. The
    training loop's sum(weight * loss) / sum(weight) is therefore the mean over all tokens of the batch, and
    the learning rate does not depend on the sequence length. Prompt tokens (`context.prefix`) and padding
    after the end (-1) are not scored.

    Arguments:
        network: a causal network, x int64 [B, *shape], context -> logits [B, *shape, V]; the logits of token
            i depend only on x_<i.
        end: id of the end-of-sequence token; None: every sequence fills its shape.
        smoothing: label smoothing of the loss, in [0, 1): the fraction of the target that is spread evenly
            over the vocabulary (Szegedy et al. 2016). `log_prob` does not use it.

    Raises:
        ConfigError: if smoothing is outside [0, 1).
    """

    def __init__(self, network: nn.Module, end: int | None = None, smoothing: float = 0.0):
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(f"Autoregressive: smoothing={smoothing:g} must be at least 0 and below 1")
        self.network, self.end, self.smoothing = network, end, smoothing
        self.vocabulary: int | None = getattr(network, "vocabulary", None)

    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        scored = scored_tokens(x, context)
        nll = masked_mean(-self.token_log_probs(x.x, context, self.smoothing), scored)
        return Losses({"nll": nll}, weight=sum_except_batch(scored.to(nll.dtype)))

    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Check the first batch. Errors: ConfigError for ids beyond the network's vocabulary."""
        if self.vocabulary is not None and (largest := int(x.x.max())) >= self.vocabulary:
            raise ConfigError(
                f"{type(self.network).__name__} has a vocabulary of {self.vocabulary}, but x has the id "
                f"{largest}: give it the vocabulary of the representation"
            )

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact log p(x | prefix); -inf for an x that does not begin with the prefix."""
        nats = masked_sum(self.token_log_probs(x.x, context), scored_tokens(x, context))
        if context is not None and context.prefix is not None:
            start = raster(x.x, x.x.shape[1:])[:, : context.prefix.shape[1]]
            differs = (start != context.prefix) & (context.prefix >= 0)
            nats = nats.masked_fill(differs.any(1), -torch.inf)
        return Likelihood(nats, x.dims, "exact", "mass")

    def token_log_probs(
        self, x: Int[Tensor, "b ..."], context: Context | None, smoothing: float = 0.0
    ) -> Float[Tensor, "b ..."]:
        """log p(x_i | x_<i) of every token, in the shape of x; 0 at padding.

        With `smoothing` it is (1 - smoothing) log p(x_i | x_<i) + smoothing times the mean log p over the
        vocabulary.
        """
        if isinstance(self.network, HasLogProbs) and not smoothing:
            return self.network.log_probs(x, context)
        logits = self.network(x.clamp_min(0), context)
        check_result(self.network, logits, (*x.shape, self.vocabulary or logits.shape[-1]))
        return -cross_entropy(logits.flatten(0, -2), x.flatten(), smoothing).view(x.shape)

    @prediction
    def predict(self) -> Any:
        """The next-token logits, (x, context) -> [B, *shape, V]: the network, with its cached decoding."""
        return self.network

    def receive_mask(
        self, mask: Bool[Tensor, "b n"] | None, context: Context | None, rng: Rng
    ) -> tuple[Context | None, Rng]:
        """Both unchanged: in a causal network, padding after the end changes no other conditional."""
        return context, rng

    def default_sampler(self) -> Sampler:
        return Ancestral()


def scored_tokens(x: Encoded, context: Context | None) -> Bool[Tensor, "b ..."]:
    """Mask of the scored tokens, in the shape of x: valid, and not part of the prompt."""
    shape, scored = x.x.shape[1:], x.x >= 0
    if context is not None and context.prefix is not None:
        in_prompt = F.pad(context.prefix >= 0, (0, shape.numel() - context.prefix.shape[1]))
        scored = scored & ~unraster(in_prompt, shape)
    if x.mask is None:
        return scored
    if scored.shape != x.mask.shape:
        raise Unsupported(
            f"Autoregressive does not accept a mask of {list(x.mask.shape)} for x of {list(x.x.shape)}: "
            "only sequences [B, N], padded after their end"
        )
    return scored & x.mask
