r"""Frechet distance between Gaussians fitted to two sets of features.

Heusel et al. 2017; Dowson & Landau 1982.

    d^2 = |m_1 - m_2|^2 + tr S_1 + tr S_2 - 2 tr (S_1 S_2)^{1/2}

With S_i = A_i^T A_i the last trace is the nuclear norm of A_1 A_2^T. This avoids the matrix square root and
its imaginary parts, and is exact for fewer rows than features. The estimate is biased upwards by about 1/n
(Chong & Forsyth 2020), so compare distances at equal n only.
"""

__all__ = ["frechet", "frechet_interval"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.intervals import Interval, bootstrap
from morphogen.representations.given import features_of


def frechet(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"]) -> float:
    """The squared Frechet distance d^2, computed in fp64.

    Errors: ValueError for fewer than two rows, or for features that are not finite.
    """
    real, fake = features_of(real, "real features"), features_of(fake, "features of samples")
    _check(real)
    _check(fake)
    (mean_1, root_1), (mean_2, root_2) = _moments(real.double()), _moments(fake.double())
    overlap = torch.linalg.svdvals(root_1 @ root_2.T).sum()
    squared = (mean_1 - mean_2).square().sum() + root_1.square().sum() + root_2.square().sum() - 2 * overlap
    return max(0.0, squared.item())


def frechet_interval(
    real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], resamples: int = 100, seed: int = 0
) -> Interval:
    """The squared distance with its bootstrap interval; `bias` is reported but not subtracted."""
    real, fake = features_of(real, "real features"), features_of(fake, "features of samples")
    return bootstrap(frechet, (real, fake), resamples, seed, minimum=0.0)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean [d], and A [min(n, d), d] such that A^T A is the unbiased covariance."""
    mean = x.mean(0)
    centred = (x - mean) / (len(x) - 1) ** 0.5
    if len(x) <= x.shape[1]:
        return mean, centred
    # takes a third of the time of a QR decomposition, and is exact for any rank
    values, vectors = torch.linalg.eigh(centred.T @ centred)
    return mean, values.clamp_min(0).sqrt()[:, None] * vectors.T


def _check(x: Tensor) -> None:
    if len(x) < 2:
        raise ValueError(f"the covariance of features requires at least 2 rows, got {len(x)}")
    if not x.isfinite().all():
        raise ValueError("features are not finite: the samples contain NaN or infinity")
