r"""Class score: how confident a classifier is about each sample, and how evenly it uses its classes.

    score = exp(mean_i KL(p(k | x_i) || p(k))),    p(k) = mean_i p(k | x_i)

It lies between 1 and the number of classes. This is the formula of the Inception Score, a name that belongs
to Inception-v3 and the classes of ImageNet; here p is a classifier of the data's own classes. It does not
compare samples with data: one perfect picture per class has the highest score, so it measures neither
diversity within a class nor copies (Barratt & Sharma 2018).

The interval is symmetric in the logarithm of the mean divergence, whose spread is proportional to it where
the classifier is unsure. The variance is the jackknife's (Tukey 1958; in a bootstrap rows occur twice and
pull p(k) to themselves), or if larger that of the square of p(k), all that varies for sure and even classes:

    sum_kl C_kl^2 / 2 n^2,    C the covariance of p(k | x) / p(k)^{1/2}

Reference: Improved techniques for training GANs, Salimans, Goodfellow, Zaremba, Cheung, Radford & Chen, 2016.
"""

__all__ = ["class_score"]

import math

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, enclosing, student

TINY = 1e-12  # divergence of equal rows
LARGE = 100.0  # logarithm of a factor
TOLERANCE = 1e-2  # of the sum of a row, as half precision has it


@reads_arguments
def class_score(probabilities: Float[Tensor, "n k"]) -> Interval:
    """The score of samples from their class probabilities, with its jackknife interval.

    The interval of a single sample is all of 1 to k. Errors: ConfigError for rows that are no probabilities.
    """
    p = probabilities.double()
    if p.ndim != 2 or not (bool((p >= 0).all()) and torch.allclose(p.sum(1), p.new_ones(()), atol=TOLERANCE)):
        shape = list(p.shape)
        raise ConfigError(
            f"probabilities of shape {shape}: give [n, k], each row at least 0 with the sum 1; "
            "of logits, logits.softmax(1)"
        )
    n, k = p.shape
    if n == 1:
        return {"value": 1.0, "low": 1.0, "high": float(k), "n": 1}
    divergence, left_out = _divergence(p)
    error = math.sqrt(max((n - 1) * left_out.var(correction=0).item(), _second_order(p)))
    factor = math.exp(min(student(n - 1) * error / max(divergence, TINY), LARGE))
    value, bias = math.exp(divergence), (n - 1) * (left_out.mean().item() - divergence)
    ends = math.exp(divergence / factor), math.exp(min(divergence * factor, math.log(k)))
    low, high = enclosing(value, *ends)
    return {"value": value, "low": low, "high": high, "n": n, "bias": value * math.expm1(bias)}


def _divergence(p: Tensor) -> tuple[float, Tensor]:
    """Mean over rows of KL(p(k | x_i) || p(k)), and the same without each row; 0 for equal rows."""
    n, entropy, total = len(p), torch.special.entr(p).sum(1), p.sum(0)
    mean = torch.special.entr(total / n).sum() - entropy.mean()
    left_out = torch.special.entr((total - p).clamp_min(0) / (n - 1)).sum(1)
    left_out -= (entropy.sum() - entropy) / (n - 1)
    return max(0.0, mean.item()), left_out.clamp_min(0)


def _second_order(p: Tensor) -> float:
    """The variance of the divergence that p(k), the mean of the rows, explains by its square."""
    mean = p.mean(0)
    scaled = (p - mean) / mean.clamp_min(TINY).sqrt()
    covariance = scaled.T @ scaled / (len(p) - 1)
    return covariance.square().sum().item() / (2 * len(p) ** 2)
