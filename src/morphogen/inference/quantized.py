"""Quantized models: trained models with smaller weight matrices, for sampling and evaluation only.

    quantized = Quantized(model, Int8())
    quantized.sample(...), quantized.log_prob(...);  save(quantized, "folder")

All linear layers, convolutions and embeddings are stored in the given weight format; everything else is
copied. `evaluation.precision.precision_cost` measures the loss in likelihood.
"""

__all__ = ["Quantized"]

import copy
from collections.abc import Mapping
from typing import Any

import torch
from torch import nn

from morphogen.component import Component
from morphogen.contract import (
    Batch,
    Boundary,
    Conditioner,
    ConditionSpec,
    Likelihood,
    Losses,
    Representation,
    Trainable,
    Unsupported,
)
from morphogen.inference.packed import PackedConv, PackedEmbedding, PackedLinear, WeightFormat
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.samples import Samples


class Quantized(Component, Boundary):
    """A copy of a model with quantized weight matrices.

    Arguments:
        model: the trained model; it is not changed.
        weights: format of the matrices (`BFloat16()`, `Int8()`, `Int4()`, `Exact()`).
    """

    def __init__(self, model: Model, weights: WeightFormat):
        super().__init__()
        self.model, self.weights = _packed(model, weights), weights
        self.requires_grad_(False)
        self.eval()

    @property
    def objective(self) -> Trainable:
        """The model's objective, with quantized networks."""
        return self.model.objective

    @property
    def representation(self) -> Representation:
        """The model's representation."""
        return self.model.representation

    @property
    def conditioner(self) -> Conditioner | None:
        """The model's conditioner."""
        return self.model.conditioner

    @property
    def specs(self) -> Mapping[str, ConditionSpec]:
        """What the conditions of the model are."""
        return self.model.specs

    @property
    def device(self) -> torch.device:
        """Device of the weights."""
        return self.model.device

    @property
    def bytes(self) -> int:
        """Size of the weights in bytes."""
        return sum(tensor.numel() * tensor.element_size() for tensor in self.state_dict().values())

    def forward(self, batch: Batch, rng: Rng, player: str) -> Losses:
        raise Unsupported(
            "a Quantized model cannot be trained; train the original model and quantize it again"
        )

    def sample(self, *arguments: Any, **options: Any) -> Samples:
        """See `Model.sample`."""
        return self.model.sample(*arguments, **options)

    def log_prob(self, *arguments: Any, **options: Any) -> Likelihood:
        """See `Model.log_prob`."""
        return self.model.log_prob(*arguments, **options)


def _packed(model: Model, weights: WeightFormat) -> Model:
    """A copy with packed linear, convolution and tied embedding layers; matrices are not copied twice."""
    memo: dict[int, Any] = {}
    for part in model.modules():
        if type(part) is nn.Linear:
            memo[id(part)] = PackedLinear(part, weights)
        elif type(part) in (nn.Conv1d, nn.Conv2d):
            memo[id(part)] = PackedConv(part, weights)  # type: ignore[arg-type]
        elif isinstance(part, nn.Embedding) and hasattr(part, "scores"):
            memo[id(part)] = PackedEmbedding(part, weights)
    return copy.deepcopy(model, memo)
