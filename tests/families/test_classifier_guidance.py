"""Steering where the law that is asked for is known: a component of a mixture, a product of Gaussians."""

import math
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from knowing import Knowing
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
    EvenSNR,
    Heun,
    Product,
    RectifiedFlow,
    redraw,
)
from morphogen.numerics.randomness import Rng
from morphogen.worlds import GaussianMixture

WORLD = GaussianMixture(
    torch.tensor([0.7, 0.3], dtype=torch.float64),
    torch.tensor([[-0.5, 0.0], [0.6, 0.4]]),
    torch.stack([torch.diag(torch.tensor(d)) for d in ((0.2, 0.3), (0.15, 0.1))]),
)


def gaussian(mean: float, variance: float) -> GaussianMixture:
    return GaussianMixture(torch.ones(1), torch.full((1, 2), mean), variance * torch.eye(2)[None])


class Odds(nn.Module):
    """log p(k | x_t) of the world's components, up to what softmax takes away."""

    def __init__(self, process: Any):
        super().__init__()
        self.process = process

    def forward(self, x: Tensor, told: Tensor) -> Tensor:
        t = (4 * told.double()).exp() if isinstance(self.process, EDM) else told.double()
        alpha, sigma = (float(level[0]) for level in self.process.levels(t))
        here = WORLD.diffused(alpha, sigma)
        apart = x.double()[:, None] - here.means
        variance = here.covariances.diagonal(dim1=1, dim2=2)
        return (here.weights.log() - 0.5 * (variance.log() + apart.square() / variance).sum(2)).float()


@pytest.mark.parametrize("process", [VP(), EDM(0.002, 20.0), RectifiedFlow()], ids=lambda p: type(p).__name__)
@pytest.mark.parametrize("sampler", [DDPM, Heun, DPMSolver], ids=lambda s: s.__name__)
def test_bayes_rule_draws_the_class(sampler: Any, process: Any) -> None:
    """n = 2000, seed 1: the samples have the component's own mean and variances, |z| < 4."""
    steps = 400 if sampler is DDPM else 101
    spacing = None if not isinstance(process, VP) else EvenSNR()
    guided = ClassifierGuided(sampler(steps, clip=None, spacing=spacing), Odds(process), label=1)
    x = guided(Knowing(process, WORLD), (2,), None, Rng(1, 2000)).double()
    mean, variance = WORLD.means[1], WORLD.covariances[1].diagonal()
    assert ((x.mean(0) - mean).abs() < 4 * (variance / 2000).sqrt()).all()
    assert ((x.var(0) / variance - 1).abs() < 4 * math.sqrt(2 / 2000)).all()


def test_a_larger_scale_goes_where_the_classifier_is_surer() -> None:
    """n = 500, seed 2; scale 0 is no guidance."""
    sure = []
    for scale in (0.0, 1.0, 4.0):
        x = ClassifierGuided(DDIM(50, clip=None), Odds(VP()), scale, 1)(Knowing(VP(), WORLD), (2,), None, Rng(2, 500))
        sure.append(float(WORLD.responsibilities(x)[:, 1].mean()))
    assert sure[0] == pytest.approx(0.3, abs=0.06) and sure[1] > 0.8 and sure[2] > sure[1] + 0.02


def test_a_sample_does_not_depend_on_its_batch() -> None:
    guided, rng = ClassifierGuided(DDPM(20, clip=None), Odds(VP()), label=1), Rng(0, 6)
    whole = guided(Knowing(VP(), WORLD), (2,), None, rng)
    assert torch.allclose(guided(Knowing(VP(), WORLD), (2,), None, rng[2:4]), whole[2:4], atol=1e-5)


def test_a_product_of_gaussians_is_found_by_langevins_walk() -> None:
    """N(-1, 0.5) N(1, 0.25) ~ N(1/3, 1/6). n = 2000, seed 3, 60 levels of 10 steps: means and variances within 4 errors and 3 %."""
    process = VE(0.02, 10.0)
    product = Product((Knowing(process, gaussian(-1.0, 0.5)), Knowing(process, gaussian(1.0, 0.25))), (1.0, 1.0))
    x = AnnealedLangevin(600, 10, clip=None)(product, (2,), None, Rng(3, 2000)).double()
    assert ((x.mean(0) - 1 / 3).abs() < 4 * math.sqrt(1 / 6 / 2000) + 0.01).all()
    assert ((6 * x.var(0) - 1).abs() < 4 * math.sqrt(2 / 2000) + 0.03).all()


def test_a_product_has_a_weight_for_each() -> None:
    with pytest.raises(ConfigError, match="2 models and 1 weights"):
        Product((Knowing(VP(), WORLD), Knowing(VP(), WORLD)), (1.0,))


def test_redrawing_the_whole_way_is_steered_as_drawing_is() -> None:
    """n = 2000, seed 4, from pictures that are no samples: the component's own mean, |z| < 4."""
    guided = ClassifierGuided(DDPM(200, clip=None, spacing=EvenSNR()), Odds(VP()), label=1)
    x = redraw(Knowing(VP(), WORLD), torch.full((2000, 2), 0.9), 1.0, None, Rng(4, 2000), guided).double()
    mean, variance = WORLD.means[1], WORLD.covariances[1].diagonal()
    assert ((x.mean(0) - mean).abs() < 4 * (variance / 2000).sqrt()).all()
