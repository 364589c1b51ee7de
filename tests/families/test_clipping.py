"""Diffusion samplers clip predictions to the range of the data, unless another value is given."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import from_config, to_config
from morphogen.contract import Context
from morphogen.families.diffusion import (
    DDIM,
    DDPM,
    AnnealedLangevin,
    Diffusion,
    DiscretizedGaussian,
    DPMSolver,
    DPMSolverSDE,
    DynamicThreshold,
    Euler,
    EulerMaruyama,
    GaussianDecoder,
    Heun,
    LinearBetas,
    MultistepConsistency,
    PredictorCorrector,
    ddim_translate,
    inpaint,
    sdedit,
)
from morphogen.inference.editing import DDIMTranslate, Inpaint
from morphogen.numerics.randomness import Rng

CHAIN = LinearBetas(1e-3, 0.4, 50)
SAMPLERS: tuple[type, ...] = (
    DDPM,
    DDIM,
    Euler,
    Heun,
    DPMSolver,
    DPMSolverSDE,
    EulerMaruyama,
    PredictorCorrector,
    AnnealedLangevin,
    MultistepConsistency,
)


class Five(nn.Module):
    """A prediction of x_0 = 5."""

    def forward(self, x_t: Tensor, time_input: Tensor, context: Context | None) -> Tensor:
        return torch.full_like(x_t, 5.0)


def model(decoder: Any) -> Diffusion:
    return Diffusion(Five(), CHAIN, decoder, target="x0")


LATENTS, PIXELS = model(GaussianDecoder()), model(DiscretizedGaussian(17))


def largest(sampler: Any, objective: Diffusion) -> float:
    return float(sampler(objective, (3,), None, Rng(0, 2)).abs().max())


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.__name__)
def test_the_default_is_the_range_of_the_data(sampler: Any) -> None:
    assert largest(sampler(10), LATENTS) == 5 and largest(sampler(10), PIXELS) == 1


@pytest.mark.parametrize("sampler", SAMPLERS, ids=lambda sampler: sampler.__name__)
def test_an_explicit_value_wins(sampler: Any) -> None:
    for objective in (LATENTS, PIXELS):
        assert largest(sampler(10, clip=2.0), objective) == 2
        assert largest(sampler(10, clip=None), objective) == 5
        assert largest(sampler(10, clip=DynamicThreshold(max_abs=3.0)), objective) == 3


@pytest.mark.parametrize("clip", ["data", None, 2.0])
def test_a_config_keeps_the_value(clip: Any) -> None:
    assert from_config(to_config(DDIM(5, clip=clip))).clip == clip


def test_editing_clips_to_the_range_of_the_data() -> None:
    image, rng = torch.zeros(2, 3), Rng(0, 2)
    for objective, bound in ((LATENTS, 5), (PIXELS, 1)):
        edited = (
            sdedit(objective, image, 1.0, None, rng),
            inpaint(objective, image, torch.tensor([True, True, False]), None, rng),
            inpaint(objective, image, torch.tensor([True, True, False]), None, rng, DDIM(10)),
            ddim_translate(objective, image, None, None, rng, DDIM(10)),
        )
        assert [float(x.abs().max()) for x in edited] == [bound] * 4


def test_the_default_samplers_of_edits_have_no_value_of_their_own() -> None:
    class Subject:
        objective = LATENTS

    mask = torch.zeros(2, 2, dtype=torch.bool)
    assert [edit.default_sampler(Subject()).clip for edit in (Inpaint(mask), DDIMTranslate(1))] == [
        "data"
    ] * 2
