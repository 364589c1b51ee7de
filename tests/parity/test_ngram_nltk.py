"""Kneser-Ney against nltk's (one discount for all counts), and against the paper's sums spelt out (three discounts)."""

from collections import Counter
from functools import cache

import pytest
import torch
from nltk.lm import NgramCounter, Vocabulary
from nltk.lm.smoothing import KneserNey as TheirKneserNey
from torch import Tensor

from morphogen.families.classical import KneserNey, kneser_ney
from morphogen.numerics.randomness import Rng

TEXT = b"she sells sea shells by the sea shore; the shells she sells are sea shells, i'm sure. he shall sell the shore she saw."
N, V, D = 4, 128, 0.6

Gram = tuple[int, ...]


def ours() -> KneserNey:
    network = KneserNey(V, N, 256)
    network.learn(network.count(torch.tensor(list(TEXT)).unfold(0, N, 1)))
    return network


def suffixes() -> list[list[Gram]]:
    """Every n-gram of the text, and how it ends."""
    return [[tuple(TEXT[i + N - k : i + N]) for k in range(1, N + 1)] for i in range(len(TEXT) - N + 1)]


def contexts(length: int) -> Tensor:
    """Contexts of the text, and others made of its symbols."""
    met = torch.tensor(list(TEXT)).unfold(0, length, 1)
    return torch.cat([met[:40], met.flatten()[Rng(0, 40).integers(met.numel(), length)]])


def test_one_discount_is_nltk(monkeypatch: pytest.MonkeyPatch) -> None:
    """After contexts of n - 1 symbols (nltk knows the shorter ones as backing off only), to 1e-12."""
    monkeypatch.setattr(kneser_ney, "discounts", lambda counts: torch.tensor([0, D, D, D], dtype=torch.float64))
    peer = TheirKneserNey(Vocabulary(range(V)), NgramCounter(suffixes()), N, discount=D)

    def unigram(word: int) -> float:  # theirs neither docks nor knows a symbol that was never met
        count, total = peer._continuation_counts(word)
        return max(count - D, 0) / total + D * len(set(TEXT[N - 1 :])) / total / V

    def score(word: int, context: Gram) -> float:
        if not context:
            return unigram(word)
        share, rest = peer.alpha_gamma(word, context) if peer.counts[context] else (0.0, 1.0)
        return share + rest * score(word, context[1:])

    before = contexts(N - 1)
    theirs = [[score(word, tuple(context)) for word in range(V)] for context in before.tolist()]
    torch.testing.assert_close(ours().laws()(before).exp(), torch.tensor(theirs, dtype=torch.float64), atol=1e-12, rtol=1e-12)


def spelt_out() -> tuple[dict[Gram, int], dict[Gram, int]]:
    """c(g) of every k-gram, and N_1+(. g): how many different symbols stand before it."""
    often = Counter(gram for grams in suffixes() for gram in grams)
    return often, Counter(gram[1:] for gram in often if len(gram) > 1)


def docking(counts: dict[Gram, int], length: int) -> list[float]:
    n = Counter(count for gram, count in counts.items() if len(gram) == length)
    if not n[1] + n[2]:
        return [0, 0.5, 1, 1.5]
    y = n[1] / (n[1] + 2 * n[2])
    d = [j - (j + 1) * y * n[j + 1] / n[j] if n[j] else -1 for j in (1, 2, 3)]
    return [0] + [x if 0 < x < j else j / 2 for j, x in zip((1, 2, 3), d, strict=True)]


@pytest.mark.parametrize("length", range(N))
def test_three_discounts_are_the_papers_sums(length: int) -> None:
    """Contexts of every length, to 1e-12."""
    often, places = spelt_out()
    discount = cache(lambda of_longest, k: docking(often if of_longest else places, k))

    def score(word: int, context: Gram, longest: bool = True) -> float:
        counts = often if longest else places
        shorter = score(word, context[1:], False) if context else 1 / V
        after = [counts[(*context, w)] for w in range(V) if (*context, w) in counts]
        if not after:
            return shorter
        d, c = discount(longest, len(context) + 1), counts.get((*context, word), 0)
        return (c - d[min(c, 3)] + sum(d[min(a, 3)] for a in after) * shorter) / sum(after)

    before = contexts(length)[::5] if length else torch.zeros(1, 0).long()
    spelt = [[score(word, tuple(context)) for word in range(V)] for context in before.tolist()]
    torch.testing.assert_close(ours().laws()(before).exp(), torch.tensor(spelt, dtype=torch.float64), atol=1e-12, rtol=1e-12)
