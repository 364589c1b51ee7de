r"""Kernel distance: the squared maximum mean discrepancy of two sets of features, without bias.

    k(x, y) = (x . y / d + 1)^3
    MMD^2   = mean_(i != j) k(x_i, x_j) + mean_(i != j) k(y_i, y_j) - 2 mean_(i, j) k(x_i, y_j)

With features of Inception-v3 this is the Kernel Inception Distance. Unlike the Frechet distance its estimate
is unbiased at every n, so figures of different n compare; it is 0 on average for equal distributions, and may
be negative. The interval is Student's with the variance of the two-sample jackknife, whose leave-one-out
values follow from the row sums of the kernel matrices (Arvesen 1969).

Reference: Demystifying MMD GANs, Binkowski, Sutherland, Arbel & Gretton, 2018.
"""

__all__ = ["kernel_distance"]

from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, around
from morphogen.representations.given import feature_sets

DEGREE = 3


@reads_arguments
def kernel_distance(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"]) -> Interval:
    """Unbiased MMD^2 with the cubic polynomial kernel, and its jackknife interval, in fp64.

    Errors: ValueError for fewer than three rows, or for features that are not finite.
    """
    x, y = (rows.double() for rows in feature_sets(real, fake))
    for rows in (x, y):
        if len(rows) < 3:
            raise ValueError(f"the interval of a kernel distance requires 3 rows or more, got {len(rows)}")
    cross = _kernel(x, y)
    across, within_x, within_y = cross.mean(), _row_sums(x), _row_sums(y)
    value = _pairs(within_x) + _pairs(within_y) - 2 * across
    variance = _jackknife(within_x, cross.mean(1)) + _jackknife(within_y, cross.mean(0))
    n = min(len(x), len(y))
    return around(value.item(), variance, n, n - 1)


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** DEGREE


def _row_sums(x: Tensor) -> Tensor:
    """Sum over j != i of k(x_i, x_j)."""
    kernel = _kernel(x, x)
    return kernel.sum(1) - kernel.diagonal()


def _pairs(sums: Tensor) -> Tensor:
    """Mean over pairs of different rows."""
    return sums.sum() / (len(sums) * (len(sums) - 1))


def _jackknife(within: Tensor, across: Tensor) -> float:
    """Variance from leaving out one row of one set; `across`: its mean kernel with the other set."""
    n = len(within)
    left_out = (within.sum() - 2 * within) / ((n - 1) * (n - 2)) - 2 * (across.sum() - across) / (n - 1)
    return (left_out.var(correction=0) * (n - 1)).item()
