"""The samples that are most like a copy, each beside the training example that is nearest to it.

A fraction of copies convinces nobody who does not see them. No paper: this shows what `memorisation` counts.
"""

__all__ = ["Pairs", "nearest_pairs", "pairs_sheet"]

from typing import NamedTuple

from jaxtyping import Float, Shaped
from PIL import Image
from torch import Tensor

from morphogen.data.dataset import Examples
from morphogen.evaluation.memorisation import NEIGHBOURS, ratios, spaces
from morphogen.evaluation.sheet import sheet


class Pairs(NamedTuple):
    """Samples and their nearest training examples, most suspicious first.

    Arguments:
        samples, nearest: medium.
        ratios: distance to the nearest example relative to the mean of the next few; 0 is an exact copy, and
            most samples of a model that copies nothing are between 0.8 and 1.
    """

    samples: Shaped[Tensor, "k ..."]
    nearest: Shaped[Tensor, "k ..."]
    ratios: Float[Tensor, " k"]


def nearest_pairs(samples: Shaped[Tensor, "n ..."], train: Examples, k: int = 12) -> Pairs:
    """The k samples with the least ratio, with their nearest training examples; of any medium but text."""
    found = spaces(samples.cpu(), train)[0]
    ratio = ratios(found.distances[:, : NEIGHBOURS + 1], found.blank, found.distances[:, 0].median())
    order = ratio.argsort()[:k]
    return Pairs(samples[order].cpu(), train[found.indices[order, 0]].medium, ratio[order])


def pairs_sheet(pairs: Pairs) -> Image.Image:
    """Each picture above its nearest training example, most suspicious first."""
    low, high = (f"{ratio:.2f}" for ratio in (pairs.ratios[0], pairs.ratios[-1]))
    rows = {f"samples, ratio {low} to {high}": pairs.samples, "nearest training example": pairs.nearest}
    return sheet(rows, columns=len(pairs.samples))
