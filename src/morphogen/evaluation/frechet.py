r"""Frechet distance between Gaussians fitted to two sets of features.

Heusel et al. 2017; Dowson & Landau 1982.

    d^2 = |m_1 - m_2|^2 + tr S_1 + tr S_2 - 2 tr (S_1 S_2)^{1/2}

The last trace is the sum of the roots of the eigenvalues of S_1 S_2, a pencil of two symmetric matrices. With
S_i = A_i^T A_i these are also the eigenvalues of A_1 S_2 A_1^T and the squared singular values of A_1 A_2^T.
This avoids the matrix square root and its imaginary parts, and is exact for fewer rows than features.
The estimate is biased upwards by about 1/n (Chong & Forsyth 2020), so compare distances at equal n only.

The variance at n rows is a / n + b / n^2. The first term vanishes for two samples of the same distribution,
where a bootstrap, whose second term is three times too large, gives intervals that are too wide. Therefore

    v_2 = 2 a / n + 4 b / n^2      the variance between halves of both sets
    v_0 = 4 b / n^2                the variance of the distance between halves of one set

determine the variance v_2 / 2 - v_0 / 4, which is at least v_0 / 4. Of two samples of one distribution that
larger one of two estimates is too large: where the distance between halves of one set explains the value,
the lower end has v_0 / 4. The interval is in d, whose variance, unlike that of d^2, does not grow with it.
"""

__all__ = ["frechet", "frechet_interval"]

import numpy as np
import torch
from jaxtyping import Float
from scipy.linalg import LinAlgError, eigh
from scipy.linalg.blas import dsymm, dsyrk
from scipy.linalg.lapack import dpotrf
from torch import Tensor

from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, between_groups, enclosing, student
from morphogen.native.kernels import available
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import feature_sets

FULL_RANK = 1e-8  # smallest ratio of pivots or eigenvalues of a matrix that counts as invertible


@reads_arguments
def frechet(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"]) -> float:
    """The squared Frechet distance d^2, computed in fp64 on the CPU.

    Errors: ValueError for fewer than two rows, or for features that are not finite.
    """
    real, fake = feature_sets(real, fake)
    (mean_1, first), (mean_2, second) = _moments(real, "real"), _moments(fake, "fake")
    traces = _trace(first) + _trace(second)
    squared = np.square(mean_1 - mean_2).sum() + traces - 2 * _overlap(first, second)
    return max(0.0, float(squared))


@reads_arguments
def frechet_interval(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], partitions: int = 64, seed: int = 0
) -> Interval:
    """The squared distance with the interval of its expected value at n and m rows.

    `bias`, its excess over the distance of the distributions, is estimated from the halves, where it is twice
    as large; it is not subtracted. Errors: ValueError for fewer than four rows.
    """
    real, fake = feature_sets(real, fake)
    value, n = frechet(real, fake), min(len(real), len(fake))
    if n < 4:
        name = "real" if len(real) == n else "fake"
        raise ValueError(f"{name} has {n} rows, and an interval requires at least 4: give more rows")
    halves = between_groups(lambda a, b: [frechet(a, b)], (real, fake), 2, partitions, seed)
    inverse = 1 / len(real) + 1 / len(fake)
    same = [_second_order(x, inverse, partitions // 2, seed) for x in (real, fake)]
    expected, second = (sum(each) / 2 for each in zip(*same, strict=True))
    twice = halves.mean.item()  # for samples of one distribution, twice the expected value
    scale = student(halves.degrees) / (2 * max(value, twice / 2, 1e-300) ** 0.5)
    variance = max(halves.variance.item() / 2 - second, second)
    down, up, root = scale * second**0.5, scale * variance**0.5, value**0.5
    if root - down > expected**0.5:
        down = up
    low, high = enclosing(value, max(0.0, root - down) ** 2, (root + up) ** 2)
    bias, resamples = twice - value, 3 * partitions
    return {"value": value, "low": low, "high": high, "n": n, "resamples": resamples, "bias": bias}


def _second_order(x: Tensor, inverse_rows: float, partitions: int, seed: int) -> tuple[float, float]:
    """Mean and variance of the distance of two samples of the distribution of x; inverse_rows: 1/n + 1/m."""
    rng = Rng(seed, partitions, ("frechet", "halves of one set"))
    orders = rng.bits(len(x)).argsort(dim=1, stable=True).to(x.device)
    between_halves = torch.tensor([frechet(x[order[0::2]], x[order[1::2]]) for order in orders]).double()
    ratio = inverse_rows / (4 / len(x))
    return between_halves.mean().item() * ratio, between_halves.var().item() * ratio**2


def _moments(x: Tensor, name: str) -> tuple[np.ndarray, np.ndarray]:
    """The mean [d], and the covariance S [d, d], of which only the lower triangle is filled, or its factor.

    Fewer rows than features have a factor A [n - 1, d], S = A^T A. The centred rows sum to zero; the
    reflection that maps (1, ..., 1) / sqrt(n) to the first axis makes the first of them zero and subtracts
    (sqrt(n) mean - x_1) / (sqrt(n) - 1) from the others.
    """
    n, d = x.shape
    if n < 2:
        raise ValueError(f"{name} has {n} row, and a covariance requires at least 2: give more rows")
    rows, root = x.detach().cpu().double(), n**0.5
    mean = rows.mean(0)
    if not mean.isfinite().all():
        raise ValueError("features are not finite: the samples contain NaN or infinity")
    if n > d:
        return mean.numpy(), _covariance(rows, mean)
    return mean.numpy(), ((rows[1:] - (root * mean - rows[0]) / (root - 1)) / (n - 1) ** 0.5).numpy()


def _covariance(rows: Float[Tensor, "n d"], mean: Float[Tensor, " d"]) -> np.ndarray:
    """The covariance, lower triangle; the native kernel centres the rows as it reads them."""
    scale = 1 / (len(rows) - 1)
    if available("gram"):
        return torch.ops.morphogen.gram(rows, mean, scale).numpy().T
    return dsyrk(scale, (rows - mean).numpy().T, lower=True)


def _overlap(first: np.ndarray, second: np.ndarray) -> float:
    """tr (S_1 S_2)^{1/2}, from the eigenvalues of S_1 S_2.

    Their roots lose half of the digits near zero; then the singular values of A_1 A_2^T are computed.
    """
    squares = _squares(*sorted((first, second), key=len))
    if squares[0] > FULL_RANK * squares[-1]:
        return np.sqrt(squares).sum()
    return np.linalg.svd(_factor(first) @ _factor(second).T, compute_uv=False).sum()


def _squares(fewer: np.ndarray, more: np.ndarray) -> np.ndarray:
    """The eigenvalues of S_1 S_2, ascending, without the zeros that fewer rows have; 0 for a singular S_2."""
    if _is_wide(more):
        cross = more @ fewer.T
        return np.linalg.eigvalsh(cross.T @ cross)
    if _is_wide(fewer):
        return np.linalg.eigvalsh(fewer @ dsymm(1, more, fewer.T, lower=True))
    try:
        return eigh(fewer, more, type=2, driver="gv", eigvals_only=True, check_finite=False)
    except LinAlgError:
        return np.zeros(1)


def _factor(covariance: np.ndarray) -> np.ndarray:
    """A [min(n - 1, d), d] such that A^T A = S."""
    if _is_wide(covariance):
        return covariance
    factor, failed = dpotrf(covariance, lower=True)
    pivots = np.square(factor.diagonal())
    if not failed and pivots.min() > FULL_RANK * pivots.max():
        return factor.T
    # of any rank, in a third of the time of a QR decomposition; roundings would count as their roots
    values, vectors = np.linalg.eigh(covariance)
    values[values < len(values) * np.finfo(float).eps * values[-1]] = 0
    return np.sqrt(values)[:, None] * vectors.T


def _trace(covariance: np.ndarray) -> float:
    return np.square(covariance).sum() if _is_wide(covariance) else covariance.trace()


def _is_wide(covariance: np.ndarray) -> bool:
    """Whether it is the factor of fewer rows than features."""
    return covariance.shape[0] < covariance.shape[1]
