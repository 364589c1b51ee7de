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
        classes: number of classes.
        width: of the embedding.
        weights: in whose proportion labels are drawn for samples requested without one; (): equally often.
    """

    name = "label"

    def __init__(self, classes: int, width: int, weights: tuple[float, ...] = ()):
        super().__init__()
        self.classes, self.width, self.widths = classes, width, {"vector": width}
        self.weights = tuple(weights)
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
        return _draw_labels(self.classes, self.weights, rng)


class OneHot(Conditioner):
    """One-hot labels, without parameters: `context.vector [B, classes]`.

    Arguments:
        classes: number of classes.
        weights: in whose proportion labels are drawn for samples requested without one; (): equally often.
    """

    name = "label"

    def __init__(self, classes: int, weights: tuple[float, ...] = ()):
        super().__init__()
        self.classes, self.widths, self.weights = classes, {"vector": classes}, tuple(weights)

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
        return _draw_labels(self.classes, self.weights, rng)


def _draw_labels(classes: int, weights: tuple[float, ...], rng: Rng) -> Int[Tensor, " b"]:
    """Random labels, in proportion to the weights."""
    if not weights:
        return rng.integers(classes)
    logits = torch.tensor(weights, dtype=torch.float64, device=rng.rows.device).log()
    return rng.categorical(logits.expand(len(rng), -1))


def _check_labels(labels: Tensor, classes: int) -> None:
    """Errors: ConfigError for labels that are not whole numbers from 0 to classes - 1."""
    whole = labels.dtype in (torch.int64, torch.int32) and labels.ndim == 1
    if not whole or (len(labels) and not (int(labels.min()) >= 0 and int(labels.max()) < classes)):
        shown = labels.flatten()[:3].tolist()
        one_hot = "; of one-hot rows, labels.argmax(1)" if labels.ndim == 2 else ""
        raise ConfigError(
            f"labels {shown}: give whole numbers from 0 to {classes - 1}, one per sample{one_hot}"
        )
