"""Does a model copy what it was trained on?

A sample is called a copy where it lies nearer to a training example than all but one in a hundred fresh examples do:

    d(x) = min_i |x - train_i|,    copied = share of samples with d(x) < q,    q = 1 % quantile of d over held-out examples

A model that draws from the true law has copied = 0.01; the held-out examples tell how near is near by chance (after Meehan
et al. 2020). Pictures: Euclidean distance of pixels. Text: the share of the window, in
its symbols, outside its longest piece found in training.
"""

__all__ = ["memorisation", "nearest"]

from typing import TypedDict

import torch
from jaxtyping import Float, Shaped
from torch import Tensor

from morphogen.data.dataset import Examples
from morphogen.evaluation.intervals import share
from morphogen.evaluation.substrings import longest_pieces

QUANTILE = 0.01


class Memorisation(TypedDict):
    """The share of copies with its 95 % interval; what chance gives; the distance below which a sample is a copy."""

    value: float
    low: float
    high: float
    n: int
    chance: float
    threshold: float


def memorisation(samples: Shaped[Tensor, " n *x"], train: Examples, heldout: Shaped[Tensor, " m *x"]) -> Memorisation:
    """The share of samples that are copies.

    Arguments:
        samples: medium, as the model drew it.
        train: what it was trained on, all of it.
        heldout: medium of the same law that it never saw; some hundreds of rows make the quantile steady.
    """
    threshold = nearest(heldout, train).quantile(QUANTILE)
    near = share(nearest(samples, train) < threshold)
    return {**near, "chance": QUANTILE, "threshold": threshold.item()}  # type: ignore[typeddict-unknown-key]


def nearest(medium: Shaped[Tensor, "n ..."], train: Examples) -> Float[Tensor, " n"]:
    """Distance of each row to its nearest training example, fp64."""
    medium = medium.cpu()
    seen = getattr(train, "seen", None)
    return _pixels(medium, train) if seen is None else _unmatched(medium, seen)


def _pixels(medium: Tensor, train: Examples) -> Tensor:
    """Exact, 256 training examples at a time, so that memory does not grow with the data."""
    best = torch.full((len(medium),), torch.inf, dtype=torch.float64)
    for rows in torch.arange(len(train)).split(256):
        distance = torch.cdist(medium.flatten(1), train[rows].medium.flatten(1), compute_mode="donot_use_mm_for_euclid_dist")
        best = torch.minimum(best, distance.amin(1).double())
    return best


def _unmatched(medium: Tensor, seen: Tensor) -> Tensor:
    """1 - longest common piece / length; a row that ends early has the length that it has."""
    written = medium >= 0
    nowhere = int(seen.max()) + 1  # behind the end of a row stands what no text has
    return 1 - longest_pieces(torch.where(written, medium, nowhere), seen).double() / written.sum(1).clamp_min(1)
