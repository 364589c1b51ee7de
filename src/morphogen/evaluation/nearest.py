r"""Nearest training examples of each row, exactly: for copies, and for the distance to the closest record.

Candidates are found by the matrix product |x|^2 + |y|^2 - 2 x.y of centred rows, in blocks; the distances of
the candidates are then computed from differences, so that equal rows are at distance 0.

The distance between aligned pictures does not depend on their brightness, contrast, position by a
pixel and orientation:

    a(x)    = (x - mean(x)) / max(std(x), floor)        floor: half of the median std of the training part
    d(x, y) = min over shifts and mirrors g of |a(g x) - a(y)|,    at up to 32 x 32 pixels

No paper: these are exact nearest neighbours.
"""

__all__ = ["Nearest", "nearest_pictures", "nearest_rows"]

from collections.abc import Callable, Iterator
from itertools import product
from typing import NamedTuple

import torch
from jaxtyping import Float, Int, Shaped
from torch import Tensor
from torch.nn import functional as F

BLOCK = 4096  # training examples at a time
SIDE, COARSE = 32, 16  # largest sides of the pictures that are compared, and in the search for candidates
CANDIDATES = 24  # that are aligned, per picture
FLOOR = 0.5  # of the median contrast


class Nearest(NamedTuple):
    """The nearest training examples of each row.

    Arguments:
        distances: to each of them, ascending.
        indices: of them.
        blank: distance of the row to a constant picture; infinite for other media.
    """

    distances: Float[Tensor, "n k"]
    indices: Int[Tensor, "n k"]
    blank: Float[Tensor, " n"]


def nearest_rows(
    x: Shaped[Tensor, "n d"], train: Callable[[Tensor], Tensor], size: int, k: int = 2
) -> Nearest:
    """The k nearest of `size` training rows, by Euclidean distance.

    Arguments:
        x: rows, in the units in which distances are measured.
        train: the training rows [b, d] at some indices [b], in the same units.
        size: number of training rows.
        k: number of neighbours; fewer if there are not as many training rows.
    """
    x = x.double()
    centre = train(torch.arange(min(size, BLOCK))).double().mean(0)
    candidates = _candidates(
        [(x - centre).float()],
        ((train(rows).double() - centre).float() for rows in torch.arange(size).split(BLOCK)),
        min(2 * k, size),
    )
    distances = torch.cat(
        [
            (train(near.flatten()).double().view(*near.shape, -1) - rows[:, None]).norm(dim=2)
            for rows, near in zip(x.split(64), candidates.split(64), strict=True)
        ]
    )
    return _sorted(distances, candidates, torch.full((len(x),), torch.inf), k)


def nearest_pictures(
    x: Float[Tensor, "n c h w"], train: Callable[[Tensor], Tensor], size: int, k: int = 2
) -> Nearest:
    """The k nearest of `size` training pictures, by the distance between aligned pictures."""
    blocks = [_resized(train(rows)) for rows in torch.arange(size).split(BLOCK)]
    deviations = torch.cat([block.flatten(1).std(1, correction=0) for block in blocks])
    floor = FLOOR * deviations.median().clamp_min(1e-6)
    known = torch.cat([_standardized(block, floor) for block in blocks])
    query = _standardized(_resized(x), floor)
    both = [_coarse(query), _coarse(query.flip(3))]
    candidates = _candidates(both, (_coarse(rows) for rows in known.split(BLOCK)), min(CANDIDATES, size))
    distances = torch.cat(
        [
            _aligned(rows, known[near.flatten()].view(*near.shape, -1))
            for rows, near in zip(query.split(64), candidates.split(64), strict=True)
        ]
    )
    return _sorted(distances, candidates, query.flatten(1).norm(dim=1), k)


def _candidates(views: list[Tensor], blocks: Iterator[Tensor], k: int) -> Int[Tensor, "n k"]:
    """Indices of the k rows of the blocks that are nearest to any view of each row."""
    best = torch.full((len(views[0]), 0), torch.inf)
    indices = torch.zeros(len(views[0]), 0, dtype=torch.long)
    start = 0
    for block in blocks:
        size = block.square().sum(1)
        distance = torch.stack([size - 2 * view @ block.T for view in views]).amin(0)  # less |x|^2
        nearest, column = distance.topk(min(k, len(block)), largest=False)
        best, indices = torch.cat([best, nearest], 1), torch.cat([indices, column + start], 1)
        best, column = best.topk(min(k, best.shape[1]), largest=False)
        indices, start = indices.gather(1, column), start + len(block)
    return indices


def _sorted(distances: Tensor, indices: Tensor, blank: Tensor, k: int) -> Nearest:
    distances, order = distances.topk(min(k, distances.shape[1]), largest=False)
    return Nearest(distances.double(), indices.gather(1, order), blank.double())


def _resized(x: Tensor) -> Tensor:
    """At most 32 x 32 pixels, by averaging."""
    height, width = x.shape[-2:]
    size = min(height, SIDE), min(width, SIDE)
    return x.float() if size == (height, width) else F.interpolate(x.float(), size=size, mode="area")


def _standardized(x: Tensor, floor: Tensor) -> Tensor:
    """Brightness removed, and contrast as far as it is above the floor."""
    centred = x - x.mean((1, 2, 3), keepdim=True)
    return centred / centred.square().mean((1, 2, 3), keepdim=True).sqrt().clamp_min(floor)


def _coarse(x: Tensor) -> Tensor:
    size = min(x.shape[-2], COARSE), min(x.shape[-1], COARSE)
    return F.interpolate(x, size=size, mode="area").flatten(1)


def _aligned(x: Float[Tensor, "b c h w"], known: Float[Tensor, "b k d"]) -> Float[Tensor, "b k"]:
    """Distance of each picture to its own k others: the least over shifts by up to a pixel and mirrors."""
    height, width = x.shape[-2:]
    padded = F.pad(torch.cat([x, x.flip(3)]), (1, 1, 1, 1), mode="replicate")
    views = [
        padded[..., i : i + height, j : j + width].flatten(1).view(2, len(x), -1)
        for i, j in product(range(3), repeat=2)
    ]
    moved = torch.cat(views).transpose(0, 1)
    squares = moved.square().sum(2)[:, :, None] + known.square().sum(2)[:, None]
    return (squares - 2 * moved @ known.transpose(1, 2)).amin(1).clamp_min(0).sqrt()
