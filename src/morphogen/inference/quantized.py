"""A trained model in fewer bytes, under the contract of the model: it samples and measures, and is not trained.

    light = Quantized(model, Int8());  light.sample(...), light.log_prob(...);  save(light, "folder")

Linear layers, convolutions and embeddings, wherever they stand in the model, hold their matrices as `weights` says; all else is copied as
it is. What it costs is a figure and not a promise: `evaluation.precision.precision_cost`.
"""

__all__ = ["Quantized"]

import copy
from typing import Any

import torch
from torch import nn

from morphogen.component import Component
from morphogen.contract import Batch, Boundary, Conditioner, Likelihood, Losses, Objective, Representation, Unsupported
from morphogen.inference.weights import HeldConvolution, HeldEmbedding, HeldLinear, Weights
from morphogen.model import Model, Samples
from morphogen.numerics.randomness import Rng


class Quantized(Component, Boundary):
    """A model whose matrices are held in fewer bytes; the one it is made of stays as it was.

    Arguments:
        model: trained.
        weights: how its matrices are held (`BFloat16()`, `Int8()`).
    """

    def __init__(self, model: Model, weights: Weights):
        super().__init__()
        self.model, self.weights = _held(model, weights), weights
        self.requires_grad_(False)
        self.eval()

    @property
    def objective(self) -> Objective:
        """The model's, its networks lighter."""
        return self.model.objective

    @property
    def representation(self) -> Representation:
        """The model's."""
        return self.model.representation

    @property
    def conditioner(self) -> Conditioner | None:
        """The model's."""
        return self.model.conditioner

    @property
    def device(self) -> torch.device:
        """Where its numbers lie."""
        return self.model.device

    @property
    def bytes(self) -> int:
        """What its numbers take."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.state_dict().values())

    def forward(self, batch: Batch, rng: Rng, player: str) -> Losses:
        raise Unsupported("a Quantized model is not trained; train the model that it was made of, and quantise that again")

    def sample(self, *arguments: Any, **options: Any) -> Samples:
        """As `Model.sample`."""
        return self.model.sample(*arguments, **options)

    def log_prob(self, *arguments: Any, **options: Any) -> Likelihood:
        """As `Model.log_prob`."""
        return self.model.log_prob(*arguments, **options)


def _held(model: Model, weights: Weights) -> Model:
    """A copy with every linear layer, convolution and scoring embedding held; the matrices themselves are never copied."""
    memo: dict[int, Any] = {}
    for part in model.modules():
        if type(part) is nn.Linear:
            memo[id(part)] = HeldLinear(part, weights)
        elif type(part) in (nn.Conv1d, nn.Conv2d):
            memo[id(part)] = HeldConvolution(part, weights)  # type: ignore[arg-type]
        elif isinstance(part, nn.Embedding) and hasattr(part, "scores"):
            memo[id(part)] = HeldEmbedding(part, weights)
    return copy.deepcopy(model, memo)
