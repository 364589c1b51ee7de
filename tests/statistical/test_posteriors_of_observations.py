"""Samples given y = A x + sigma n against the posterior of a Gaussian, and of a mixture, in closed form.

Each test draws 2000 samples with seed 1, and compares means and second moments with those of the posterior:
|z| < 4. What is biased exceeds it.
"""

import math
from typing import Any

import pytest
import torch
from torch import Tensor

from exact_denoiser import ExactDenoiser
from morphogen.closed_form import GaussianMixture
from morphogen.contract import Context
from morphogen.families.diffusion import (
    DDIM,
    EDM,
    VP,
    Denoised,
    DPMSolver,
    DPMSolverSDE,
    EulerMaruyama,
    Heun,
    PredictorCorrector,
    RectifiedFlow,
    UniformLogSNR,
)
from morphogen.families.diffusion.operators import RandomProjection
from morphogen.families.diffusion.posterior_sampling import DPS, MMPS, Observation
from morphogen.numerics.randomness import Rng

SHAPE, N, NOISE = (1, 2, 2), 2000, 0.2
A = RandomProjection(SHAPE, 2)
MATRIX = A(torch.eye(4).view(4, *SHAPE)).T


def covariance(seed: int, scale: float) -> Tensor:
    root = scale * Rng(seed, 4, ("covariance",)).normal(4).double()
    return root @ root.T + 0.05 * torch.eye(4)


GAUSSIAN = GaussianMixture(torch.ones(1), torch.tensor([[0.4, -0.2, 0.1, -0.5]]), covariance(0, 0.4)[None])
MIXTURE = GaussianMixture(
    torch.tensor([0.6, 0.4], dtype=torch.float64),
    torch.tensor([[-0.8, -0.5, 0.3, 0.2], [0.7, 0.6, -0.2, -0.4]]),
    torch.stack([covariance(1, 0.25), covariance(2, 0.25)]),
)
Y = torch.tensor([[-0.1, 0.2]])  # which of the two components it comes from is open


class ExactOfPictures(ExactDenoiser):
    """The exact denoiser of a mixture whose points are pictures of 2 x 2."""

    def predict(self, x: Tensor, t: Tensor, context: Context | None) -> Denoised:
        x_0, eps, _ = super().predict(x.flatten(1), t, context)
        return Denoised(x_0.view_as(x), eps.view_as(x))


def worst(sampler: Any, process: Any, truth: GaussianMixture) -> tuple[float, float]:
    """Largest |z| of the means, and of the second moments."""
    posterior = truth.posterior(MATRIX, Y[0], NOISE)
    x = sampler(ExactOfPictures(process, truth), SHAPE, None, Rng(1, N)).flatten(1).double()
    mean, second = posterior.mean, posterior.covariance
    z = (x.mean(0) - mean) / (second.diagonal() / N).sqrt()
    products = (x - mean)[:, :, None] * (x - mean)[:, None]
    z_second = (products.mean(0) - second) / (products.std(0) / math.sqrt(N))
    return float(z.abs().max()), float(z_second.abs().max())


@pytest.mark.parametrize(
    ("sampler", "process"),
    [
        (Heun(101, clip=None), RectifiedFlow()),
        (DPMSolver(60, clip=None, spacing=UniformLogSNR()), VP()),
        pytest.param(DDIM(300, clip=None, spacing=UniformLogSNR()), VP(), marks=pytest.mark.slow),
        pytest.param(DDIM(300, eta=1.0, clip=None), EDM(), marks=pytest.mark.slow),
        pytest.param(Heun(101, clip=None), EDM(), marks=pytest.mark.slow),
        pytest.param(DPMSolverSDE(150, clip=None), RectifiedFlow(), marks=pytest.mark.slow),
        pytest.param(EulerMaruyama(400, clip=None), EDM(), marks=pytest.mark.slow),
    ],
    ids=lambda part: type(part).__name__,
)
def test_mmps_is_exact_for_gaussian_data(sampler: Any, process: Any) -> None:
    z, z_second = worst(MMPS(sampler, Observation(A, Y, NOISE), iterations=2), process, GAUSSIAN)
    assert z < 4 and z_second < 4


def test_dps_is_biased() -> None:
    """With every scale: below 1 the samples are too far from y, above it too close."""
    sampler = DPMSolver(60, clip=None, spacing=UniformLogSNR())
    for scale in (0.3, 1.0, 3.0):
        z, z_second = worst(DPS(sampler, Observation(A, Y, NOISE), scale), VP(), GAUSSIAN)
        assert max(z, z_second) > 5


@pytest.mark.slow
def test_langevin_steps_make_mmps_follow_the_posterior_of_a_mixture() -> None:
    """x_0 given x_t is then no Gaussian: without these steps the samples are biased."""
    guide = Observation(A, Y, NOISE)
    z, z_second = worst(
        MMPS(PredictorCorrector(500, clip=None), guide, iterations=2), RectifiedFlow(), MIXTURE
    )
    assert z < 4 and z_second < 4
    biased = worst(MMPS(Heun(61, clip=None), guide, iterations=2), RectifiedFlow(), MIXTURE)
    assert max(biased) > 4
