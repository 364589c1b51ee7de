r"""Weight initialisation of transformers.

    NormalInit   N(0, std); residual outputs N(0, std / sqrt(2 layers))     GPT-2 (Radford et al. 2019)
    FanInInit    N(0, 1 / sqrt(inputs)); embeddings N(0, embedding)         PaLM (Chowdhery et al. 2022)

Biases are 0 in both. By convention, a layer whose output is added to the residual stream is called `out`.
"""

__all__ = ["FanInInit", "Initializer", "NormalInit"]

import math
from abc import ABC, abstractmethod

from torch import nn

from morphogen.component import Component


class Initializer(Component, ABC):
    """Base class of weight initialisations; they draw from torch's global generator."""

    def __call__(self, network: nn.Module, layers: int) -> None:
        """Initialise linear layers and embeddings of a network with `layers` layers; norms are unchanged."""
        for name, part in network.named_modules():
            if isinstance(part, nn.Linear | nn.Embedding):
                nn.init.normal_(part.weight, std=self.weight_std(part, name.endswith("out"), layers))
            if isinstance(part, nn.Linear) and part.bias is not None:
                nn.init.zeros_(part.bias)

    @abstractmethod
    def weight_std(self, part: nn.Linear | nn.Embedding, residual: bool, layers: int) -> float:
        """Standard deviation of a weight matrix; `residual`: its output is added to the residual stream."""


class NormalInit(Initializer):
    """One standard deviation, scaled down for residual outputs (Radford et al. 2019, section 2.3).

    Arguments:
        std: the standard deviation.
    """

    def __init__(self, std: float = 0.02):
        self.std = std

    def weight_std(self, part: nn.Linear | nn.Embedding, residual: bool, layers: int) -> float:
        return self.std / math.sqrt(2 * layers) if residual else self.std


class FanInInit(Initializer):
    """Fan-in scaling: inputs of variance 1 give outputs of variance 1 (Chowdhery et al. 2022, section 5.1).

    Arguments:
        embedding: standard deviation of the embeddings.
    """

    def __init__(self, embedding: float = 1.0):
        self.embedding = embedding

    def weight_std(self, part: nn.Linear | nn.Embedding, residual: bool, layers: int) -> float:
        return 1 / math.sqrt(part.in_features) if isinstance(part, nn.Linear) else self.embedding
