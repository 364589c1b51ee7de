r"""n-gram language models: the next token depends on the previous n - 1. The baseline of a language model.

    log p(x) = sum_i log p(x_i | x_(i-n+1) .. x_(i-1))

Training uses no gradient: `losses` counts n-grams, and `update_from_statistics` sets the probabilities from
the counts (the M-step of a model without latent variables), in one step over all rows. Counts of
micro-batches and ranks are added up, and a second step over the same rows changes nothing.

References: A mathematical theory of communication, Shannon, 1948 (section 3); and those of `kneser_ney.py`.
"""

__all__ = ["NGram"]

from typing import Any

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.classical.kneser_ney import KneserNey
from morphogen.numerics.randomness import Rng
from morphogen.steering import prediction


class NGram(Objective):
    """An n-gram language model, fitted by counting.

    Only the last n tokens of a training row are counted. `load_text` has a window at every offset, so each
    n-gram of the text is counted once. Counting whole windows would count each n-gram once per overlapping
    window; no count would be 1, and the discounts, which are estimated from the counts of counts, would be
    meaningless. The n-grams that end within the first T - 1 bytes of a run of adjacent blocks (63 of 4096 or
    more) are lost. The loss of a row is that of its last token, under the probabilities before the step.

    Arguments:
        network: the table of counts, a `KneserNey`; its logits are log p.
        sampler: the default sampler, any sampler of causal networks, such as `Ancestral()`.

    Raises:
        ConfigError: if a training row is shorter than n.
    """

    def __init__(self, network: KneserNey, sampler: Sampler):
        super().__init__()
        self.network, self.sampler = network, sampler

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the model is fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        context, rng = self.receive_mask(x.mask, context, rng)
        order = self.network.order
        if x.x.shape[1] < order:
            raise ConfigError(
                f"rows of {x.x.shape[1]} tokens have no {order}-gram: "
                f"use longer rows or network.order={x.x.shape[1]}"
            )
        last = x.x[:, -order:]
        log_p = self.network.probabilities()(last[:, :-1]).gather(1, last[:, -1:])[:, 0]
        return Losses({"nll": -log_p}, statistics={"grams": self.network.count(last)})

    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """Replace the counts by those of this step."""
        self.network.set_counts(statistics["grams"])

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact log p(x | prefix); -inf for an x that does not begin with the prefix."""
        context, rng = self.receive_mask(x.mask, context, rng)
        log_p = self.token_log_probs(x.x, context)
        if context is None or context.prefix is None:
            return Likelihood(log_p.sum(1), x.dims, "exact", "mass")
        in_prompt = context.prefix >= 0
        differs = ((x.x[:, : in_prompt.shape[1]] != context.prefix) & in_prompt).any(1)
        log_p = log_p.masked_fill(F.pad(in_prompt, (0, log_p.shape[1] - in_prompt.shape[1])), 0.0)
        return Likelihood(log_p.sum(1).masked_fill(differs, -torch.inf), x.dims, "exact", "mass")

    def token_log_probs(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t"]:
        """log p(x_i | x_<i) of every token, in the shape of x."""
        return self.network(x, context).gather(-1, x[..., None])[..., 0]

    @prediction
    def predict(self) -> Any:
        """The next-token logits, (x, context) -> [B, *shape, V]: the network, with its cached decoding."""
        return self.network

    def default_sampler(self) -> Sampler:
        return self.sampler
