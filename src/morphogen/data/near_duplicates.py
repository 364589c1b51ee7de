r"""Near-duplicate pictures: the same picture resized, re-encoded, cropped by a pixel or slightly brighter.

Each picture becomes a perceptual hash, its grey values averaged over 8 x 8 cells, centred and scaled to
length one, so that brightness and contrast do not matter (after Zauner 2010). Candidates are pairs of close
hashes, found by a k-d tree over the leading principal components, which only shorten distances. A pair is
confirmed by two further criteria, because a wrong group is worse than a missed one:

    d(x, y)  <= 0.2                     finer: 16 x 16 cells, colour included, best of the shifts by one pixel
    d(x, y)  <= 0.33 min_z d(x, z)     over the pictures z outside the group: similar classes are not groups

The groups are the connected components of the confirmed pairs. A component of more than a tenth of the data
is a continuum, such as one sprite in every position, and not a group.
"""

__all__ = ["connected", "near_duplicates", "not_dense"]

from functools import lru_cache

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from numpy.typing import ArrayLike
from torch import Tensor

COARSE, FINE = 8, 16  # cells a side of the hash, and of the confirmation
COMPONENTS = 12  # principal components of the hash in the tree
NEIGHBOURS = 8  # candidates per picture; more are found through one another
RADIUS = 0.25  # largest distance of two candidates in the tree
CLOSE = 0.2  # largest distance of near-duplicates; that of unrelated pictures is about 1.4
DENSE = 0.6  # candidates, not aligned, are closer than this fraction of the distance to the next others
IDENTICAL = 0.03  # or closer than this in any case
GAP = 0.33  # of the distance to the nearest picture outside the group
FLAT = 0.02  # contrast, as a fraction of the range of values, below which a picture has no hash
LARGEST, FEW = 0.1, 20  # a group has at most this fraction of the pictures, or this many
BLOCK = 1 << 22  # subpixels at a time


def near_duplicates(values: UInt8[Tensor, "n c h w"], levels: int = 256) -> Int[np.ndarray, " n"]:
    """The number of the group of each picture; most groups have one member.

    Arguments:
        values: the pictures, in 0 .. levels-1.
        levels: number of values of a subpixel.
    """
    first: dict[bytes, int] = {}
    same = np.array([first.setdefault(picture.tobytes(), i) for i, picture in enumerate(values.numpy())])
    rows, same = np.unique(same, return_inverse=True)
    distinct = values[torch.from_numpy(rows)]
    block = max(1, BLOCK // values[0].numel())
    hashes = torch.cat([_hashes(rows, levels) for rows in distinct.split(block)])
    left, right = _candidates(hashes)
    distance = _distances(distinct, left, right, levels)
    close = distance <= CLOSE
    left, right, distance = left[close], right[close], distance[close]
    component = connected(len(distinct), left, right)
    outside = _outside(hashes, torch.from_numpy(component), torch.from_numpy(not_dense(component)))
    unaligned = (hashes[left] - hashes[right]).norm(dim=1)
    confirmed = (distance <= GAP * outside[left]) & (unaligned <= DENSE * outside[left])
    return connected(len(distinct), left[confirmed], right[confirmed])[same]


def connected(n: int, left: ArrayLike, right: ArrayLike) -> Int[np.ndarray, " n"]:
    """The number of the connected component of each of n nodes, with edges from `left` to `right`."""
    ends = np.asarray(left), np.asarray(right)
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    return connected_components(coo_array((np.ones(len(ends[0])), ends), (n, n)), directed=False)[1]


def not_dense(component: Int[np.ndarray, " n"]) -> Bool[np.ndarray, " n"]:
    """Whether the component of each example has several members, and few enough to be a group."""
    size = np.bincount(component)[component]
    return (size > 1) & (size <= max(FEW, LARGEST * len(component)))


def _hashes(values: Tensor, levels: int) -> Float[Tensor, "n d"]:
    """Grey values of 8 x 8 cells, centred, of length one; zero for a flat picture."""
    return _normalized(
        _averaged(values, COARSE, (0,), levels)[:, 0].unflatten(1, (values.shape[1], -1)).mean(1)
    )


def _distances(values: Tensor, left: Tensor, right: Tensor, levels: int) -> Float[Tensor, " p"]:
    """Distance of each pair at the finer scale, in colour: the least over shifts by up to a pixel.

    The cells of each picture are averaged once, and not once for each of its pairs.
    """
    distance = torch.full((len(left),), torch.inf)
    if not len(left):
        return distance
    size = max(1, BLOCK // values[0].numel())
    used, column = right.unique(return_inverse=True)
    fixed = torch.cat(
        [_normalized(_averaged(values[rows], FINE, (0,), levels)[:, 0]) for rows in used.split(size)]
    )
    for rows in left.unique().split(size // 2 + 1):
        pairs = ((left >= rows[0]) & (left <= rows[-1])).nonzero()[:, 0]
        shifted = _normalized(_averaged(values[rows], FINE, (-1, 0, 1), levels))
        for some in pairs.split(size):
            one, other = shifted[torch.searchsorted(rows, left[some])], fixed[column[some]]
            distance[some] = (one - other[:, None]).norm(dim=2).amin(1)
    return distance


def _averaged(
    values: UInt8[Tensor, "n c h w"], side: int, shifts: tuple[int, ...], levels: int
) -> Float[Tensor, "n s d"]:
    """Means in [0, 1] of side x side cells (of single pixels if there are fewer), for all pairs of shifts."""
    n, (height, width) = len(shifts), values.shape[-2:]
    rows = torch.cat([_cells(height, min(side, height), shift) for shift in shifts])
    columns = torch.cat([_cells(width, min(side, width), shift) for shift in shifts])
    means = rows @ values.float() @ columns.T / (levels - 1)
    apart = means.unflatten(3, (n, -1)).unflatten(2, (n, -1))  # [picture, channel, down, row, right, column]
    return apart.permute(0, 2, 4, 1, 3, 5).flatten(3).flatten(1, 2)


@lru_cache(64)
def _cells(size: int, cells: int, shift: int) -> Float[Tensor, "k n"]:
    """Weights of each pixel in each cell; the cells are shifted, and the first and last pixel repeated."""
    edges = np.linspace(0, size, cells + 1)[:, None]
    pixels = np.arange(size)
    overlap = np.minimum(edges[1:], pixels + 1) - np.maximum(edges[:-1], pixels)
    weights = np.zeros((cells, size), dtype=np.float32)
    np.add.at(weights.T, (pixels + shift).clip(0, size - 1), overlap.clip(0, None).T * (cells / size))
    return torch.from_numpy(weights)


def _normalized(x: Float[Tensor, "... d"]) -> Float[Tensor, "... d"]:
    """Centred, of length one; zero for a row that is nearly constant."""
    x = x - x.mean(-1, keepdim=True)
    length = x.norm(dim=-1, keepdim=True)
    return torch.where(length > FLAT * x.shape[-1] ** 0.5, x / length, 0.0)


def _candidates(hashes: Float[Tensor, "n d"]) -> tuple[Tensor, Tensor]:
    """Pairs (i, j), i < j, of pictures that are not flat and whose hashes are close."""
    rows = hashes.any(1).nonzero()[:, 0]
    if len(rows) < 2:
        return rows[:0], rows[:0]
    from scipy.spatial import KDTree

    _, vectors = torch.linalg.eigh(hashes.T @ hashes)
    x = (hashes[rows] @ vectors[:, -COMPONENTS:]).numpy()
    distance, found = KDTree(x).query(x, k=NEIGHBOURS + 2, distance_upper_bound=RADIUS)
    # most pictures of a dense class are as close to the last neighbour as to the first
    isolated = distance <= np.maximum(DENSE * distance[:, -1:], IDENTICAL)
    one, column = np.nonzero(isolated & (found < len(rows)))
    pairs = np.sort(np.stack([one, found[one, column]]), axis=0)
    left, right = np.unique(pairs[:, pairs[0] < pairs[1]], axis=1)
    return rows[torch.from_numpy(left)], rows[torch.from_numpy(right)]


def _outside(hashes: Tensor, component: Tensor, of: Tensor) -> Float[Tensor, " n"]:
    """Distance of the hashes `of` some pictures to the nearest one outside their component; -1 for others."""
    nearest = torch.full((len(hashes),), -1.0)
    for rows in of.nonzero()[:, 0].split(1024):
        similarity = hashes[rows] @ hashes.T
        similarity.masked_fill_(component[rows, None] == component, -1.0)
        nearest[rows] = (2 - 2 * similarity.amax(1)).clamp_min(0).sqrt()
    return nearest
