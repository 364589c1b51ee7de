r"""Words and pairs of words of generated texts, which need no feature space.

    known_words    fraction of the words of a sample that occur in the training text
    known_pairs    the same of two successive words: shuffled words have few
    repeated       fraction of a sample's pairs that it has used before: loops have many

Each is the mean over samples; the row of real data shows what held-out text reaches. The first and the last
word of a sample are left out, since a window cuts them. Samples of fewer words than that have no figure, and
are left out of the mean; without any sample left, the figures are None.

References: A diversity-promoting objective function for neural conversation models, Li, Galley, Brockett, Gao
& Dolan, 2016 (distinct n-grams); The curious case of neural text degeneration, Holtzman et al., 2020 (loops).
"""

__all__ = ["KEYS", "no_statistics", "text_statistics"]

import re
from itertools import pairwise
from typing import Any

import torch
from jaxtyping import Int, Shaped
from torch import Tensor

from morphogen.data.dataset import Dataset
from morphogen.evaluation.intervals import Interval, fraction

KEYS = ("known_words", "known_pairs", "repeated")
WORD = re.compile(r"\w+|[^\w\s]")
LEAST = 4  # words of a sample: without the first and the last, one pair is left


def no_statistics(samples: Shaped[Tensor, "n ..."], data: Dataset) -> dict[str, Interval | None]:
    """Media other than text have no words."""
    return dict.fromkeys(KEYS)


def text_statistics(samples: Int[Tensor, "n t"], data: Dataset) -> dict[str, Interval | None]:
    """The fractions of known words, known pairs and repeated pairs, each with its interval."""
    words, pairs = _vocabulary(data)
    rows = []
    for text in data.representation.present(samples):
        tokens = WORD.findall(text)
        if len(tokens) >= LEAST:
            inner = tokens[1:-1]
            successive = list(pairwise(inner))
            rows.append((
                sum(word in words for word in inner) / len(inner),
                sum(pair in pairs for pair in successive) / len(successive),
                1 - len(set(successive)) / len(successive),
            ))  # fmt: skip
    if not rows:
        return dict.fromkeys(KEYS)
    return {key: fraction(column) for key, column in zip(KEYS, torch.tensor(rows).T, strict=True)}


def _vocabulary(data: Dataset) -> tuple[set[str], set[tuple[str, str]]]:
    """The words, and the pairs of successive words, of the training text."""
    train = data.train
    representation: Any = data.representation
    text: Any = getattr(train, "covered_tokens", None)
    rows = train.first().medium.tolist() if text is None else _documents(text)
    words, pairs = set[str](), set[tuple[str, str]]()
    for row in rows:
        tokens = WORD.findall(representation.detokenize(row))
        words.update(tokens)
        pairs.update(pairwise(tokens))
    return words, pairs


def _documents(text: Int[Tensor, " l"]) -> list[list[int]]:
    """The runs of tokens between separators."""
    ends = torch.cat([(text < 0).nonzero()[:, 0], torch.tensor([len(text)])]).tolist()
    starts = [0, *(end + 1 for end in ends[:-1])]
    return [text[start:end].tolist() for start, end in zip(starts, ends, strict=True) if end > start]
