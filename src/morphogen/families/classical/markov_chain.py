r"""The chain of a hidden Markov model: its probabilities, and what follows about the states of a sequence.

    p(x, s | c) = pi_c(s_1) prod_t A_c(s_t, s_(t+1)) prod_t p(x_t | s_t)

Every class c has a chain of K states of its own, and without a class the model is the mixture of the chains.
Probabilities are those of the expected counts n of the last rounds of EM,

    A_ij = (n_ij + prior / K) / (n_i + prior)

References: Baum, Petrie, Soules & Weiss 1970; Rabiner 1989, "A tutorial on hidden Markov models and selected
applications in speech recognition".
"""

__all__ = ["HiddenChain", "TokenChain"]

import math

import torch
from einops import rearrange
from jaxtyping import Bool, Float, Int, Shaped
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context
from morphogen.families.classical.emissions import TINY, CategoricalEmissions, Emissions
from morphogen.numerics.hidden_chain import (
    Filtered,
    expected_transitions,
    filter_states,
    log_step,
    smooth_states,
    viterbi,
)
from morphogen.numerics.randomness import Rng


class HiddenChain(Component, nn.Module):
    """Hidden states that change from position to position, and emissions that show them.

    Arguments:
        emissions: p(x_t | s) of all states; its number of states is K times the number of chains.
        classes: number of classes, the width of `context.vector [B, classes]`; 0: unconditional.
        prior: rows or transitions that are added to the expected counts of each distribution, at least 0; 0
            is the maximum likelihood.

    Raises:
        ConfigError: if the states are no multiple of the classes, or the prior is negative.
    """

    accepts_mask = True

    def __init__(self, emissions: Emissions, classes: int = 0, prior: float = 0.0):
        super().__init__()
        chains = max(classes, 1)
        if classes < 0 or emissions.states % chains or not 0 <= prior < math.inf:
            raise ConfigError(
                f"{type(self).__name__} needs classes >= 0 that divide the states, and prior >= 0; got "
                f"classes={classes}, emissions.states={emissions.states}, prior={prior:g}"
            )
        self.emissions, self.classes, self.prior = emissions, classes, prior
        self.chains, self.states = chains, emissions.states // chains
        even = torch.full((chains, self.states), 1 / (chains * self.states), dtype=torch.float64)
        self.register_buffer("started", even)  # expected rows that begin in a state, per row
        self.register_buffer("moved", even[..., None].repeat(1, 1, self.states))  # transitions per row
        self.register_buffer("rows", torch.ones((), dtype=torch.float64))

    started: Float[Tensor, "c k"]
    moved: Float[Tensor, "c k k"]
    rows: Float[Tensor, ""]

    @property
    def initial(self) -> Float[Tensor, "c k"]:
        """pi, the probabilities of a chain's first state; each row sums to 1."""
        return self._smoothed(self.started)

    @property
    def transition(self) -> Float[Tensor, "c k k"]:
        """A_ij = p(s_(t+1) = j | s_t = i) of each chain."""
        return self._smoothed(self.moved)

    def log_initial(self, context: Context | None, rows: int) -> Float[Tensor, "b c k"]:
        """log p(c, s_1) of each row; -inf for chains of other classes than the given one."""
        weights = self.started.sum(1) + TINY
        p_class = (weights / weights.sum()).expand(rows, -1)
        if context is not None and context.vector is not None and self.classes:
            if (width := context.vector.shape[1]) != self.classes:
                raise ConfigError(
                    f"{type(self).__name__}(classes={self.classes}) received a context vector of width "
                    f"{width}: use the conditioner OneHot"
                )
            p_class = context.vector.double()
        return p_class.log()[..., None] + self.initial.log()

    def log_emission(
        self, x: Shaped[Tensor, "b t ..."], exists: Bool[Tensor, "b t"]
    ) -> Float[Tensor, "b t c k"]:
        """log p(x_t | s); 0 where x_t is missing, which says nothing about the state."""
        log_b = rearrange(self.emissions.log_prob(x), "b t (c k) -> b t c k", c=self.chains)
        return torch.where(exists[..., None, None], log_b, 0.0)

    def filtered(
        self, x: Shaped[Tensor, "b t ..."], exists: Bool[Tensor, "b t"], context: Context | None
    ) -> Filtered:
        """The states given the past, and log p(x_t | x_1 .. x_(t-1)); 0 where x_t is missing."""
        passed = filter_states(
            self.log_initial(context, len(x)), self.transition, self.log_emission(x, exists)
        )
        return passed._replace(log_evidence=torch.where(exists, passed.log_evidence, 0.0))

    def smoothed(
        self, x: Shaped[Tensor, "b t ..."], exists: Bool[Tensor, "b t"], context: Context | None
    ) -> tuple[Filtered, Float[Tensor, "b t c k"]]:
        """What `filtered` returns, and log p(s_t | x_1 .. x_T)."""
        passed = self.filtered(x, exists, context)
        return passed, smooth_states(passed, self.transition, self.log_emission(x, exists))

    def best_path(
        self, x: Shaped[Tensor, "b t ..."], exists: Bool[Tensor, "b t"], context: Context | None
    ) -> Int[Tensor, "b t"]:
        """The states of the most likely path (Viterbi 1967), c K + k; -1 after the end of a row."""
        ended = _ended(exists)
        log_initial, log_b = self.log_initial(context, len(x)), self.log_emission(x, exists)
        path, _ = viterbi(log_initial, self.transition.log(), log_b, ended)
        return path.masked_fill(ended, -1)

    def counts(
        self, x: Shaped[Tensor, "b t ..."], exists: Bool[Tensor, "b t"], passed: Filtered,
        log_smoothed: Float[Tensor, "b t c k"],
    ) -> dict[str, Tensor]:  # fmt: skip
        """The E-step: expected numbers of first states, of transitions, and of what each state emits."""
        p, ended = log_smoothed.exp(), _ended(exists)
        moved = expected_transitions(passed, log_smoothed, self.transition, ~ended)
        return self._counts(x, exists, p, moved)

    def update(self, statistics: dict[str, Tensor], rate: float) -> None:
        """The M-step: counts per row, s <- (1 - rate) s + rate s(batch)."""
        rows = statistics["rows"].clamp_min(TINY)
        self.started.lerp_(statistics["started"] / rows, rate)
        self.moved.lerp_(statistics["moved"] / rows, rate)
        self.rows.copy_(rows / rate)
        self.emissions.update(statistics | {"rows": rows}, rate)

    def start(
        self, x: Shaped[Tensor, "b t ..."], exists: Bool[Tensor, "b t"], context: Context | None, rng: Rng
    ) -> None:
        """Start the chains at the emissions' first guess of the states, each from the rows of its class."""
        chains = rng.fork("chains").integers(self.chains)
        if context is not None and context.vector is not None and self.classes:
            chains = context.vector.argmax(1)
        weight = self.emissions.start(x, exists, chains, self.states, rng.fork("emissions"))
        p = rearrange(weight, "b t (c k) -> b t c k", c=self.chains)
        pairs = torch.where((exists[:, 1:] & exists[:, :-1])[..., None, None], p[:, :-1], 0.0)
        self.update(self._counts(x, exists, p, torch.einsum("btci,btcj->cij", pairs, p[:, 1:])), 1.0)

    def _counts(
        self, x: Tensor, exists: Tensor, p: Float[Tensor, "b t c k"], moved: Float[Tensor, "c k k"]
    ) -> dict[str, Tensor]:
        exists_any = exists.any(1)
        weight = torch.where(exists[..., None], p.flatten(2), 0.0)
        counts = {
            "rows": exists_any.sum().double(),
            "started": torch.where(exists_any[:, None, None], p[:, 0], 0.0).sum(0),
            "moved": moved,
        }
        return counts | self.emissions.statistics(x, weight)

    def _smoothed(self, counts: Float[Tensor, "c *k j"]) -> Float[Tensor, "c *k j"]:
        counts = counts + self.prior / self.rows / counts.shape[-1] + TINY
        return counts / counts.sum(-1, keepdim=True)


class TokenChain(HiddenChain):
    """A hidden Markov chain of tokens, which predicts the next one from all before it.

        p(x_t | x_1 .. x_(t-1)) = sum_s p(s_t = s | x_1 .. x_(t-1)) B_s(x_t)

    It is a causal network whose logits are log p. Its memory is the distribution of the state, so a cached
    step has the same cost at any length.

    Arguments:
        emissions: p(x_t | s) of all states.
        classes, prior: see `HiddenChain`.
    """

    emissions: CategoricalEmissions

    def __init__(self, emissions: CategoricalEmissions, classes: int = 0, prior: float = 0.0):
        super().__init__(emissions, classes, prior)

    @property
    def vocabulary(self) -> int:
        """Number of tokens V."""
        return self.emissions.vocabulary

    def forward(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t v"]:
        passed = self.filtered(x, x >= 0, context)
        return self.next_token(passed.log_predicted.flatten(0, 1)).unflatten(0, x.shape)

    def next_token(self, log_state: Float[Tensor, "b c k"]) -> Float[Tensor, "b v"]:
        """log p(v) of the next token, of the distribution of its state."""
        return log_step(log_state.flatten(1)[:, None], self.emissions.probabilities[None])[:, 0]

    def make_cache(self, rows: int, context: Context | None) -> "_ChainCache":
        """An empty cache for `rows` sequences."""
        return _ChainCache(self, rows, context)


class _ChainCache:
    """Decoding cache: the distribution of the next state of `rows` sequences."""

    def __init__(self, chain: TokenChain, rows: int, context: Context | None):
        self.chain, self.transition = chain, chain.transition
        self.log_b = chain.emissions.probabilities.log().T.unflatten(1, (chain.chains, chain.states))
        self.log_state = chain.log_initial(context, rows)

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous tokens (None: at the first position); returns the logits of the next."""
        if previous is not None:
            # a finished row may be fed anything
            log_joint = self.log_state + self.log_b[previous.clamp_min(0)]
            log_joint = log_joint - log_joint.flatten(1).logsumexp(1)[:, None, None]
            self.log_state = log_step(log_joint, self.transition)
        return self.chain.next_token(self.log_state)

    def reorder(self, rows: Int[Tensor, " m"]) -> None:
        """Select rows in place: row i becomes the former row rows[i]."""
        self.log_state = self.log_state[rows]


def _ended(exists: Bool[Tensor, "b t"]) -> Bool[Tensor, "b t"]:
    """The positions after the last one that exists."""
    return exists.flip(1).cumsum(1).flip(1) == 0
