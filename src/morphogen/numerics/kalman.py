r"""The Kalman filter and the smoother of Rauch, Tung & Striebel, for rows that exist at the same positions.

    z_1 ~ N(m, P),   z_(t+1) = A z_t + N(0, Q),   x_t = C z_t + N(0, R)

The pass forward predicts the latent and corrects it by the gain K = P C^T (C P C^T + R)^-1; the pass backward
has the gain J = P_t A^T P_(t+1|t)^-1. Covariances do not depend on x, and are computed once for all rows.

References: A new approach to linear filtering and prediction problems, Kalman, 1960; Maximum likelihood
estimates of linear dynamic systems, Rauch, Tung & Striebel, 1965.
"""

__all__ = ["Dynamics", "Passed", "Smoothed", "kalman_filter", "kalman_smoother"]

import math
from typing import NamedTuple

import torch
from jaxtyping import Bool, Float
from torch import Tensor


class Dynamics(NamedTuple):
    """The numbers of a linear-Gaussian state space model."""

    start: Float[Tensor, " q"]  # m
    start_covariance: Float[Tensor, "q q"]  # P
    transition: Float[Tensor, "q q"]  # A
    process: Float[Tensor, "q q"]  # Q
    loading: Float[Tensor, "d q"]  # C
    noise: Float[Tensor, "d d"]  # R


class Passed(NamedTuple):
    """The result of the filter: moments of the latents given the past, and log p(x_t | x_1 .. x_(t-1))."""

    predicted: list[Float[Tensor, "q q"]]  # covariances of z_t given x_<t
    filtered: list[Float[Tensor, "q q"]]  # covariances of z_t given x_<=t
    means: Float[Tensor, "b t q"]  # of z_t given x_<=t
    log_evidence: Float[Tensor, "b t"]


class Smoothed(NamedTuple):
    """Moments of the latents given all of x."""

    means: Float[Tensor, "b t q"]
    covariances: Float[Tensor, "t q q"]
    across: Float[Tensor, "s q q"]  # Cov(z_(t+1), z_t | x)


def kalman_filter(
    x: Float[Tensor, "b t d"], model: Dynamics, exists: Bool[Tensor, " t"] | None = None
) -> Passed:
    """The pass forward.

    Arguments:
        x: the rows.
        model: its numbers.
        exists: which positions do; nothing is corrected at the others, whose evidence is 0. None: all do.
    """
    seen = [True] * x.shape[1] if exists is None else exists.tolist()
    mean, covariance = model.start.expand(len(x), -1), model.start_covariance
    predicted, filtered, means, evidence = [], [], [], []
    for t, x_t in enumerate(x.unbind(1)):
        if t:
            mean = mean @ model.transition.T
            covariance = model.transition @ covariance @ model.transition.T + model.process
        predicted.append(covariance)
        if not seen[t]:
            means.append(mean)
            filtered.append(covariance)
            evidence.append(x.new_zeros(len(x)))
            continue
        factor = torch.linalg.cholesky(model.loading @ covariance @ model.loading.T + model.noise)
        whitened = torch.linalg.solve_triangular(factor, (x_t - mean @ model.loading.T).T, upper=False)
        log_det = factor.diagonal().log().sum() + 0.5 * x.shape[2] * math.log(2 * math.pi)
        evidence.append(-0.5 * whitened.square().sum(0) - log_det)
        gain = torch.linalg.solve_triangular(factor, model.loading @ covariance, upper=False)
        mean, covariance = mean + whitened.T @ gain, covariance - gain.T @ gain
        means.append(mean)
        filtered.append(covariance)
    return Passed(predicted, filtered, torch.stack(means, 1), torch.stack(evidence, 1))


def kalman_smoother(passed: Passed, model: Dynamics) -> Smoothed:
    """The pass backward."""
    means, covariances = [passed.means[:, -1]], [passed.filtered[-1]]
    across: list[Tensor] = []
    for t in range(passed.means.shape[1] - 2, -1, -1):
        ahead = passed.predicted[t + 1]
        gain = torch.linalg.solve(ahead, model.transition @ passed.filtered[t]).T
        error = means[-1] - passed.means[:, t] @ model.transition.T
        across.append(covariances[-1] @ gain.T)
        means.append(passed.means[:, t] + error @ gain.T)
        covariances.append(passed.filtered[t] + gain @ (covariances[-1] - ahead) @ gain.T)
    pairs = torch.stack(across[::-1]) if across else passed.filtered[0][None][:0]
    return Smoothed(torch.stack(means[::-1], 1), torch.stack(covariances[::-1]), pairs)
