r"""Kernel distance: the squared maximum mean discrepancy of two sets of features, without bias.

    k(x, y) = (x . y / d + 1)^3
    MMD^2   = mean_(i != j) k(x_i, x_j) + mean_(i != j) k(y_i, y_j) - 2 mean_(i, j) k(x_i, y_j)

With features of Inception-v3 this is the Kernel Inception Distance. Unlike the Frechet distance its estimate
is unbiased at every n, so figures of different n compare; it is 0 on average for equal distributions, and may
be negative. Its variance has two terms (Hoeffding 1948), with s^2 the variance of k without its row means:

    first + second,     second = 2 s_xx^2 / n (n - 1) + 2 s_yy^2 / m (m - 1) + 4 s_xy^2 / n m

The jackknife estimates first + 2 second (Efron & Stein 1981), and that is too much for distributions so near
that `first`, which is proportional to the true distance D, vanishes. An interval that is symmetric around the
value ends too low, since the variance is large where the value is. The score interval (Wilson 1927) has all D
that explain the value with the variance that they have themselves:

    (value - D)^2 <= t^2 (second + slope max(D, 0))
    slope = (first + second) / (max(value, 0) + second^{1/2})

where the additions of `second` bound the slope of a value that is nothing but noise.

Reference: Demystifying MMD GANs, Binkowski, Sutherland, Arbel & Gretton, 2018.
"""

__all__ = ["kernel_distance"]

import math

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, enclosing, student
from morphogen.representations.given import feature_sets

DEGREE = 3
TINY = 1e-300  # variance of equal rows


@reads_arguments
def kernel_distance(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"]) -> Interval:
    """Unbiased MMD^2 with the cubic polynomial kernel, and its score interval, in fp64.

    Errors: ValueError for fewer than four rows, or for features that are not finite.
    """
    x, y = (rows.double() for rows in feature_sets(real, fake))
    for rows in (x, y):
        if len(rows) < 4:
            raise ValueError(f"the interval of a kernel distance requires 4 rows or more, got {len(rows)}")
    cross = _kernel(x, y)
    (within_x, second_x), (within_y, second_y) = _within(x), _within(y)
    value = (_pairs(within_x) + _pairs(within_y) - 2 * cross.mean()).item()
    second = max(TINY, 2 * second_x + 2 * second_y + 4 * _second_order(cross))
    jackknife = _jackknife(within_x, cross.mean(1)) + _jackknife(within_y, cross.mean(0))
    n = min(len(x), len(y))
    low, high = _score_ends(value, second, max(0.0, jackknife - second), student(n - 1))
    return {"value": value, "low": low, "high": high, "n": n}


def _kernel(x: Tensor, y: Tensor) -> Tensor:
    return (x @ y.T / x.shape[1] + 1) ** DEGREE


def _within(x: Tensor) -> tuple[Tensor, float]:
    """Sum over j != i of k(x_i, x_j), and s^2 / n (n - 1) of the kernel, U-centred (Szekely & Rizzo 2014)."""
    n, kernel = len(x), _kernel(x, x).fill_diagonal_(0)
    sums = kernel.sum(1)
    centred = kernel.sub_(sums / (n - 2)).sub_(sums[:, None] / (n - 2)).add_(sums.sum() / ((n - 1) * (n - 2)))
    squares = torch.linalg.vector_norm(centred.fill_diagonal_(0)).square().item()
    return sums, squares / (n * (n - 3)) / (n * (n - 1))


def _second_order(cross: Tensor) -> float:
    """s^2 / n m of the kernel between two sets."""
    n, m = cross.shape
    centred = (cross - cross.mean(1, keepdim=True)).sub_(cross.mean(0)).add_(cross.mean())
    return torch.linalg.vector_norm(centred).square().item() / ((n - 1) * (m - 1)) / (n * m)


def _pairs(sums: Tensor) -> Tensor:
    """Mean over pairs of different rows."""
    return sums.sum() / (len(sums) * (len(sums) - 1))


def _jackknife(within: Tensor, across: Tensor) -> float:
    """Variance from leaving out one row of one set; `across`: its mean kernel with the other set."""
    n = len(within)
    left_out = (within.sum() - 2 * within) / ((n - 1) * (n - 2)) - 2 * (across.sum() - across) / (n - 1)
    return (left_out.var(correction=0) * (n - 1)).item()


def _score_ends(value: float, second: float, variance: float, t: float) -> tuple[float, float]:
    """Ends of the distances D that explain a value; D is not negative, unless all of these explain it.

    Arguments:
        value: the estimate.
        second: its variance where D = 0.
        variance: the estimated one.
        t: quantile of the standardized error.
    """
    half = t * math.sqrt(second)
    slope = variance / (max(value, 0.0) + math.sqrt(second))
    centre = value + t**2 * slope / 2
    root = math.sqrt(max(0.0, centre**2 - value**2 + half**2))
    low, high = value - half, max(0.0, centre + root)
    return enclosing(value, centre - root if low > 0 else low, high)
