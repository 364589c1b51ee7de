"""Class labels as context: a learned vector for each (Mirza & Osindero 2014, "Conditional generative adversarial nets"), or one-hot."""

__all__ = ["Label", "OneHot"]

import torch
from jaxtyping import Int
from torch import Tensor, nn

from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Label(Conditioner):
    """A learned vector a class: `context.vector [B, width]`.

    Arguments:
        classes: how many labels there are; samples nobody asked a label of draw one uniformly.
        width: of the vector.
    """

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.classes, self.width = classes, width
        self.embedding = nn.Embedding(classes, width)

    def forward(self, condition: Int[Tensor, " b"], rng: Rng | None = None) -> Context:
        return Context(vector=self.embedding(condition), condition=condition)

    def draw(self, rng: Rng) -> Int[Tensor, " b"]:
        return rng.integers(self.classes)


class OneHot(Conditioner):
    """The label itself, one-hot: `context.vector [B, classes]`; nothing to learn.

    Arguments:
        classes: how many labels there are.
    """

    def __init__(self, classes: int):
        super().__init__()
        self.classes = self.width = classes

    def forward(self, condition: Int[Tensor, " b"], rng: Rng | None = None) -> Context:
        return Context(vector=nn.functional.one_hot(condition, self.classes).to(torch.get_default_dtype()), condition=condition)

    def draw(self, rng: Rng) -> Int[Tensor, " b"]:
        return rng.integers(self.classes)
