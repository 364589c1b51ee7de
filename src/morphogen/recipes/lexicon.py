r"""IBM Model 1: word translation probabilities from sentence pairs, for word-for-word translation.

    t(f | e) ~ sum over pairs, over positions of f, of  t(f | e) / sum_(e' in the source) t(f | e')

One iteration of EM in a model in which every target word is a translation of one source word, or of none, at
any position.

Reference: The mathematics of statistical machine translation: parameter estimation, Brown, Della Pietra,
Della Pietra & Mercer, 1993 (model 1).
"""

__all__ = ["Lexicon"]

import re
from collections.abc import Sequence
from typing import Self

import numpy as np

WORDS = re.compile(r"\w+|[^\w\s]")
STEPS = 5  # iterations of EM, the usual number


class Lexicon:
    """The most likely translation of each word.

    Arguments:
        words: source word -> target word.
    """

    def __init__(self, words: dict[str, str]):
        self.words = words

    @classmethod
    def learn(cls, sources: Sequence[str], targets: Sequence[str], steps: int = STEPS) -> Self:
        """Fit model 1 to sentence pairs; words are runs of letters, or single other characters."""
        source_ids: dict[str, int] = {"": 0}  # the empty word, which generates unaligned target words
        target_ids: dict[str, int] = {}
        source_words, target_words, positions = [], [], []
        count = 0
        for source, target in zip(sources, targets, strict=True):
            e = np.array(
                [0, *(source_ids.setdefault(word, len(source_ids)) for word in WORDS.findall(source))]
            )
            f = np.array(
                [target_ids.setdefault(word, len(target_ids)) for word in WORDS.findall(target)], dtype=int
            )
            source_words.append(np.tile(e, len(f)))
            target_words.append(np.repeat(f, len(e)))
            positions.append(count + np.repeat(np.arange(len(f)), len(e)))
            count += len(f)
        e_all, f_all = np.concatenate(source_words), np.concatenate(target_words)
        t = _fit(e_all, f_all, np.concatenate(positions), len(target_ids), steps)
        best: dict[int, tuple[float, int]] = {}
        for e_id, f_id, p in zip(*t, strict=True):
            best[e_id] = max(best.get(e_id, (0.0, 0)), (p, -f_id))  # ties go to the word that occurred first
        names = list(target_ids)
        return cls(
            {word: names[-best[e_id][1]] for word, e_id in source_ids.items() if e_id in best and word}
        )

    def translate(self, source: str) -> str:
        """Translate word for word, in the source's order; unknown words are copied."""
        words = [self.words.get(word, word) for word in WORDS.findall(source)]
        return re.sub(r" ([^\w\s¿¡])", r"\1", " ".join(words))


def _fit(
    source_words: np.ndarray, target_words: np.ndarray, positions: np.ndarray, targets: int, steps: int
) -> tuple[list[int], list[int], list[float]]:
    """The word pairs that co-occur, as source and target ids, and t(f | e) of each."""
    pairs, entry = np.unique(source_words.astype(np.int64) * targets + target_words, return_inverse=True)
    pair_source, t = pairs // targets, np.ones(len(pairs), dtype=np.float64)
    for _ in range(steps):
        posterior = t[entry]
        posterior /= np.bincount(positions, posterior)[positions]
        counts = np.bincount(entry, posterior)
        t = counts / np.bincount(pair_source, counts)[pair_source]
    return pair_source.tolist(), (pairs % targets).tolist(), t.tolist()
