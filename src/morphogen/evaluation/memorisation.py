"""Memorisation: the fraction of samples that are copies of training examples.

A sample counts as a copy if it is closer to a training example than 99 % of held-out examples are:

    d(x)   = min_i |x - train_i|
    q      = 1 % quantile of d on held-out data
    copied = fraction of samples with d(x) < q

A model that samples the data distribution has copied = 0.01: the held-out examples calibrate how close is
close by chance (after Meehan et al. 2020). For pictures d is the Euclidean distance between pixels, for rows
of a table that of `Gower`; for text it is the fraction of the window, in tokens, outside its longest common
substring with the training text.
"""

__all__ = ["memorisation", "nearest_distance"]

from typing import TypedDict

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.data.dataset import Examples
from morphogen.evaluation.intervals import proportion
from morphogen.evaluation.substrings import longest_common_substrings

QUANTILE = 0.01


class Memorisation(TypedDict):
    """Fraction of copies with its 95 % interval, the fraction expected by chance, and the threshold of d."""

    value: float
    low: float
    high: float
    n: int
    chance: float
    threshold: float


def memorisation(
    samples: Shaped[Tensor, " n *x"], train: Examples, heldout: Shaped[Tensor, " m *x"]
) -> Memorisation:
    """The fraction of samples that are copies of training examples.

    Arguments:
        samples: generated medium.
        train: the whole training set.
        heldout: medium from the same distribution that was not trained on; a few hundred rows stabilize the
            quantile.
    """
    threshold = nearest_distance(heldout, train).quantile(QUANTILE)
    copied = proportion(nearest_distance(samples, train) < threshold)
    chance: dict[str, float] = {"chance": QUANTILE, "threshold": threshold.item()}
    return copied | chance  # type: ignore[return-value]


def nearest_distance(medium: Shaped[Tensor, "n ..."], train: Examples) -> Float[Tensor, " n"]:
    """Distance of each row to its nearest training example, fp64."""
    medium = medium.cpu()
    text = getattr(train, "covered_tokens", None)
    return _euclidean_distance(medium, train) if text is None else _text_distance(medium, text)


def _euclidean_distance(medium: Tensor, train: Examples) -> Tensor:
    """Exact Euclidean distance of the coordinates of the data, in blocks of 256 training examples."""
    nearest = torch.full((len(medium),), torch.inf, dtype=torch.float64)
    vectors = train.coordinates(medium)
    for rows in torch.arange(len(train)).split(256):
        distance = torch.cdist(
            vectors,
            train.coordinates(train[rows].medium),
            compute_mode="donot_use_mm_for_euclid_dist",
        )
        nearest = torch.minimum(nearest, distance.amin(1).double())
    return nearest


def _text_distance(medium: Tensor, text: Tensor) -> Tensor:
    """1 - longest common substring / length, where a row that ends early has its own length."""
    present = medium >= 0
    padding = int(text.max()) + 1  # a token that does not occur in the text
    longest = longest_common_substrings(torch.where(present, medium, padding), text).double()
    return 1 - longest / present.sum(1).clamp_min(1)
