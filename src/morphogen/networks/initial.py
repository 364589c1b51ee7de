r"""Where the weights of a transformer begin.

    Normal    N(0, std), those that write to the stream N(0, std / sqrt(2 layers))              GPT-2 (Radford et al. 2019)
    FanIn     N(0, 1 / sqrt(inputs)), embeddings N(0, embedding)                                PaLM (Chowdhery et al. 2022, section 5.1)

Biases begin at zero in both. What writes to the stream is called `out` wherever it stands.
"""

__all__ = ["FanIn", "Initial", "Normal"]

import math
from abc import ABC, abstractmethod

from torch import nn

from morphogen.component import Component


class Initial(Component, ABC):
    """A rule that fills a network once, from torch's generator."""

    def __call__(self, network: nn.Module, layers: int) -> None:
        """Fill all matrices of a network of so many layers; gains stay as they are."""
        for name, part in network.named_modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=self.spread(part, name.endswith("out"), layers))
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)

    @abstractmethod
    def spread(self, part: nn.Linear | nn.Embedding, writes: bool, layers: int) -> float:
        """The standard deviation of a matrix; `writes`: whether it adds to the stream."""


class Normal(Initial):
    """One spread for all, less for what is added up over the layers (Radford et al. 2019, section 2.3).

    Arguments:
        std: the standard deviation.
    """

    def __init__(self, std: float = 0.02):
        self.std = std

    def spread(self, part: nn.Linear | nn.Embedding, writes: bool, layers: int) -> float:
        return self.std / math.sqrt(2 * layers) if writes else self.std


class FanIn(Initial):
    """Features of variance 1 into a layer come out with variance 1 (Chowdhery et al. 2022, section 5.1).

    Arguments:
        embedding: standard deviation of the embeddings.
    """

    def __init__(self, embedding: float = 1.0):
        self.embedding = embedding

    def spread(self, part: nn.Linear | nn.Embedding, writes: bool, layers: int) -> float:
        return 1 / math.sqrt(part.in_features) if isinstance(part, nn.Linear) else self.embedding
