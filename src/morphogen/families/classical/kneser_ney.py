r"""Interpolated, modified Kneser-Ney smoothing: what follows a context, from counts of n-grams and nothing else.

    p_k(w | h) = max(c(h w) - D(c(h w)), 0) / c(h .) + b(h) p_(k-1)(w | h'),     b(h) = sum_w D(c(h w)) / c(h .)

h is k - 1 symbols, h' the same without its first, p_0 = 1 / V, D(0) = 0: what the counted symbols are docked by goes to the shorter
context, so each p_k sums to 1; an h never met leaves everything to it. At the longest context c counts how often; below it counts in
how many different places, N_1+(. h w), for a shorter context is asked only where the longer one fails ("Francisco" is frequent,
but after "San" alone). The docking depends on the count, D_1, D_2, D_3+, each from the counts of counts n_1 .. n_4:

    Y = n_1 / (n_1 + 2 n_2),     D_j = j - (j + 1) Y n_(j+1) / n_j

A sequence may begin anywhere in a text: symbol i < n is then given only i - 1 others, and its longest context is of that length.

References: Improved backing-off for m-gram language modeling, Kneser & Ney, 1995; An empirical study of smoothing techniques for
language modeling, Chen & Goodman, 1999 (equations 26 and 27); Scalable modified Kneser-Ney language model estimation, Heafield,
Pouzyrevsky, Clark & Koehn, 2013 (the discounts j / 2 where the counts of counts give none).
"""

__all__ = ["KneserNey", "Laws", "discounts"]

from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from morphogen.component import Component, ConfigError
from morphogen.contract import Context


class KneserNey(Component, nn.Module):
    """Causal logits, which are log p, of sequences of symbols (Kneser & Ney 1995; Chen & Goodman 1999), from a table of n-grams.

    The table is sorted and exact: no two n-grams share a place. If a text has more than fit in, the rarest are left out, as if they
    had not been met. Shorter n-grams are counted from the table's, so all orders agree.

    Arguments:
        vocabulary: V, values of one symbol; V^order at most 2^62.
        order: n >= 2; a symbol is predicted from the n - 1 before it.
        capacity: different n-grams that are kept, at least 1; 16 bytes each, in memory and on disk.

    Raises ConfigError for numbers out of range.
    """

    def __init__(self, vocabulary: int, order: int = 5, capacity: int = 2**20):
        super().__init__()
        if order < 2 or capacity < 1 or vocabulary**order > 2**62:
            got = f"vocabulary={vocabulary}, order={order}, capacity={capacity}"
            raise ConfigError(f"KneserNey needs order >= 2, capacity >= 1 and vocabulary^order <= 2^62; got {got}")
        self.vocabulary, self.order, self.capacity = vocabulary, order, capacity
        self.register_buffer("grams", torch.zeros(capacity, dtype=torch.int64))  # ascending, base V; those that count stand first
        self.register_buffer("counts", torch.zeros(capacity, dtype=torch.int64))
        self._laws: Laws | None = None

    grams: Int[Tensor, " n"]
    counts: Int[Tensor, " n"]

    def forward(self, x: Int[Tensor, "b t"], context: Context | None) -> Float[Tensor, "b t v"]:
        laws, length, reach = self.laws(), x.shape[1], self.order - 1
        first = [laws(x[:, :i]) for i in range(min(reach, length))]
        if length <= reach:
            return torch.stack(first, 1)
        before = x.unfold(1, reach, 1)[:, :-1]  # [B, T - n + 1, n - 1]
        return torch.cat([torch.stack(first, 1), laws(before.flatten(0, 1)).unflatten(0, before.shape[:2])], 1)

    def cache(self, rows: int, context: Context | None) -> "_Recent":
        """An empty memory for `rows` sequences."""
        return _Recent(self, rows)

    def count(self, x: Int[Tensor, "b n"]) -> Int[Tensor, " g"]:
        """How often each n-gram is among the rows: sparse int64 [V^n], so that counts of several batches add up."""
        once = torch.ones(len(x), dtype=torch.int64, device=x.device)
        size = (self.vocabulary**self.order,)
        return torch.sparse_coo_tensor(encode(x, self.vocabulary)[None], once, size, check_invariants=True).coalesce()

    @torch.no_grad()
    def learn(self, counted: Int[Tensor, " g"]) -> None:
        """Make the table that of these counts, sparse int64 [V^n]; where too many, the most frequent (of equals, the lowest)."""
        grams, counts = counted.coalesce().indices()[0], counted.coalesce().values()
        if len(grams) > self.capacity:
            kept = counts.argsort(descending=True, stable=True)[: self.capacity].sort().values
            grams, counts = grams[kept], counts[kept]
        for buffer, values in ((self.grams, grams), (self.counts, counts)):
            buffer.zero_()[: len(values)] = values

    def laws(self) -> "Laws":
        """The laws of the table as it stands; worked out once."""
        size = int((self.counts > 0).sum())
        grams, counts = self.grams[:size], self.counts[:size]
        if self._laws is None or not self._laws.are_of(grams, counts):
            self._laws = Laws(grams.clone(), counts.clone(), self.vocabulary, self.order)
        return self._laws


class Laws:
    """p(w | h) of any context of up to n - 1 symbols.

    Arguments:
        grams: different n-grams, ascending int64 [N] in base V.
        counts: how often each, int64 [N].
        vocabulary, order: V and n.
    """

    def __init__(self, grams: Int[Tensor, " n"], counts: Int[Tensor, " n"], vocabulary: int, order: int):
        self.grams, self.counts, self.vocabulary = grams, counts, vocabulary
        self.longest = [_Level.of(grams, counts, vocabulary)]  # by the length of the context: how often
        self.shorter: list[_Level] = []  # and in how many places
        for k in range(order - 1, 0, -1):
            grams, ending, places = torch.unique(grams % vocabulary**k, return_inverse=True, return_counts=True)
            counts = torch.zeros_like(grams).index_add_(0, ending, counts)
            self.longest.insert(0, _Level.of(grams, counts, vocabulary))
            self.shorter.insert(0, _Level.of(grams, places, vocabulary))

    def are_of(self, grams: Int[Tensor, " n"], counts: Int[Tensor, " n"]) -> bool:
        """Whether these laws come of this table."""
        return self.grams.device == grams.device and torch.equal(self.grams, grams) and torch.equal(self.counts, counts)

    def __call__(self, before: Int[Tensor, "b k"]) -> Float[Tensor, "b v"]:
        """log p(w | before) of every symbol w, fp64; k at most n - 1."""
        rows, length = before.shape
        p = torch.full((rows, self.vocabulary), 1 / self.vocabulary, dtype=torch.float64, device=before.device)
        for k, level in enumerate([*self.shorter[:length], self.longest[length]]):
            level.interpolate(p, encode(before[:, length - k :], self.vocabulary))
        return p.log()


@dataclass(frozen=True)
class _Level:
    """One order: its contexts h, and the symbols met after each, side by side."""

    contexts: Tensor  # ascending int64 [H]
    starts: Tensor  # int64 [H + 1]: the symbols of context i stand at starts[i] .. starts[i + 1] - 1
    symbols: Tensor  # int64 [N]
    shares: Tensor  # (c - D) / c(h .), fp64 [N]
    rests: Tensor  # b(h), fp64 [H]

    @staticmethod
    def of(grams: Tensor, counts: Tensor, vocabulary: int) -> "_Level":
        """From different k-grams, ascending, and their counts, of either kind."""
        contexts, index, degrees = torch.unique_consecutive(grams // vocabulary, return_inverse=True, return_counts=True)
        total, rest = (torch.zeros(len(contexts), dtype=torch.float64, device=grams.device) for _ in range(2))
        docked = discounts(counts)[counts.clamp_max(3)]
        total.index_add_(0, index, counts.double())
        rest.index_add_(0, index, docked)
        starts = nn.functional.pad(degrees.cumsum(0), (1, 0))
        return _Level(contexts, starts, grams % vocabulary, (counts - docked) / total[index], rest / total)

    def interpolate(self, p: Float[Tensor, "b v"], contexts: Int[Tensor, " b"]) -> None:
        """p_(k-1) becomes p_k, in place."""
        if not len(self.contexts):
            return
        at = torch.searchsorted(self.contexts, contexts).clamp_max_(len(self.contexts) - 1)
        rows = (self.contexts[at] == contexts).nonzero()[:, 0]
        at = at[rows]
        degrees = self.starts[at + 1] - self.starts[at]
        row = rows.repeat_interleave(degrees)
        place = torch.arange(len(row), device=p.device) + (self.starts[at] - degrees.cumsum(0) + degrees).repeat_interleave(degrees)
        p[rows] *= self.rests[at, None]
        p[row, self.symbols[place]] += self.shares[place]  # no symbol stands twice in a row


class _Recent:
    """The last n - 1 symbols of `rows` sequences, and from them the next one's logits."""

    def __init__(self, network: KneserNey, rows: int):
        self.laws, self.reach = network.laws(), network.order - 1
        self.recent = torch.zeros(rows, 0, dtype=torch.int64, device=network.grams.device)

    def step(self, previous: Int[Tensor, " b"] | None) -> Float[Tensor, "b v"]:
        """The symbols of the position just drawn (None: there is none yet) to the logits of the next."""
        if previous is not None:
            self.recent = torch.cat([self.recent, previous[:, None]], 1)[:, -self.reach :]
        return self.laws(self.recent)


def discounts(counts: Int[Tensor, " n"]) -> Float[Tensor, " 4"]:
    """D(0) = 0, D_1, D_2, D_3+ of Chen & Goodman 1999; j / 2 where that is not strictly between 0 and j."""
    n = torch.bincount(counts.clamp_max(5), minlength=6).double()[1:5]
    j = torch.arange(1, 4, dtype=torch.float64, device=counts.device)
    d = j - (j + 1) * n[0] / (n[0] + 2 * n[1]) * n[1:] / n[:3]
    return nn.functional.pad(torch.where((d > 0) & (d < j), d, j / 2), (1, 0))


def encode(x: Int[Tensor, "b k"], vocabulary: int) -> Int[Tensor, " b"]:
    """Rows of symbols as numbers in base V; 0 for k = 0."""
    powers = vocabulary ** torch.arange(x.shape[1] - 1, -1, -1, device=x.device)
    return (x * powers).sum(1)
