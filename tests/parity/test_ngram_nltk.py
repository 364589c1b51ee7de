"""Kneser-Ney equals nltk's with a single discount, and a direct implementation with three discounts."""

from collections import Counter
from functools import cache

import pytest
import torch
from nltk.lm import NgramCounter, Vocabulary
from nltk.lm.smoothing import KneserNey as TheirKneserNey
from torch import Tensor

from morphogen.families.classical import KneserNey, kneser_ney
from morphogen.numerics.randomness import Rng

TEXT = (
    b"she sells sea shells by the sea shore; the shells she sells are sea shells, i'm sure. "
    b"he shall sell the shore she saw."
)
N, V, D = 4, 128, 0.6

Gram = tuple[int, ...]


def ours() -> KneserNey:
    network = KneserNey(V, N, 256)
    network.set_counts(network.count(torch.tensor(list(TEXT)).unfold(0, N, 1)))
    return network


def suffixes() -> list[list[Gram]]:
    """All suffixes of every n-gram of the text."""
    return [[tuple(TEXT[i + N - k : i + N]) for k in range(1, N + 1)] for i in range(len(TEXT) - N + 1)]


def contexts(length: int) -> Tensor:
    """Contexts that occur in the text, and random ones of its tokens."""
    seen = torch.tensor(list(TEXT)).unfold(0, length, 1)
    return torch.cat([seen[:40], seen.flatten()[Rng(0, 40).integers(seen.numel(), length)]])


def test_a_single_discount_equals_nltk(monkeypatch: pytest.MonkeyPatch) -> None:
    """To 1e-12, for contexts of n - 1 tokens; nltk uses shorter contexts only to back off."""
    monkeypatch.setattr(
        kneser_ney, "discounts", lambda counts: torch.tensor([0, D, D, D], dtype=torch.float64)
    )
    peer = TheirKneserNey(Vocabulary(range(V)), NgramCounter(suffixes()), N, discount=D)

    def unigram(word: int) -> float:  # nltk's has no discount and no unseen tokens
        count, total = peer._continuation_counts(word)
        return max(count - D, 0) / total + D * len(set(TEXT[N - 1 :])) / total / V

    def score(word: int, context: Gram) -> float:
        if not context:
            return unigram(word)
        discounted, backoff = peer.alpha_gamma(word, context) if peer.counts[context] else (0.0, 1.0)
        return discounted + backoff * score(word, context[1:])

    h = contexts(N - 1)
    theirs = [[score(word, tuple(context)) for word in range(V)] for context in h.tolist()]
    torch.testing.assert_close(
        ours().probabilities()(h).exp(), torch.tensor(theirs, dtype=torch.float64), atol=1e-12, rtol=1e-12
    )


def kgram_counts() -> tuple[dict[Gram, int], dict[Gram, int]]:
    """c(g) of every k-gram, and N_1+(. g), its number of distinct preceding tokens."""
    occurrences = Counter(gram for grams in suffixes() for gram in grams)
    return occurrences, Counter(gram[1:] for gram in occurrences if len(gram) > 1)


def reference_discounts(counts: dict[Gram, int], length: int) -> list[float]:
    n = Counter(count for gram, count in counts.items() if len(gram) == length)
    if not n[1] + n[2]:
        return [0, 0.5, 1, 1.5]
    y = n[1] / (n[1] + 2 * n[2])
    d = [j - (j + 1) * y * n[j + 1] / n[j] if n[j] else -1 for j in (1, 2, 3)]
    return [0] + [x if 0 < x < j else j / 2 for j, x in zip((1, 2, 3), d, strict=True)]


@pytest.mark.parametrize("length", range(N))
def test_three_discounts_equal_the_direct_implementation(length: int) -> None:
    """Contexts of every length, to 1e-12."""
    occurrences, preceding = kgram_counts()
    discount = cache(lambda longest, k: reference_discounts(occurrences if longest else preceding, k))

    def score(word: int, context: Gram, longest: bool = True) -> float:
        counts = occurrences if longest else preceding
        shorter = score(word, context[1:], False) if context else 1 / V
        after = [counts[(*context, w)] for w in range(V) if (*context, w) in counts]
        if not after:
            return shorter
        d, c = discount(longest, len(context) + 1), counts.get((*context, word), 0)
        return (c - d[min(c, 3)] + sum(d[min(a, 3)] for a in after) * shorter) / sum(after)

    h = contexts(length)[::5] if length else torch.zeros(1, 0).long()
    expected = [[score(word, tuple(context)) for word in range(V)] for context in h.tolist()]
    torch.testing.assert_close(
        ours().probabilities()(h).exp(), torch.tensor(expected, dtype=torch.float64), atol=1e-12, rtol=1e-12
    )
