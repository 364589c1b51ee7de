r"""Nearest training examples of each row, exactly: for copies, and for the distance to the closest record.

Candidates are found by the matrix product |x|^2 + |y|^2 - 2 x.y of centred rows, in blocks; the distances of
the candidates are then computed from differences, so that equal rows are at distance 0.

The distance between aligned pictures does not depend on their brightness, contrast, position by a
pixel and orientation, and little on noise, blur and lossy compression, which change high frequencies and
chroma most:

    a(x)    = mean over 8 x 8 cells of (x - mean(x)) / max(std(x), floor),      its chroma halved
    d(x, y) = min over shifts and mirrors g of |a(g x) - a(y)|,                 shifts at up to 32 x 32 pixels

floor is half of the median std of the training part.

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

BLOCK, PICTURES = 4096, 256  # training examples, and pictures at their full size, at a time
SIDE, CELLS = 32, 8  # largest sides of the pictures that are shifted, and that are compared
LUMA = 0.299, 0.587, 0.114  # weights of red, green and blue (ITU-R BT.601, which JPEG uses)
CHROMA = 0.5  # weight of the differences from luma
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
    cells, deviations = zip(
        *(_centred_cells(train(rows)) for rows in torch.arange(size).split(PICTURES)), strict=True
    )
    deviation = torch.cat(deviations)
    floor = FLOOR * deviation.median().clamp_min(1e-6)
    known = torch.cat(cells) / deviation.clamp_min(floor)[:, None]
    query = torch.cat([_views(rows, floor) for rows in x.split(PICTURES)], 1)
    corners = query.unflatten(0, (2, -1))[:, ::2].flatten(0, 1)  # and centres: half the work
    candidates = _candidates(list(corners), iter(known.split(BLOCK)), min(CANDIDATES, size))
    distances = torch.cat(
        [
            _aligned(views, known[near.flatten()].view(*near.shape, -1))
            for views, near in zip(query.split(64, 1), candidates.split(64), strict=True)
        ]
    )
    return _sorted(distances, candidates, query[4].norm(dim=1), k)


def _candidates(views: list[Tensor], blocks: Iterator[Tensor], k: int) -> Int[Tensor, "n k"]:
    """Indices of the k rows of the blocks that are nearest to any view of each row."""
    best = torch.full((len(views[0]), 0), torch.inf)
    indices = torch.zeros(len(views[0]), 0, dtype=torch.long)
    start = 0
    for block in blocks:
        size, distance = block.square().sum(1), torch.full((len(views[0]), len(block)), torch.inf)
        for view in views:
            squares = view.square().sum(1, keepdim=True) + size - 2 * view @ block.T
            torch.minimum(distance, squares, out=distance)
        nearest, column = distance.topk(min(k, len(block)), largest=False)
        best, indices = torch.cat([best, nearest], 1), torch.cat([indices, column + start], 1)
        best, column = best.topk(min(k, best.shape[1]), largest=False)
        indices, start = indices.gather(1, column), start + len(block)
    return indices


def _sorted(distances: Tensor, indices: Tensor, blank: Tensor, k: int) -> Nearest:
    distances, order = distances.topk(min(k, distances.shape[1]), largest=False)
    return Nearest(distances.double(), indices.gather(1, order), blank.double())


def _centred(x: Float[Tensor, "n c h w"]) -> tuple[Tensor, Float[Tensor, " n"]]:
    """At most 32 x 32 pixels, chroma halved, brightness removed; and the contrast."""
    x = _averaged(x.float(), SIDE)
    if x.shape[1] == len(LUMA):
        luma = (x * torch.tensor(LUMA)[:, None, None]).sum(1, keepdim=True)
        x = luma + CHROMA * (x - luma)
    x = x - x.mean((1, 2, 3), keepdim=True)
    return x, x.square().mean((1, 2, 3)).sqrt()


def _centred_cells(x: Float[Tensor, "n c h w"]) -> tuple[Float[Tensor, "n d"], Float[Tensor, " n"]]:
    x, deviation = _centred(x)
    return _averaged(x, CELLS).flatten(1), deviation


def _views(x: Float[Tensor, "n c h w"], floor: Tensor) -> Float[Tensor, "v n d"]:
    """The standardised cells of each picture shifted by up to a pixel, then of its mirror image."""
    x, deviation = _centred(x)
    height, width = x.shape[-2:]
    x = x / deviation.clamp_min(floor)[:, None, None, None]
    return torch.stack(
        [
            _averaged(padded[..., i : i + height, j : j + width], CELLS).flatten(1)
            for padded in (F.pad(view, (1, 1, 1, 1), mode="replicate") for view in (x, x.flip(3)))
            for i, j in product(range(3), repeat=2)
        ]
    )


def _averaged(x: Float[Tensor, "n c h w"], side: int) -> Float[Tensor, "n c a b"]:
    """At most side x side pixels, by averaging."""
    size = min(x.shape[-2], side), min(x.shape[-1], side)
    return x if size == x.shape[-2:] else F.interpolate(x, size=size, mode="area")


def _aligned(views: Float[Tensor, "v b d"], known: Float[Tensor, "b k d"]) -> Float[Tensor, "b k"]:
    """Distance of each picture to its own k others: the least over its views."""
    moved = views.transpose(0, 1)
    squares = moved.square().sum(2)[:, :, None] + known.square().sum(2)[:, None]
    return (squares - 2 * moved @ known.transpose(1, 2)).amin(1).clamp_min(0).sqrt()
