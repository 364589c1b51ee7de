r"""Points, and sets of points of different sizes.

    Points       x = point
    PointSets    x = points / scale,     log p(points) = log p(n) + log p(x | n) - n D log scale

The n points of a set are in arbitrary order; the density is that of an ordered list, n! times smaller than
the density of the unordered set under an exchangeable model. The medium is one tensor for all sizes, in which
missing points are NaN.
"""

__all__ = ["PointSets", "Points"]

import math
from typing import Any, Self

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from morphogen.component import ConfigError
from morphogen.contract import Encoded, Representation
from morphogen.media.points import POINTS
from morphogen.numerics.randomness import Rng
from morphogen.representations.degenerate import check_columns
from morphogen.representations.given import check_shape, tensor_of


class PointSets(Representation):
    """Sets of up to N points in D dimensions; the medium is [B, N, D], padded with NaN.

    The sizes of samples are drawn from the histogram of the training sets; a size that it lacks has
    probability 0. `PointSets.of(training_sets)` counts them.

    Arguments:
        sizes: number of training sets of 1 .. N points.
        dims: D.
        scale: standard deviation of a coordinate, by which x is divided.

    Raises ConfigError without sets, and for a scale that is not above 0.
    """

    medium = POINTS
    discrete = False
    medium_discrete = False
    log_sizes: Float[Tensor, " n"]

    def __init__(self, sizes: tuple[int, ...], dims: int, scale: float = 1.0):
        super().__init__()
        if not any(sizes) or not 0 < scale < math.inf:
            raise ConfigError(
                f"PointSets: {sum(sizes)} sets of scale {scale:g}: give sets of points that differ"
            )
        self.sizes, self.dims, self.scale, self.shape = tuple(sizes), dims, scale, (len(sizes), dims)
        log_sizes = (torch.tensor(self.sizes, dtype=torch.float64) / sum(self.sizes)).log()
        self.register_buffer("log_sizes", log_sizes.float(), persistent=False)

    @classmethod
    def of(cls, medium: Float[Tensor, "b n d"]) -> Self:
        """Take the sizes and the scale of training sets. Errors: ConfigError for a set without points."""
        exists = _exists(medium)
        if empty := (~exists.any(1)).nonzero().flatten().tolist():
            raise ConfigError(f"set {empty[0]} has no points: remove it")
        sizes = exists.sum(1).bincount(minlength=medium.shape[1] + 1)[1:]
        scale = float(medium[exists].std(correction=0))
        return cls(tuple(sizes.tolist()), medium.shape[2], float(f"{scale:.4g}"))

    def check(self, medium: Any) -> Float[Tensor, "b n d"]:
        """Sets padded with NaN. Errors: ConfigError for a set without points or with too many."""
        points = tensor_of(medium, "points")
        points = points if points.is_floating_point() else points.float()
        check_shape(points, (None, self.dims), "points")
        sizes = _exists(points).sum(1)
        if bool(sizes.min() < 1) or bool(sizes.max() > len(self.sizes)):
            row = int(((sizes < 1) | (sizes > len(self.sizes))).nonzero()[0])
            most = f"a set has 1 to {len(self.sizes)} points"
            raise ConfigError(f"set {row} has {int(sizes[row])} points: {most}, padded with NaN")
        return points

    def encode(self, medium: Float[Tensor, "b n d"], rng: Rng, measure: bool = True) -> Encoded:
        mask = _exists(medium)
        size = mask.sum(1)
        dims = (self.dims * size).float()
        log_weight = self.log_sizes[size - 1] - dims * math.log(self.scale)
        return Encoded(torch.where(mask[..., None], medium / self.scale, 0.0), log_weight, dims, mask=mask)

    def decode(self, x: Float[Tensor, "b n d"]) -> Float[Tensor, "b n d"]:
        return x * self.scale

    def draw_mask(self, rng: Rng) -> Bool[Tensor, "b n"]:
        """Draw sizes from the histogram of the training sets; missing points are last."""
        sizes = 1 + rng.categorical(self.log_sizes.expand(len(rng), -1))
        return torch.arange(len(self.sizes), device=sizes.device) < sizes[:, None]

    def present(self, medium: Float[Tensor, "b n d"]) -> list[Any]:
        """A list of points per row, each a list of D numbers."""
        exists = _exists(medium)
        return [points[kept].tolist() for points, kept in zip(medium, exists, strict=True)]


class Points(Representation):
    """Points in D dimensions, one per row: the medium is [B, D], and x is the same.

    Arguments:
        dims: D.
    """

    medium = POINTS
    discrete = False
    medium_discrete = False
    checked_rows = 2**20

    def __init__(self, dims: int):
        super().__init__()
        self.dims, self.shape = dims, (dims,)

    def check(self, medium: Any) -> Float[Tensor, "b d"]:
        """Rows of D numbers. Errors: ConfigError for another shape."""
        points = tensor_of(medium, "points")
        check_shape(points, self.shape, "points")
        return points if points.is_floating_point() else points.float()

    def check_trainable(self, medium: Float[Tensor, "b d"]) -> None:
        """Check the training points. Errors: ConfigError for constant coordinates. Warns: Singular."""
        check_columns(medium)

    def encode(self, medium: Float[Tensor, "b d"], rng: Rng, measure: bool = True) -> Encoded:
        zeros = medium.new_zeros(len(medium))
        return Encoded(medium, zeros, zeros + self.dims)

    def decode(self, x: Float[Tensor, "b d"]) -> Float[Tensor, "b d"]:
        return x

    def present(self, medium: Float[Tensor, "b d"]) -> list[Any]:
        """A set of one point per row."""
        return [[point] for point in medium.tolist()]


def _exists(medium: Tensor) -> Tensor:
    """Mask [B, N] of the points that exist; a NaN in one coordinate of a point remains, as an error."""
    return ~medium.isnan().all(2)
