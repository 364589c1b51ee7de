"""Class labels as context: a learned embedding or a one-hot vector.

Reference: Conditional generative adversarial nets, Mirza & Osindero, 2014.
"""

__all__ = ["Label", "OneHot"]

import torch
from jaxtyping import Int, Shaped
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.contract import Conditioner, Context
from morphogen.numerics.randomness import Rng


class Label(Conditioner):
    """A learned embedding per class: `context.vector [B, width]`.

    Arguments:
        classes: number of classes; samples requested without a label get a uniformly random one.
        width: of the embedding.
    """

    name = "label"

    def __init__(self, classes: int, width: int):
        super().__init__()
        self.classes, self.width, self.widths = classes, width, {"vector": width}
        self.embedding = nn.Embedding(classes, width)

    def check(self, condition: Shaped[Tensor, "..."]) -> None:
        _check_labels(condition, self.classes)

    def forward(self, condition: Int[Tensor, " b"], rng: Rng | None = None) -> Context:
        try:
            return Context(vector=self.embedding(condition))
        except IndexError:
            _check_labels(condition, self.classes)
            raise

    def sample_condition(self, rng: Rng) -> Int[Tensor, " b"]:
        return rng.integers(self.classes)


class OneHot(Conditioner):
    """One-hot labels, without parameters: `context.vector [B, classes]`.

    Arguments:
        classes: number of classes.
    """

    name = "label"

    def __init__(self, classes: int):
        super().__init__()
        self.classes, self.widths = classes, {"vector": classes}

    def check(self, condition: Shaped[Tensor, "..."]) -> None:
        _check_labels(condition, self.classes)

    def forward(self, condition: Int[Tensor, " b"], rng: Rng | None = None) -> Context:
        try:
            vector = nn.functional.one_hot(condition, self.classes)
        except RuntimeError:
            _check_labels(condition, self.classes)
            raise
        return Context(vector=vector.to(torch.get_default_dtype()))

    def sample_condition(self, rng: Rng) -> Int[Tensor, " b"]:
        return rng.integers(self.classes)


def _check_labels(labels: Tensor, classes: int) -> None:
    """Errors: ConfigError for labels that are not whole numbers from 0 to classes - 1."""
    whole = labels.dtype in (torch.int64, torch.int32) and labels.ndim == 1
    if not whole or (len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes)):
        shown = labels.flatten()[:3].tolist()
        raise ConfigError(f"labels {shown}: give whole numbers from 0 to {classes - 1}, one per sample")
