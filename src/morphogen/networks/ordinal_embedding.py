r"""Embedding of ordinal tokens, such as grey levels or quantised audio samples, initialised with cosines.

    table[v, e] = sqrt(2) cos(pi e v / (V - 1)),     e = 1 .. E

An embedding initialised at random gives no hint of which of 256 values are neighbours; the network must learn
it first. Initialised as cosines of the value, near values have similar embeddings from the first step, as
pixels do in GatedPixelCNN. No paper: these are the basis functions of the discrete cosine transform (Ahmed,
Natarajan & Rao 1974), which decorrelate smoothly varying signals.
"""

__all__ = ["OrdinalEmbedding"]

import math

import torch
from torch import nn


class OrdinalEmbedding(nn.Embedding):
    """Learned embedding table [V, E] of ordinal values, initialised with cosines.

    Arguments:
        vocabulary: V, number of values.
        features: E.
    """

    def __init__(self, vocabulary: int, features: int):
        v = torch.arange(vocabulary) / max(1, vocabulary - 1)
        waves = math.sqrt(2) * torch.cos(math.pi * v[:, None] * torch.arange(1, features + 1))
        super().__init__(vocabulary, features, _weight=waves)
