r"""k-means clustering: centres that minimize the squared distance of each row to the nearest of them.

    minimize sum_i min_k || x_i - c_k ||^2      alternately over the assignments and over the centres

An algorithm for quantization in Lloyd's order (1982, "Least squares quantization in PCM"); the initial
centres are those of k-means++ (Arthur & Vassilvitskii 2007).
"""

__all__ = ["kmeans", "nearest", "spread_centres"]

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

TINY = 1e-12  # weight of a row that is a centre already, against division by zero


def spread_centres(
    x: Float[Tensor, "n d"], k: int, uniform: Callable[[int], Float[Tensor, " n"]]
) -> Float[Tensor, "k d"]:
    """Rows of x as initial centres, by k-means++.

    Each is drawn with probability proportional to the squared distance to the closest previous centre. The
    draw is the minimum of exponential variables keyed by row, so it doesn't depend on the order of the rows.

    Arguments:
        x: the rows.
        k: number of centres.
        uniform: i -> U(0, 1) of each row, for centre i.
    """
    weight, centres = torch.ones_like(x[:, 0]), []
    for i in range(k):
        centres.append(x[(-uniform(i).double().log() / weight.clamp_min(TINY)).argmin()])
        distance = (x - centres[-1]).square().sum(1)
        weight = torch.minimum(weight, distance) if i else distance
    return torch.stack(centres)


def kmeans(
    x: Float[Tensor, "n d"], centres: Float[Tensor, "k d"], iterations: int = 10
) -> Float[Tensor, "k d"]:
    """The centres after some iterations of Lloyd's algorithm; one without rows remains where it is."""
    for _ in range(iterations):
        assigned = F.one_hot(nearest(x, centres), len(centres)).to(x.dtype)
        counts = assigned.sum(0)[:, None]
        centres = torch.where(counts > 0, assigned.T @ x / counts.clamp_min(1), centres)
    return centres


def nearest(x: Float[Tensor, "n d"], centres: Float[Tensor, "k d"]) -> Int[Tensor, " n"]:
    """The index of the nearest centre of each row."""
    return torch.cdist(x, centres).argmin(1)
