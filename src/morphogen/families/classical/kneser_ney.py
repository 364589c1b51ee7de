r"""Interpolated modified Kneser-Ney smoothing of n-gram probabilities.

    p_k(w | h) = max(c(h w) - D(c(h w)), 0) / c(h .) + b(h) p_(k-1)(w | h')
          b(h) = sum_w D(c(h w)) / c(h .)

h is a context of k - 1 tokens, h' is h without its first token, p_0 = 1 / V, and D(0) = 0. The probability
mass that the discounts D remove is given to the shorter context, so each p_k sums to 1. An unseen h uses
p_(k-1) alone. At the longest context, c is the number of occurrences. At shorter contexts it is the number of
distinct preceding tokens, N_1+(. h w), because a shorter context is used only where the longer one has too
little data ("Francisco" is frequent, but only after "San"). The discount depends on the count, D_1, D_2,
D_3+, and is estimated from the counts of counts n_1 .. n_4:

    Y = n_1 / (n_1 + 2 n_2),     D_j = j - (j + 1) Y n_(j+1) / n_j

A sequence may begin anywhere in a text: token i < n has only i - 1 previous tokens, and that is its longest
context.

References: Improved backing-off for m-gram language modeling, Kneser & Ney, 1995; An empirical study of
smoothing techniques for language modeling, Chen & Goodman, 1999 (equations 26 and 27); Scalable modified
Kneser-Ney language model estimation, Heafield, Pouzyrevsky, Clark & Koehn, 2013 (the discounts j / 2 where
the counts of counts give none).
"""

__all__ = ["KneserNey", "NGramProbabilities", "discounts", "ngram_ids"]

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class KneserNey(Component, nn.Module):
    """An n-gram language model with Kneser-Ney smoothing (Kneser & Ney 1995; Chen & Goodman 1999).

    A causal network whose logits are log p, from a sorted table of n-gram counts without hash collisions. If
    a text has more distinct n-grams than the capacity, the rarest are dropped, as if they had not occurred.
    Counts of shorter n-grams are computed from the table, so all orders are consistent.

    Arguments:
        vocabulary: vocabulary size V; V^order must be at most 2^62.
        order: n >= 2; a token is predicted from the previous n - 1.
        capacity: maximum number of distinct n-grams, at least 1; each takes 16 bytes in memory and on disk.

    Raises:
        ConfigError: if an argument is out of range.
    """

    def __init__(self, vocabulary: int, order: int = 5, capacity: int = 2**20):
        super().__init__()
        if order < 2 or capacity < 1 or vocabulary**order > 2**62:
            values = f"vocabulary={vocabulary}, order={order}, capacity={capacity}"
            raise ConfigError(
                f"KneserNey needs order >= 2, capacity >= 1 and vocabulary^order <= 2^62; got {values}"
            )
        self.vocabulary, self.order, self.capacity = vocabulary, order, capacity
        # n-grams as base-V numbers, ascending; unused entries, with count 0, are at the end
        self.register_buffer("grams", torch.zeros(capacity, dtype=torch.int64))
        self.register_buffer("counts", torch.zeros(capacity, dtype=torch.int64))
        self._probabilities: NGramProbabilities | None = None

    grams: Int[Tensor, " n"]
    counts: Int[Tensor, " n"]

    def forward(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t v"]:
        log_p, length, reach = self.probabilities(), x.shape[1], self.order - 1
        first = [log_p(x[:, :i]) for i in range(min(reach, length))]
        if length <= reach:
            return torch.stack(first, 1)
        contexts = x.unfold(1, reach, 1)[:, :-1]  # [B, T - n + 1, n - 1]
        rest = log_p(contexts.flatten(0, 1)).unflatten(0, contexts.shape[:2])
        return torch.cat([torch.stack(first, 1), rest], 1)

    def make_cache(self, rows: int, context: Context | None) -> "_NGramCache":
        """An empty cache for `rows` sequences."""
        return _NGramCache(self, rows)

    def count(self, x: Int[Tensor, "b n"]) -> Int[Tensor, " g"]:
        """Counts of n-grams, one per row of x: sparse int64 [V^n], so that counts of batches can be added."""
        ones = torch.ones(len(x), dtype=torch.int64, device=x.device)
        ids = ngram_ids(x, self.vocabulary)[None]
        size = (self.vocabulary**self.order,)
        return torch.sparse_coo_tensor(ids, ones, size, check_invariants=True).coalesce()

    @torch.no_grad()
    def set_counts(self, counts: Int[Tensor, " g"]) -> None:
        """Replace the table by these counts, sparse int64 [V^n].

        Beyond the capacity only the most frequent n-grams are kept, the lowest ids in a tie.
        """
        grams, values = counts.coalesce().indices()[0], counts.coalesce().values()
        if len(grams) > self.capacity:
            kept = values.argsort(descending=True, stable=True)[: self.capacity].sort().values
            grams, values = grams[kept], values[kept]
        self.grams.zero_()[: len(grams)] = grams
        self.counts.zero_()[: len(values)] = values

    def probabilities(self) -> "NGramProbabilities":
        """The smoothed probabilities of the current table, cached until the table changes."""
        size = int((self.counts > 0).sum())
        grams, counts = self.grams[:size], self.counts[:size]
        if self._probabilities is None or not self._probabilities.matches(grams, counts):
            self._probabilities = NGramProbabilities(
                grams.clone(), counts.clone(), self.vocabulary, self.order
            )
        return self._probabilities


class NGramProbabilities:
    """Smoothed conditional probabilities p(w | h) for contexts of up to n - 1 tokens.

    Arguments:
        grams: distinct n-grams as base-V numbers, ascending int64 [N].
        counts: number of occurrences of each, int64 [N].
        vocabulary, order: V and n.
    """

    def __init__(self, grams: Int[Tensor, " n"], counts: Int[Tensor, " n"], vocabulary: int, order: int):
        self.grams, self.counts, self.vocabulary = grams, counts, vocabulary
        # both are indexed by the length of the context
        self.longest = [_Level.of(grams, counts, vocabulary)]  # from numbers of occurrences
        self.shorter: list[_Level] = []  # from numbers of distinct preceding tokens
        for k in range(order - 1, 0, -1):
            grams, suffix, preceding = torch.unique(
                grams % vocabulary**k, return_inverse=True, return_counts=True
            )
            counts = torch.zeros_like(grams).index_add_(0, suffix, counts)
            self.longest.insert(0, _Level.of(grams, counts, vocabulary))
            self.shorter.insert(0, _Level.of(grams, preceding, vocabulary))

    def matches(self, grams: Int[Tensor, " n"], counts: Int[Tensor, " n"]) -> bool:
        """Whether the probabilities were computed from this table."""
        return (
            self.grams.device == grams.device
            and torch.equal(self.grams, grams)
            and torch.equal(self.counts, counts)
        )

    def __call__(self, contexts: Int[Tensor, "b k"]) -> Float[Tensor, "b v"]:
        """log p(w | h) of every token w for contexts h of k <= n - 1 tokens, in fp64."""
        rows, length = contexts.shape
        p = torch.full(
            (rows, self.vocabulary), 1 / self.vocabulary, dtype=torch.float64, device=contexts.device
        )
        for k, level in enumerate([*self.shorter[:length], self.longest[length]]):
            level.interpolate(p, ngram_ids(contexts[:, length - k :], self.vocabulary))
        return p.log()


@dataclass(frozen=True)
class _Level:
    """One order of the interpolation: its contexts h and, concatenated, the tokens that follow each."""

    contexts: Tensor  # ascending int64 [H]
    starts: Tensor  # int64 [H + 1]: the tokens after context i are at starts[i] .. starts[i + 1] - 1
    tokens: Tensor  # int64 [N]
    discounted: Tensor  # (c - D) / c(h .), fp64 [N]
    backoff: Tensor  # b(h), fp64 [H]

    @staticmethod
    def of(grams: Tensor, counts: Tensor, vocabulary: int) -> "_Level":
        """From distinct k-grams, ascending, and their counts of either kind."""
        contexts, index, degrees = torch.unique_consecutive(
            grams // vocabulary, return_inverse=True, return_counts=True
        )
        total, removed = (
            torch.zeros(len(contexts), dtype=torch.float64, device=grams.device) for _ in range(2)
        )
        discount = discounts(counts)[counts.clamp_max(3)]
        total.index_add_(0, index, counts.double())
        removed.index_add_(0, index, discount)
        starts = nn.functional.pad(degrees.cumsum(0), (1, 0))
        discounted = (counts - discount) / total[index]
        return _Level(contexts, starts, grams % vocabulary, discounted, removed / total)

    def interpolate(self, p: Float[Tensor, "b v"], contexts: Int[Tensor, " b"]) -> None:
        """Update p_(k-1) to p_k, in place."""
        if not len(self.contexts):
            return
        at = torch.searchsorted(self.contexts, contexts).clamp_max_(len(self.contexts) - 1)
        rows = (self.contexts[at] == contexts).nonzero()[:, 0]
        at = at[rows]
        degrees = self.starts[at + 1] - self.starts[at]
        row = rows.repeat_interleave(degrees)
        offsets = (self.starts[at] - degrees.cumsum(0) + degrees).repeat_interleave(degrees)
        entry = torch.arange(len(row), device=p.device) + offsets
        p[rows] *= self.backoff[at, None]
        p[row, self.tokens[entry]] += self.discounted[entry]  # the tokens of a row are distinct


class _NGramCache:
    """Decoding cache: the last n - 1 tokens of `rows` sequences."""

    def __init__(self, network: KneserNey, rows: int):
        self.log_p, self.reach = network.probabilities(), network.order - 1
        self.recent = torch.zeros(rows, 0, dtype=torch.int64, device=network.grams.device)

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """Append the previous tokens (None: at the first position); returns the logits of the next."""
        if previous is not None:
            self.recent = torch.cat([self.recent, previous[:, None]], 1)[:, -self.reach :]
        return self.log_p(self.recent)


def discounts(counts: Int[Tensor, " n"]) -> Float[Tensor, " 4"]:
    """Discounts D(0) = 0, D_1, D_2, D_3+ of Chen & Goodman 1999; j / 2 if D_j is not strictly in (0, j)."""
    n = torch.bincount(counts.clamp_max(5), minlength=6).double()[1:5]
    j = torch.arange(1, 4, dtype=torch.float64, device=counts.device)
    d = j - (j + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:3]
    return nn.functional.pad(torch.where((d > 0) & (d < j), d, j / 2), (1, 0))


def ngram_ids(x: Int[Tensor, "b k"], vocabulary: int) -> Int[Tensor, " b"]:
    """Rows of k tokens as base-V numbers; 0 for k = 0."""
    powers = vocabulary ** torch.arange(x.shape[1] - 1, -1, -1, device=x.device)
    return (x * powers).sum(1)
