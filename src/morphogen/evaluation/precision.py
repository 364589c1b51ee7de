r"""Cost of quantized weights: their likelihood on held-out rows compared with that of the trained weights.

    extra = bits/dim(quantized) - bits/dim(trained),     perplexity(quantized) / perplexity(trained) = 2^extra

The interval is that of the paired differences, so costs far below the variance between rows are resolved.

No paper: this is a difference of two likelihoods.
"""

__all__ = ["PrecisionCost", "precision_cost"]

from typing import TypedDict

from morphogen.contract import Batch
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, mean
from morphogen.inference import Quantized
from morphogen.inference.packed import WeightFormat
from morphogen.model import Model


class PrecisionCost(TypedDict):
    """Bits/dim with trained and with quantized weights (`held`), the difference, and both sizes in bytes."""

    trained: Interval
    held: Interval
    extra: Interval
    bytes_trained: int
    bytes_held: int


@reads_arguments
def precision_cost(model: Model, weights: WeightFormat, rows: Batch, seed: int = 0) -> PrecisionCost:
    """Bits/dim lost, and bytes saved, by quantizing the weight matrices of a model.

    Arguments:
        model: trained model with a likelihood.
        weights: format to quantize its matrices to.
        rows: held-out rows.
        seed: of a stochastic likelihood; the same for both.

    Raises:
        Unsupported: if the model has no likelihood.
    """
    models = (model, Quantized(model, weights))
    trained, quantized = (m.log_prob(rows.medium, rows.condition, seed).bits_per_dim for m in models)
    sizes = [sum(t.numel() * t.element_size() for t in m.state_dict().values()) for m in models]
    return {
        "trained": mean(trained),
        "held": mean(quantized),
        "extra": mean(quantized - trained),
        "bytes_trained": sizes[0],
        "bytes_held": sizes[1],
    }
