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

from morphogen.evaluation.intervals import Interval, bootstrap


def class_score(probabilities: Float[Tensor, "n k"], resamples: int = 100, seed: int = 0) -> Interval:
    """The score of samples from their class probabilities, with its bootstrap interval."""
    return bootstrap(_score, (probabilities.double(),), resamples, seed, minimum=1.0)


def _score(p: Tensor) -> float:
    marginal = torch.special.entr(p.mean(0)).sum()
    return (marginal - torch.special.entr(p).sum(1).mean()).exp().item()
