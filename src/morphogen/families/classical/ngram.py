r"""n-grams: what comes next is what came next before, after the last n - 1 symbols. The yardstick of a language model.

    log p(x) = sum_i log p(x_i | x_(i-n+1) .. x_(i-1))

Nothing is descended: `losses` counts, `absorb` makes the law of the counts (the M-step of a model without latents), in one step
over all rows. Micro-batches and ranks add up their counts, and a second step over the same rows changes nothing.

References: A mathematical theory of communication, Shannon, 1948 (section 3); and those of `kneser_ney.py`.
"""

__all__ = ["NGram"]

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.classical.kneser_ney import KneserNey
from morphogen.numerics.randomness import Rng


class NGram(Objective):
    """A law of sequences by counting n-grams.

    A training row counts for its LAST n symbols alone. `load_text` has a window at every offset, so each n-gram of the text is
    then counted once; counting whole windows would count it once an overlap, no count would be 1 any more, and the discounts, which
    are read off the counts that are, would mean nothing. What is lost: the n-grams that end within the first T - 1 bytes of a run of
    neighbouring blocks (63 of 4096 or more). The loss of a row is that of its last symbol, by the law before the step.

    Arguments:
        network: whose table is filled, `KneserNey`; its logits are log p.
        decoding: how to draw when the person names no sampler; any that draws from a causal network, as `Ancestral()`.

    Raises ConfigError if a training row is shorter than n.
    """

    def __init__(self, network: KneserNey, decoding: Sampler):
        super().__init__()
        self.network, self.decoding = network, decoding

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player with nothing to descend: the counts do the work."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        order = self.network.order
        if x.x.shape[1] < order:
            raise ConfigError(f"rows of {x.x.shape[1]} symbols hold no {order}-gram; take longer rows, or network.order={x.x.shape[1]}")
        last = x.x[:, -order:]
        log_p = self.network.laws()(last[:, :-1]).gather(1, last[:, -1:])[:, 0]
        return Losses({"nll": -log_p}, statistics={"grams": self.network.count(last)})

    def absorb(self, statistics: dict[str, Tensor], step: int) -> None:
        """The counts of this step become the law; those of the step before are forgotten."""
        self.network.learn(statistics["grams"])

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact; a prefix is given, not scored, and an x that does not begin with it has -inf."""
        log_p = self.token_log_probs(x.x, context)
        if context is None or context.prefix is None:
            return Likelihood(log_p.sum(1), x.dims, "exact", "mass")
        told = context.prefix >= 0
        other = ((x.x[:, : told.shape[1]] != context.prefix) & told).any(1)
        log_p = log_p.masked_fill(F.pad(told, (0, log_p.shape[1] - told.shape[1])), 0.0)
        return Likelihood(log_p.sum(1).masked_fill(other, -torch.inf), x.dims, "exact", "mass")

    def token_log_probs(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t"]:
        """log p(x_i | x_<i) of every symbol, in its place."""
        return self.network(x, context).gather(-1, x[..., None])[..., 0]

    def sampler(self) -> Sampler:
        return self.decoding
