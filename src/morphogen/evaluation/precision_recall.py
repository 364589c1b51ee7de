r"""Precision, recall, density and coverage from k-nearest-neighbour balls in a feature space.

    B(x)      = closed ball around x whose radius is the distance to its k-th nearest neighbour in its own set
    precision = fraction of fakes inside some B(real)
    recall    = fraction of reals inside some B(fake)
    density   = mean over fakes of the sum over the B(real) that contain it of 1 / k
    coverage  = fraction of reals whose B(real) contains a fake

Precision and recall: Kynkaanniemi et al. (2019). Density and coverage, which are robust to single outliers:
Naeem et al. (2020). For two sets of real samples density is about 1 and coverage about 1 - 2^-k.

Ties: a ball on whose boundary several neighbours lie contains more than k of them, so density divides by
their number in place of k. Rows that occur more than k times have balls of radius 0, which contain only rows
equal to them; density is still 1 for two sets of real samples.

All four depend on n, since balls shrink as sets grow: compare them at equal n. Memory grows as n.
"""

__all__ = ["prdc", "precision_recall", "radii"]

import math
from collections.abc import Iterator

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, between_groups, counts, modified_wilson, student
from morphogen.representations.given import feature_sets

ELEMENTS = 2**19  # distances per block
GROUP = 250  # rows of a group of the interval, where there are enough
DEGREES = 48  # of freedom of the variance between groups
NAMES = "precision", "recall", "density", "coverage"


@reads_arguments
def precision_recall(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5, seed: int = 0
) -> dict[str, Interval]:
    """Precision, recall, density and coverage, each with the interval of its expected value at n and m rows.

    Both sets vary, and the balls with them, so that the rows of a mean depend on each other. Their design
    effect, by how much that multiplies the variance of independent rows, is measured between disjoint groups
    of rows (Kish 1965) and assumed for the whole sets, where it scales the score intervals of proportions and
    of counts. It is at least 1: given the other set, the rows are independent.

    Errors: ValueError unless each set has more than 2k + 1 rows.
    """
    real, fake = feature_sets(real, fake)
    figures, n = _figures(real, fake, k), min(len(real), len(fake))
    if n < 2 * (k + 1):
        raise ValueError(f"{n} rows are too few for intervals at k = {k}: pass at least {2 * (k + 1)}")
    count = max(2, n // GROUP)
    partitions = math.ceil(DEGREES / (count - 1))
    groups = between_groups(lambda a, b: _figures(a, b, k), (real, fake), count, partitions, seed)
    rows = {"precision": len(fake), "recall": len(real), "density": len(fake), "coverage": len(real)}
    result = {}
    for i, name in enumerate(NAMES):
        value, independent = figures[i], groups.mean[i + len(NAMES)].item() / (rows[name] / count)
        effect = max(1.0, groups.variance[i].item() / independent) if independent > 0 else 1.0
        if name == "density":
            variance = effect * figures[i + len(NAMES)] / rows[name]
            result[name] = counts(value, variance, rows[name], groups.degrees)
        else:
            effective = rows[name] / effect
            result[name] = modified_wilson(value, rows[name], effective, student(groups.degrees))
    return result


@reads_arguments
def prdc(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], k: int = 5) -> dict[str, float]:
    """Precision, recall, density and coverage, without intervals.

    Errors: ValueError unless each set has more than k rows.
    """
    real, fake = feature_sets(real, fake)
    return dict(zip(NAMES, _figures(real, fake, k), strict=False))


def radii(x: Float[Tensor, "n d"], k: int) -> Float[Tensor, " n"]:
    """Distance of each row to its k-th nearest other row. Errors: ValueError for k rows or fewer."""
    return _balls(_centred(x)[0], k)[0].sqrt()


def _figures(real: Tensor, fake: Tensor, k: int) -> list[float]:
    """The four means over rows, then the four variances of the rows."""
    real, fake = _centred(real, fake)
    radius_real, weight = _balls(real, k)
    radius_fake, _ = _balls(fake, k)
    covered, recalled = (torch.zeros_like(radius_real, dtype=torch.bool) for _ in range(2))
    precise, density = torch.zeros_like(radius_fake, dtype=torch.bool), torch.zeros_like(radius_fake)
    for rows, squared, error in _squared_distances(real, fake):
        inside = _within(squared, error, radius_real[rows, None], real[rows], fake)
        covered[rows] = inside.any(1)
        precise |= inside.any(0)
        density += weight[rows] @ inside.double()
        recalled[rows] = _within(squared, error, radius_fake[None], real[rows], fake).any(1)
    shares = precise.double(), recalled.double(), density, covered.double()
    return [share.mean().item() for share in shares] + [share.var(correction=0).item() for share in shares]


def _centred(*sets: Tensor) -> list[Tensor]:
    """The sets in fp64 around a common centre, where the errors of the matrix product are small."""
    centre = sets[0].double().mean(0)
    return [x.double() - centre for x in sets]


def _balls(x: Tensor, k: int) -> tuple[Tensor, Tensor]:
    """Squared radius of the ball of each row, and 1 / its number of other rows, which is k without ties."""
    if len(x) <= k:
        raise ValueError(f"{len(x)} rows have no {k}-th neighbour; pass more samples or a smaller k")
    radius, count = x.new_empty(len(x)), x.new_empty(len(x))
    candidates = min(len(x), 2 * (k + 1))
    for rows, squared, error in _squared_distances(x, x):
        nearest = squared.topk(candidates, largest=False)
        exact = (x[rows, None] - x[nearest.indices]).square().sum(2)
        radius[rows] = exact.sort(1).values[:, k]
        # candidates beyond the k-th by more than the error prove that no other row is nearer or tied
        unsure = nearest.values[:, -1] - error.amax(1) <= radius[rows]
        count[rows] = (exact <= radius[rows, None]).sum(1).double() - 1
        for row in rows[unsure]:
            distances = (x - x[row]).square().sum(1)
            radius[row] = distances.kthvalue(k + 1).values
            count[row] = (distances <= radius[row]).sum() - 1
    return radius, 1 / count


def _squared_distances(a: Tensor, b: Tensor) -> Iterator[tuple[Int[Tensor, " r"], Tensor, Tensor]]:
    """By blocks of `a`: indices of rows, |a|^2 + |b|^2 - 2 a.b to all of `b`, and a bound of its error."""
    squares_a, squares_b = a.square().sum(1), b.square().sum(1)
    unit = 4 * (a.shape[1] + 8) * torch.finfo(torch.float64).eps
    largest = squares_b.max()
    for rows in torch.arange(len(a), device=a.device).split(max(1, ELEMENTS // len(b))):
        squared = torch.addmm(squares_b[None], a[rows], b.T, alpha=-2).add_(squares_a[rows, None])
        yield rows, squared, unit * (squares_a[rows, None] + largest)


def _within(squared: Tensor, error: Tensor, radius: Tensor, a: Tensor, b: Tensor) -> Bool[Tensor, "r m"]:
    """Whether each exact squared distance is at most the radius; those near to it come from differences."""
    inside = squared <= radius
    near = (squared > radius - error) & (squared < radius + error)
    i, j = near.nonzero(as_tuple=True)
    for part in torch.arange(len(i), device=i.device).split(max(1, ELEMENTS // a.shape[1])):
        p, q = i[part], j[part]
        inside[p, q] = (a[p] - b[q]).square().sum(1) <= radius.expand_as(squared)[p, q]
    return inside
