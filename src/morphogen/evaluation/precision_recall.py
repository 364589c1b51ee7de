r"""Precision, recall, density and coverage from k-nearest-neighbour balls in a feature space.

    B(x)      = ball around x whose radius is the distance to its k-th nearest neighbour in its own set
    precision = fraction of fakes inside some B(real)
    recall    = fraction of reals inside some B(fake)
    density   = mean over fakes of #{B(real) that contain it} / k
    coverage  = fraction of reals whose B(real) contains a fake

Precision and recall: Kynkaanniemi et al. (2019). Density and coverage, which are robust to single outliers:
Naeem et al. (2020). Distances are exact and computed in blocks; balls are closed. For two sets of real
samples coverage is about 1 - 2^-k.
"""

__all__ = ["precision_recall", "radii"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.intervals import Interval, mean, proportion
from morphogen.representations.given import features_of

BLOCK = 256  # rows per block of distances


def precision_recall(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5
) -> dict[str, Interval]:
    """Precision, recall, density and coverage; the intervals treat the balls as fixed.

    Errors: ValueError unless each set has more than k rows.
    """
    real, fake = features_of(real, "real features"), features_of(fake, "features of samples")
    radius_real, radius_fake = radii(real, k), radii(fake, k)
    real_covered, balls_around_fake, real_recalled = [], [], []
    for rows in torch.arange(len(real)).split(BLOCK):
        distance = _distance(real[rows], fake)
        inside_real = distance <= radius_real[rows, None]
        real_covered.append(inside_real.any(1))
        balls_around_fake.append(inside_real.sum(0))
        real_recalled.append((distance <= radius_fake[None]).any(1))
    count = torch.stack(balls_around_fake).sum(0)
    return {
        "precision": proportion(count > 0),
        "recall": proportion(torch.cat(real_recalled)),
        "density": mean(count / k),
        "coverage": proportion(torch.cat(real_covered)),
    }


def radii(x: Float[Tensor, "n d"], k: int) -> Float[Tensor, " n"]:
    """Distance of each row to its k-th nearest other row. Errors: ValueError for k rows or fewer."""
    if len(x) <= k:
        raise ValueError(f"{len(x)} rows have no {k}-th neighbour; pass more samples or a smaller k")
    return torch.cat([_distance(rows, x).topk(k + 1, largest=False).values[:, k] for rows in x.split(BLOCK)])


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distance from differences; the faster matrix-product form is not exactly 0 for equal rows."""
    return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
