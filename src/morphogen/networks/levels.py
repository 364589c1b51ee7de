r"""Symbols that have an order: the levels of a grey value, of a sample of sound.

    table[v, e] = sqrt(2) cos(pi e v / (V - 1)),     e = 1 .. E

To a network each symbol is a row of a table that is learned. Where that begins at random, it must first find out which of 256 rows are
neighbours; begun as cosines of the value, near values look alike from the first step, as pixels do in GatedPixelCNN. No paper: they are
the waves of the discrete cosine transform (Ahmed, Natarajan & Rao 1974), which decorrelate what varies smoothly.
"""

__all__ = ["Levels"]

import math

import torch
from torch import nn


class Levels(nn.Embedding):
    """A table [V, E] of levels, learned from cosines on.

    Arguments:
        vocabulary: V.
        features: E.
    """

    def __init__(self, vocabulary: int, features: int):
        v = torch.arange(vocabulary) / max(1, vocabulary - 1)
        waves = math.sqrt(2) * torch.cos(math.pi * v[:, None] * torch.arange(1, features + 1))
        super().__init__(vocabulary, features, _weight=waves)
