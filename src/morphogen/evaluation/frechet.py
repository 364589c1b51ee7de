r"""Frechet distance between Gaussians fitted to two sets of features.

Heusel et al. 2017; Dowson & Landau 1982.

    d^2 = |m_1 - m_2|^2 + tr S_1 + tr S_2 - 2 tr (S_1 S_2)^{1/2}

With S_i = A_i^T A_i the last trace is the nuclear norm of A_1 A_2^T, and its singular values are the roots of
the eigenvalues of A_1 S_2 A_1^T. This avoids the matrix square root and its imaginary parts, and is exact for
fewer rows than features. The estimate is biased upwards by about 1/n (Chong & Forsyth 2020), so compare
distances at equal n only.

The variance at n rows is a / n + b / n^2. The first term vanishes for two samples of the same distribution,
where a bootstrap, whose second term is three times too large, gives intervals that are too wide. Therefore

    v_2 = 2 a / n + 4 b / n^2      the variance between halves of both sets
    v_0 = 4 b / n^2                the variance of the distance between halves of one set

determine the variance v_2 / 2 - v_0 / 4, which is at least v_0 / 4. Of two samples of one distribution that
larger one of two estimates is too large: where the distance between halves of one set explains the value,
the lower end has v_0 / 4. The interval is in d, whose variance, unlike that of d^2, does not grow with it.
"""

__all__ = ["frechet", "frechet_interval"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.arguments import reads_arguments
from morphogen.evaluation.intervals import Interval, between_groups, enclosing, student
from morphogen.numerics.randomness import Rng
from morphogen.representations.given import feature_sets

FULL_RANK = 1e-8  # smallest ratio of pivots or eigenvalues of a matrix that counts as invertible


@reads_arguments
def frechet(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"]) -> float:
    """The squared Frechet distance d^2, computed in fp64.

    Errors: ValueError for fewer than two rows, or for features that are not finite.
    """
    real, fake = feature_sets(real, fake)
    (mean_1, rows_1), (mean_2, rows_2) = _moments(real, "real"), _moments(fake, "fake")
    traces = torch.linalg.vector_norm(rows_1).square() + torch.linalg.vector_norm(rows_2).square()
    squared = (mean_1 - mean_2).square().sum() + traces - 2 * _overlap(rows_1, rows_2)
    return max(0.0, squared.item())


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


def _gram(x: Tensor) -> Tensor:
    """x^T x; numpy computes one triangle of a product with the own transpose, torch both."""
    if x.device.type != "cpu":
        return x.T @ x
    rows = x.detach().numpy()
    return torch.from_numpy(rows.T @ rows)


def _moments(x: Tensor, name: str) -> tuple[Tensor, Tensor]:
    """The mean [d], and B [n - 1, d] such that B^T B is the unbiased covariance.

    The centred rows sum to zero; the reflection that maps (1, ..., 1) / sqrt(n) to the first axis makes the
    first of them zero and subtracts (sqrt(n) mean - x_1) / (sqrt(n) - 1) from the others.
    """
    if len(x) < 2:
        raise ValueError(f"{name} has {len(x)} row, and a covariance requires at least 2: give more rows")
    x = x.double()
    mean, root = x.mean(0), len(x) ** 0.5
    if not mean.isfinite().all():
        raise ValueError("features are not finite: the samples contain NaN or infinity")
    return mean, (x[1:] - (root * mean - x[0]) / (root - 1)).div_((len(x) - 1) ** 0.5)


def _overlap(first: Tensor, second: Tensor) -> Tensor:
    """tr (S_1 S_2)^{1/2}, from the eigenvalues of A_1 S_2 A_1^T.

    Their roots lose half of the digits near zero; then the singular values of A_1 A_2^T are computed.
    """
    fewer, more = (first, second) if len(first) <= len(second) else (second, first)
    root = _root(fewer)
    squared = root @ _gram(more) @ root.T if _tall(more) else _gram(more @ root.T)
    squares = torch.linalg.eigvalsh(squared)
    if squares[0] > FULL_RANK * squares[-1]:
        return squares.sqrt().sum()
    return torch.linalg.svdvals(root @ _root(more).T).sum()


def _root(rows: Tensor) -> Tensor:
    """A [min(n, d), d] such that A^T A = B^T B."""
    if not _tall(rows):
        return rows
    covariance = _gram(rows)
    root, failed = torch.linalg.cholesky_ex(covariance, upper=True)
    pivots = root.diagonal().square()
    if not failed and pivots.min() > FULL_RANK * pivots.max():
        return root
    # of any rank, in a third of the time of a QR decomposition
    values, vectors = torch.linalg.eigh(covariance)
    return values.clamp_min(0).sqrt()[:, None] * vectors.T


def _tall(rows: Tensor) -> bool:
    return rows.shape[0] > rows.shape[1]
