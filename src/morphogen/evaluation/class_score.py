r"""Class score: how confident a classifier is about each sample, and how evenly it uses its classes.

    score = exp(mean_i KL(p(k | x_i) || p(k))),    p(k) = mean_i p(k | x_i)

It lies between 1 and the number of classes. This is the formula of the Inception Score, a name that belongs
to Inception-v3 and the classes of ImageNet; here p is a classifier of the data's own classes. It does not
compare samples with data: one perfect picture per class has the highest score, so it measures neither
diversity within a class nor copies (Barratt & Sharma 2018).

Reference: Improved techniques for training GANs, Salimans, Goodfellow, Zaremba, Cheung, Radford & Chen, 2016.
"""

__all__ = ["class_score"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, bootstrap

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
    return bootstrap(_score, (p,), resamples, seed, minimum=1.0)


def _score(p: Tensor) -> float:
    marginal = torch.special.entr(p.mean(0)).sum()
    return (marginal - torch.special.entr(p).sum(1).mean()).exp().item()
