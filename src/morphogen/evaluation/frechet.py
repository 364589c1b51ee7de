r"""The Frechet distance between the Gaussians of two sets of features (Heusel et al. 2017; Dowson & Landau 1982).

    d^2 = |m_1 - m_2|^2 + tr S_1 + tr S_2 - 2 tr (S_1 S_2)^{1/2}

With S_i = A_i^T A_i the last trace is the nuclear norm of A_1 A_2^T: no matrix square root, no imaginary parts, and exact
where there are fewer rows than features. It is biased upwards by about 1/n (Chong & Forsyth 2020): compare equal n only.
"""

__all__ = ["frechet", "frechet_interval"]

import torch
from jaxtyping import Float
from torch import Tensor

from morphogen.evaluation.intervals import Interval, bootstrap


def frechet(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"]) -> float:
    """The squared distance, in fp64.

    Errors: ValueError with fewer than two rows, or where a feature is not finite.
    """
    _check(real)
    _check(fake)
    (mean_1, root_1), (mean_2, root_2) = _moments(real.double()), _moments(fake.double())
    overlap = torch.linalg.svdvals(root_1 @ root_2.T).sum()
    squared = (mean_1 - mean_2).square().sum() + root_1.square().sum() + root_2.square().sum() - 2 * overlap
    return max(0.0, squared.item())


def frechet_interval(real: Float[Tensor, "n d"], fake: Float[Tensor, "m d"], resamples: int = 100, seed: int = 0) -> Interval:
    """The distance with the spread of a bootstrap of both sets; its upward bias stands in `bias` and is not taken off."""
    return bootstrap(frechet, (real, fake), resamples, seed, least=0.0)


def _moments(x: Tensor) -> tuple[Tensor, Tensor]:
    """The mean [d] and A [min(n, d), d] with A^T A the unbiased covariance."""
    mean = x.mean(0)
    centred = (x - mean) / (len(x) - 1) ** 0.5
    if len(x) <= x.shape[1]:
        return mean, centred
    values, vectors = torch.linalg.eigh(centred.T @ centred)  # a third of a QR decomposition's time, and exact for any rank too
    return mean, values.clamp_min(0).sqrt()[:, None] * vectors.T


def _check(x: Tensor) -> None:
    if len(x) < 2:
        raise ValueError(f"{len(x)} row of features has no covariance; give at least 2")
    if not x.isfinite().all():
        raise ValueError("features are not finite; the samples hold NaN or infinity")
