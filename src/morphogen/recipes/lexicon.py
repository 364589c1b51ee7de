r"""A dictionary out of sentence pairs, and translation word for word by it: what a translator must beat.

    t(f | e) ~ sum over pairs, over places of f, of  t(f | e) / sum_(e' in the source) t(f | e')

which is a step of EM in a model where every word of the target stands for some word of the source, or for none, wherever that may be.

Reference: The mathematics of statistical machine translation: parameter estimation, Brown, Della Pietra, Della Pietra & Mercer, 1993
(model 1).
"""

__all__ = ["Lexicon"]

import re
from collections.abc import Sequence
from typing import Self

import numpy as np

WORDS = re.compile(r"\w+|[^\w\s]")
STEPS = 5  # of EM: the customary number


class Lexicon:
    """The most likely word for each word.

    Arguments:
        words: source word -> target word.
    """

    def __init__(self, words: dict[str, str]):
        self.words = words

    @classmethod
    def learn(cls, sources: Sequence[str], targets: Sequence[str], steps: int = STEPS) -> Self:
        """Model 1 of these pairs; words are of letters, each other sign is one by itself, and case counts."""
        source_ids: dict[str, int] = {"": 0}  # the word for none
        target_ids: dict[str, int] = {}
        given, made, place = [], [], []
        places = 0
        for source, target in zip(sources, targets, strict=True):
            e = np.array([0, *(source_ids.setdefault(word, len(source_ids)) for word in WORDS.findall(source))])
            f = np.array([target_ids.setdefault(word, len(target_ids)) for word in WORDS.findall(target)], dtype=int)
            given.append(np.tile(e, len(f)))
            made.append(np.repeat(f, len(e)))
            place.append(places + np.repeat(np.arange(len(f)), len(e)))
            places += len(f)
        t = _expect(np.concatenate(given), np.concatenate(made), np.concatenate(place), len(target_ids), steps)
        best: dict[int, tuple[float, int]] = {}
        for e_id, f_id, p in zip(*t, strict=True):
            best[e_id] = max(best.get(e_id, (0.0, 0)), (p, -f_id))  # of equals the word met first
        names = list(target_ids)
        return cls({word: names[-best[e_id][1]] for word, e_id in source_ids.items() if e_id in best and word})

    def translate(self, source: str) -> str:
        """Word for word, in the source's order; a word never met stays as it is."""
        words = [self.words.get(word, word) for word in WORDS.findall(source)]
        return re.sub(r" ([^\w\s¿¡])", r"\1", " ".join(words))


def _expect(given: np.ndarray, made: np.ndarray, place: np.ndarray, targets: int, steps: int) -> tuple[list[int], list[int], list[float]]:
    """The pairs of words that stand together, and t of each."""
    pairs, entry = np.unique(given.astype(np.int64) * targets + made, return_inverse=True)
    of, t = pairs // targets, np.ones(len(pairs), dtype=np.float64)
    for _ in range(steps):
        share = t[entry]
        share /= np.bincount(place, share)[place]
        counts = np.bincount(entry, share)
        t = counts / np.bincount(of, counts)[of]
    return of.tolist(), (pairs % targets).tolist(), t.tolist()
