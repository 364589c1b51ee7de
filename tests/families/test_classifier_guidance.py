"""Classifier guidance and products of models, tested on distributions that are known in closed form."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from exact_denoiser import ExactDenoiser
from morphogen.closed_form import GaussianMixture
from morphogen.component import ConfigError
from morphogen.families.diffusion import (
    DDIM,
    DDPM,
    EDM,
    VE,
    VP,
    AnnealedLangevin,
    ClassifierGuided,
    DPMSolver,
    Heun,
    ProductOfModels,
    RectifiedFlow,
    UniformLogSNR,
    sdedit,
)
from morphogen.numerics.randomness import Rng

TRUTH = GaussianMixture(
    torch.tensor([0.7, 0.3], dtype=torch.float64),
    torch.tensor([[-0.5, 0.0], [0.6, 0.4]]),
    torch.stack([torch.diag(torch.tensor(d)) for d in ((0.2, 0.3), (0.15, 0.1))]),
)


def gaussian(mean: float, variance: float) -> GaussianMixture:
    return GaussianMixture(torch.ones(1), torch.full((1, 2), mean), variance * torch.eye(2)[None])


class ExactClassifier(nn.Module):
    """log p(k | x_t) of the mixture's components, up to a constant."""

    def __init__(self, process: Any):
        super().__init__()
        self.process = process

    def forward(self, x: Tensor, time_input: Tensor) -> Tensor:
        t = (4 * time_input.double()).exp() if isinstance(self.process, EDM) else time_input.double()
        alpha, sigma = (float(level[0]) for level in self.process.alpha_sigma(t))
        diffused = TRUTH.diffused(alpha, sigma)
        deviation = x.double()[:, None] - diffused.means
        variance = diffused.covariances.diagonal(dim1=1, dim2=2)
        log_density = -0.5 * (variance.log() + deviation.square() / variance).sum(2)
        return (diffused.weights.log() + log_density).float()


@pytest.mark.parametrize("process", [VP(), EDM(0.002, 20.0), RectifiedFlow()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("sampler", [DDPM, Heun, DPMSolver], ids=lambda s: s.__name__)
def test_scale_1_samples_the_conditional_distribution(sampler: Any, process: Any) -> None:
    """n = 2000, seed 1: mean and variances of the samples are those of the component, |z| < 4."""
    steps = 400 if sampler is DDPM else 101
    spacing = None if not isinstance(process, VP) else UniformLogSNR()
    guided = ClassifierGuided(sampler(steps, clip=None, spacing=spacing), ExactClassifier(process), label=1)
    x = guided(ExactDenoiser(process, TRUTH), (2,), None, Rng(1, 2000)).double()
    mean, variance = TRUTH.means[1], TRUTH.covariances[1].diagonal()
    assert ((x.mean(0) - mean).abs() < 4 * (variance / 2000).sqrt()).all()
    assert ((x.var(0) / variance - 1).abs() < 4 * math.sqrt(2 / 2000)).all()


def test_a_larger_scale_raises_the_class_probability() -> None:
    """n = 500, seed 2; scale 0 is without guidance."""
    probabilities = []
    for scale in (0.0, 1.0, 4.0):
        x = ClassifierGuided(DDIM(50, clip=None), ExactClassifier(VP()), scale, 1)(
            ExactDenoiser(VP(), TRUTH), (2,), None, Rng(2, 500)
        )
        probabilities.append(float(TRUTH.responsibilities(x)[:, 1].mean()))
    unguided, exact, sharper = probabilities
    assert unguided == pytest.approx(0.3, abs=0.06)
    assert exact > 0.8
    assert sharper > exact + 0.02


def test_a_sample_does_not_depend_on_its_batch() -> None:
    guided, rng = ClassifierGuided(DDPM(20, clip=None), ExactClassifier(VP()), label=1), Rng(0, 6)
    batch = guided(ExactDenoiser(VP(), TRUTH), (2,), None, rng)
    rows = guided(ExactDenoiser(VP(), TRUTH), (2,), None, rng[2:4])
    assert torch.allclose(rows, batch[2:4], atol=1e-5)


def test_annealed_langevin_samples_a_product_of_gaussians() -> None:
    """N(-1, 0.5) N(1, 0.25) ~ N(1/3, 1/6): means and variances within 4 standard errors plus 0.01 and 3 %.

    n = 2000, seed 3, 60 levels of 10 steps.
    """
    process = VE(0.02, 10.0)
    product = ProductOfModels(
        (ExactDenoiser(process, gaussian(-1.0, 0.5)), ExactDenoiser(process, gaussian(1.0, 0.25))), (1.0, 1.0)
    )
    x = AnnealedLangevin(600, 10, clip=None)(product, (2,), None, Rng(3, 2000)).double()
    assert ((x.mean(0) - 1 / 3).abs() < 4 * math.sqrt(1 / 6 / 2000) + 0.01).all()
    assert ((6 * x.var(0) - 1).abs() < 4 * math.sqrt(2 / 2000) + 0.03).all()


def test_a_product_requires_one_weight_per_model() -> None:
    with pytest.raises(ConfigError, match="2 models and 1 weights"):
        ProductOfModels((ExactDenoiser(VP(), TRUTH), ExactDenoiser(VP(), TRUTH)), (1.0,))


def test_sdedit_with_strength_1_is_guided_as_sampling_is() -> None:
    """n = 2000, seed 4, from data that are not samples of the mixture: the mean of the component, |z| < 4."""
    guided = ClassifierGuided(DDPM(200, clip=None, spacing=UniformLogSNR()), ExactClassifier(VP()), label=1)
    x = sdedit(
        ExactDenoiser(VP(), TRUTH), torch.full((2000, 2), 0.9), 1.0, None, Rng(4, 2000), guided
    ).double()
    mean, variance = TRUTH.means[1], TRUTH.covariances[1].diagonal()
    assert ((x.mean(0) - mean).abs() < 4 * (variance / 2000).sqrt()).all()
