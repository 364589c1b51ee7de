r"""Class score: how confident a classifier is about each sample, and how evenly it uses its classes.

    score = exp(mean_i KL(p(k | x_i) || p(k))),    p(k) = mean_i p(k | x_i)

It lies between 1 and the number of classes. This is the formula of the Inception Score, a name that belongs
to Inception-v3 and the classes of ImageNet; here p is a classifier of the data's own classes. It does not
compare samples with data: one perfect picture per class has the highest score, so it measures neither
diversity within a class nor copies (Barratt & Sharma 2018). The interval is symmetric in the root of the mean
divergence, a quadratic form of p(k | x) - p(k) where the classifier is unsure, which skews it.

Reference: Improved techniques for training GANs, Salimans, Goodfellow, Zaremba, Cheung, Radford & Chen, 2016.
"""

__all__ = ["class_score"]

import math

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, bootstrap

TINY = 1e-12  # divergence of equal rows
TOLERANCE = 1e-2  # of the sum of a row, as half precision has it


@reads_arguments
def class_score(probabilities: Float[Tensor, "n k"], resamples: int = 100, seed: int = 0) -> Interval:
    """The score of samples from their class probabilities, with its bootstrap interval.

    Errors: ConfigError for rows that are no probabilities.
    """
    p = probabilities.double()
    if p.ndim != 2 or not (bool((p >= 0).all()) and torch.allclose(p.sum(1), p.new_ones(()), atol=TOLERANCE)):
        shape = list(p.shape)
        raise ConfigError(
            f"probabilities of shape {shape}: give [n, k], each row at least 0 with the sum 1; "
            "of logits, logits.softmax(1)"
        )
    found = bootstrap(_divergence, (p,), resamples, seed)
    root = max(found["value"], TINY) ** 0.5
    half = (found["high"] - found["low"]) / 2 / (2 * root)
    low, high = math.exp(max(0.0, root - half) ** 2), math.exp((root + half) ** 2)
    value, bias = math.exp(found["value"]), math.exp(found["value"]) * math.expm1(found["bias"])
    return {**found, "value": value, "low": min(low, value), "high": max(high, value), "bias": bias}


def _divergence(p: Tensor) -> float:
    """Mean over rows of KL(p(k | x_i) || p(k)); 0 for equal rows, whatever the rounding."""
    marginal = torch.special.entr(p.mean(0)).sum()
    return max(0.0, (marginal - torch.special.entr(p).sum(1).mean()).item())
