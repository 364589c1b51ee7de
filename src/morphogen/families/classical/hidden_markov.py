r"""Hidden Markov models, fitted by expectation-maximization (Baum-Welch).

    p(x | c) = sum_s pi_c(s_1) prod_t A_c(s_t, s_(t+1)) prod_t p(x_t | s_t)

The E-step has the expected numbers of transitions and emissions of each state, by a pass forward and a pass
backward; the M-step makes them probabilities (Baum, Petrie, Soules & Weiss 1970). `losses` performs the
E-step and returns sums, `update_from_statistics` the M-step. On all rows this is classical EM, in as many
micro-batches as fit. On a part of the rows it is online EM with decreasing steps,

    s <- (1 - g_t) s + g_t s(batch),     g_t = (1 + t / delay)^-decay

(Cappe & Moulines 2009, "On-line expectation-maximization for latent data models"), which a budget can end
at any time.
"""

__all__ = ["HiddenMarkov", "HiddenMarkovSampler"]

from typing import Any, Literal

import torch
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn
from torch.nn import functional as F

from morphogen.component import ConfigError
from morphogen.contract import Context, Encoded, Likelihood, Losses, Objective, Sampler
from morphogen.families.classical.markov_chain import HiddenChain
from morphogen.numerics.randomness import Rng
from morphogen.steering import prediction


class HiddenMarkov(Objective):
    """A hidden Markov model of sequences x [B, T] of tokens, or [B, T, D] of vectors.

    Masked and padded positions are integrated out, inside of a sequence too. The loss of a row is its mean
    -log p per position, weighted by the number of positions.

    Arguments:
        network: the chain of states, a `TokenChain` for tokens.
        sampler: the default sampler: `Ancestral()` for tokens, `HiddenMarkovSampler()` for vectors.
        decay: of the weight of new statistics, in [0, 1]; 0 is classical EM, and online EM converges above
            1/2.
        delay: rounds before the weight decreases, above 0: more of them leave a bad start sooner.
        end: id of the end token; None: every sequence fills its shape.

    Raises:
        ConfigError: if decay or delay is out of range; for empty sequences, tokens beyond the vocabulary, and
            numbers that are not finite.
    """

    def __init__(
        self, network: HiddenChain, sampler: Sampler, decay: float = 0.0, delay: float = 1.0,
        end: int | None = None,
    ):  # fmt: skip
        super().__init__()
        if not 0 <= decay <= 1 or not delay > 0:
            raise ConfigError(
                f"HiddenMarkov needs decay in [0, 1], delay > 0; got decay={decay:g}, delay={delay:g}"
            )
        self.network, self.sampler, self.decay, self.delay, self.end = network, sampler, decay, delay, end

    def players(self) -> dict[str, list[nn.Parameter]]:
        """One player without parameters: the model is fitted by `update_from_statistics`."""
        return {"model": []}

    @torch.no_grad()
    def losses(self, x: Encoded, context: Context | None, rng: Rng, player: str) -> Losses:
        exists = _existing(x)
        passed, log_smoothed = self.network.smoothed(x.x, exists, context)
        size = exists.sum(1)
        nll = -passed.log_evidence.sum(1) / size.clamp_min(1)
        statistics = self.network.counts(x.x, exists, passed, log_smoothed)
        return Losses({"nll": nll}, weight=size.to(nll.dtype), statistics=statistics)

    def log_prob(self, x: Encoded, context: Context | None, rng: Rng) -> Likelihood:
        """Exact log p(x | prefix); -inf for an x that does not begin with the prefix."""
        exists = _existing(x)
        measure: Literal["density", "mass"] = "density" if x.x.is_floating_point() else "mass"
        log_p = self.network.filtered(x.x, exists, context).log_evidence
        if context is None or context.prefix is None:
            return Likelihood(log_p.sum(1), x.dims, "exact", measure)
        in_prompt = context.prefix >= 0
        differs = ((x.x[:, : in_prompt.shape[1]] != context.prefix) & in_prompt).any(1)
        log_p = log_p.masked_fill(F.pad(in_prompt, (0, log_p.shape[1] - in_prompt.shape[1])), 0.0)
        return Likelihood(log_p.sum(1).masked_fill(differs, -torch.inf), x.dims, "exact", measure)

    def token_log_probs(self, x: Shaped[Tensor, "b t ..."], context: Context | None) -> Float[Tensor, "b t"]:
        """log p(x_t | x_1 .. x_(t-1)) of every position; 0 at padding of -1."""
        return self.network.filtered(x, _present(x), context).log_evidence

    def state_probabilities(self, x: Encoded, context: Context | None = None) -> Float[Tensor, "b t s"]:
        """p(s_t | x_1 .. x_T) of every position, over the states of all chains."""
        return self.network.smoothed(x.x, _existing(x), context)[1].flatten(2).exp()

    def decode_states(self, x: Encoded, context: Context | None = None) -> Int[Tensor, "b t"]:
        """The most likely sequence of states (Viterbi 1967); -1 after the end of a row."""
        return self.network.best_path(x.x, _existing(x), context)

    @torch.no_grad()
    def prepare(self, x: Encoded, context: Context | None, rng: Rng) -> None:
        """Start from a first guess of the states: clusters of vectors, random shares of tokens."""
        vocabulary = getattr(self.network, "vocabulary", None)
        if vocabulary is not None and (largest := int(x.x.max())) >= vocabulary:
            raise ConfigError(
                f"CategoricalEmissions has a vocabulary of {vocabulary}, but x has the id {largest}: give it "
                "the vocabulary of the representation"
            )
        self.network.start(x.x, _existing(x), context, rng.fork("chain"))

    @torch.no_grad()
    def update_from_statistics(self, statistics: dict[str, Tensor], step: int) -> None:
        """The M-step."""
        self.network.update(statistics, (1 + step / self.delay) ** -self.decay)

    @prediction
    def predict(self) -> Any:
        """The next-token logits, (x, context) -> [B, T, V]: the chain of tokens, with its cached decoding."""
        return self.network

    def receive_mask(
        self, mask: Bool[Tensor, "b n"] | None, context: Context | None, rng: Rng
    ) -> tuple[Context | None, Rng]:
        """Both unchanged: what is missing changes no conditional of what exists, in any chain."""
        return context, rng

    def default_sampler(self) -> Sampler:
        return self.sampler


class HiddenMarkovSampler(Sampler):
    """Draw a path of states, and what each of them emits (Rabiner 1989, section II).

    No argument: it is exact, and costs one draw of a state and one emission per position.
    """

    requires = "state_probabilities"

    def __call__(
        self, objective: Any, shape: tuple[int, ...], context: Context | None, rng: Rng
    ) -> Shaped[Tensor, "b t ..."]:
        self.check(objective)
        chain = objective.network
        first = chain.log_initial(context, len(rng)).flatten(1)
        states = [rng.fork("state", 0).categorical(first)]
        log_next = torch.block_diag(*chain.transition).log()
        for t in range(1, shape[0]):
            states.append(rng.fork("state", t).categorical(log_next[states[-1]]))
        emitted = [chain.emissions.sample(state, rng.fork("emission", t)) for t, state in enumerate(states)]
        return torch.stack(emitted, 1)


def _present(x: Shaped[Tensor, "b t ..."]) -> Bool[Tensor, "b t"]:
    """Which positions are not padding of -1; vectors have none."""
    return torch.ones_like(x[:, :, 0], dtype=torch.bool) if x.is_floating_point() else x >= 0


def _existing(x: Encoded) -> Bool[Tensor, "b t"]:
    """Which positions exist. Errors: ConfigError for empty sequences and numbers that are not finite."""
    if not x.x.shape[1]:
        raise ConfigError("the sequences are empty, [B, 0]: give sequences of one position or more")
    exists = _present(x.x) if x.mask is None else _present(x.x) & x.mask
    if x.x.is_floating_point() and len(bad := (exists[..., None] & ~x.x.isfinite()).nonzero()):
        row, place, column = bad[0].tolist()
        value = x.x[row, place, column].item()
        raise ConfigError(
            f"row {row}, position {place}, column {column} is {value:g}: give finite numbers, or mask it"
        )
    return exists
