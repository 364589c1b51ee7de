r"""What fewer bytes cost: the same held-out rows, measured with the weights as they were trained and as they are held.

    extra = bits/dim(held) - bits/dim(trained),     perplexity(held) / perplexity(trained) = 2^extra

The rows are the same, so the interval is of their differences: a cost far smaller than the spread of the rows is still seen. No paper: a
difference of two likelihoods.
"""

__all__ = ["PrecisionCost", "precision_cost"]

from typing import TypedDict

from morphogen.contract import Batch
from morphogen.evaluation.intervals import Interval, mean
from morphogen.inference import Quantized
from morphogen.inference.weights import Weights
from morphogen.model import Model


class PrecisionCost(TypedDict):
    """Bits per dim with trained and with held weights, what the second has more, and the bytes of both."""

    trained: Interval
    held: Interval
    extra: Interval
    bytes_trained: int
    bytes_held: int


def precision_cost(model: Model, weights: Weights, rows: Batch, seed: int = 0) -> PrecisionCost:
    """What it costs to hold a model's matrices so.

    Arguments:
        model: trained, with a likelihood.
        weights: how its matrices are held.
        rows: held-out ones.
        seed: of the likelihood, where it is random: the same for both.

    Raises:
        Unsupported: where the model has no likelihood.
    """
    light = Quantized(model, weights)
    trained, held = (one.log_prob(rows.medium, rows.condition, seed).bits_per_dim for one in (model, light))
    sizes = [sum(t.numel() * t.element_size() for t in one.state_dict().values()) for one in (model, light)]
    return {
        "trained": mean(trained), "held": mean(held), "extra": mean(held - trained), "bytes_trained": sizes[0], "bytes_held": sizes[1],
    }  # fmt: skip
