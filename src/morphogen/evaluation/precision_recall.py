r"""Fidelity and diversity apart, by balls around the k-th neighbour in a feature space.

    B(x) = ball around x that reaches its k-th nearest neighbour in its own set
    precision = share of fakes in some B(real)          recall   = share of reals in some B(fake)
    density   = mean over fakes of #{B(real) around it} / k,    coverage = share of reals whose B(real) holds a fake

Precision and recall: Kynkaanniemi et al. (2019); density and coverage, which one outlier cannot move: Naeem et al. (2020). Exact
distances, in blocks; the edge of a ball belongs to it. With real samples on both sides coverage is about 1 - 2^-k.
"""

__all__ = ["precision_recall", "radii"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.intervals import Interval, mean, share

BLOCK = 256  # rows of one block of distances


def precision_recall(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5) -> dict[str, Interval]:
    """Precision, recall, density and coverage; the intervals hold the balls fixed.

    Errors: ValueError unless each set has more than k rows.
    """
    reach_real, reach_fake = radii(real, k), radii(fake, k)
    held_real, around_fake, held_fake = [], [], []
    for rows in torch.arange(len(real)).split(BLOCK):
        distance = _distance(real[rows], fake)
        inside = distance <= reach_real[rows, None]
        held_real.append(inside.any(1))
        around_fake.append(inside.sum(0))
        held_fake.append((distance <= reach_fake[None]).any(1))
    count = torch.stack(around_fake).sum(0)
    return {
        "precision": share(count > 0), "recall": share(torch.cat(held_fake)),
        "density": mean(count / k), "coverage": share(torch.cat(held_real)),
    }  # fmt: skip


def radii(x: Float[Tensor, "n d"], k: int) -> Float[Tensor, " n"]:
    """Distance of each row to its k-th nearest other row."""
    if len(x) <= k:
        raise ValueError(f"{len(x)} rows have no {k}-th neighbour; give more samples or a smaller k")
    return torch.cat([_distance(rows, x).topk(k + 1, largest=False).values[:, k] for rows in x.split(BLOCK)])


def _distance(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean, by differences: the faster expansion of the square does not give 0 for equal rows."""
    return torch.cdist(a.double(), b.double(), compute_mode="donot_use_mm_for_euclid_dist")
