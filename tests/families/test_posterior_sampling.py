"""Guidance by an observation: with every sampler and other guidance, row by row, and what is refused."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context, Unsupported
from morphogen.families.diffusion import (
    DDIM,
    DDPM,
    DPS,
    MMPS,
    AnnealedLangevin,
    Diffusion,
    Downsampling,
    DPMSolver,
    DPMSolverSDE,
    GaussianDecoder,
    Heun,
    LinearBetas,
    LinearOperator,
    Masking,
    Observation,
    PredictorCorrector,
    RectifiedFlow,
    RePaint,
    inpaint,
)
from morphogen.numerics.randomness import Rng

SHAPE = (1, 4, 4)
LEFT = torch.arange(4).expand(4, 4) < 2
SMALL = Observation(Downsampling(SHAPE, 2), torch.tensor([[[[0.5, -0.5], [0.2, 0.9]]]]), 0.05)


class Towards(nn.Module):
    """Predicts a picture that depends on x_t smoothly, and on the condition."""

    channels = 1

    def forward(self, x: Tensor, t: Tensor, context: Context | None) -> Tensor:
        shift = 0.0 if context is None or context.vector is None else context.vector[:, :1, None, None]
        return torch.tanh(0.8 * x.roll(1, 3) + 0.9 * x + shift).repeat(1, self.channels, 1, 1)


def objective(target: Any = "x0", **options: Any) -> Diffusion:
    schedule = LinearBetas(1e-3, 0.2, steps=30)
    return Diffusion(Towards(), schedule, GaussianDecoder(), target=target, **options)


@pytest.mark.parametrize("method", [MMPS, DPS])
@pytest.mark.parametrize(
    "sampler",
    [
        DDIM(10),
        DDPM(),
        Heun(11),
        DPMSolver(10),
        DPMSolverSDE(10),
        PredictorCorrector(15),
        AnnealedLangevin(40),
    ],
    ids=lambda part: type(part).__name__,
)
def test_every_sampler_is_drawn_to_the_observation_row_by_row(sampler: Any, method: Any) -> None:
    """The misfit is smaller than without guidance, and the third of five samples is that of one alone."""
    guided, rng = method(sampler, SMALL), Rng(0, 5)
    together, free = (each(objective(), SHAPE, None, rng) for each in (guided, sampler))
    alone = guided(objective(), SHAPE, None, rng[2:3])
    assert torch.allclose(together[2:3], alone, atol=1e-5) and not together.requires_grad
    misfit, before = (SMALL.residual(x).square().mean() for x in (together, free))
    assert misfit < 0.6 * before


def test_each_row_may_have_its_own_observation() -> None:
    y = torch.stack([SMALL.y[0], -SMALL.y[0], 0 * SMALL.y[0]])
    each = MMPS(DDIM(10), Observation(SMALL.operator, y, 0.05))(objective(), SHAPE, None, Rng(0, 3))
    second = MMPS(DDIM(10), Observation(SMALL.operator, y[1:2], 0.05))(
        objective(), SHAPE, None, Rng(0, 3)[1:2]
    )
    assert torch.allclose(each[1:2], second, atol=1e-5)
    with pytest.raises(ConfigError, match="4 samples of 3 observations"):
        MMPS(DDIM(10), Observation(SMALL.operator, y, 0.05))(objective(), SHAPE, None, Rng(0, 4))


@pytest.mark.parametrize("around", [True, False], ids=["outside", "inside"])
def test_it_composes_with_classifier_free_guidance(around: bool) -> None:
    """At scale 1 in both orders, and at scale 2, each condition draws the samples its own way."""

    def sample(scale: float, vector: float) -> Tensor:
        ones = torch.ones(4, 1)
        context = Context(vector=vector * ones, null=Context(vector=0 * ones))
        method = Guided(MMPS(DDIM(10), SMALL), scale) if around else MMPS(Guided(DDIM(10), scale), SMALL)
        return method(objective(), SHAPE, context, Rng(0, 4))

    plain = MMPS(DDIM(10), SMALL)(objective(), SHAPE, Context(vector=torch.full((4, 1), 0.3)), Rng(0, 4))
    assert torch.allclose(sample(1.0, 0.3), plain, atol=1e-5)
    assert not torch.allclose(sample(2.0, 0.3), plain, atol=1e-3)
    assert SMALL.residual(sample(2.0, 0.3)).square().mean() < 0.05


def test_a_learned_variance_stays_that_of_the_prediction() -> None:
    network = Towards()
    network.channels = 2
    learned = Diffusion(network, LinearBetas(1e-3, 0.2, steps=30), GaussianDecoder(), variance="learned")
    x_t, t = Rng(0, 2).normal(*SHAPE), torch.tensor([12, 12])
    plain, guided = (
        learned.predict(x_t, t, None),
        MMPS(DDIM(), SMALL).guide(learned, None).predict(x_t, t, None),
    )
    assert torch.equal(guided.variance_fraction, plain.variance_fraction)
    assert not torch.equal(guided.x_0, plain.x_0)


def test_the_prediction_at_pure_noise_is_unchanged() -> None:
    flow = Diffusion(Towards(), RectifiedFlow(), GaussianDecoder(), target="velocity")
    x_t, t = Rng(0, 2).normal(*SHAPE), torch.ones(2, dtype=torch.float64)
    assert torch.equal(
        MMPS(DDIM(), SMALL).guide(flow, None).predict(x_t, t, None).x_0, flow.predict(x_t, t, None).x_0
    )


def test_repaint_is_the_loop_of_inpainting() -> None:
    y = Rng(3, 4).normal(*SHAPE)
    observation = Observation(Masking(SHAPE, LEFT), y)
    x = RePaint(DDIM(10), observation, rounds=2)(objective(), SHAPE, None, Rng(0, 4))
    expected = inpaint(objective(), observation.y, LEFT.expand(SHAPE), None, Rng(0, 4), DDIM(10), rounds=2)
    assert torch.equal(x, expected) and torch.equal(x[..., :2], y[..., :2])
    assert not observation.y[..., 2:].any()  # what a mask hides is not measured
    for wrong in (SMALL, Observation(Masking(SHAPE, LEFT), y, 0.1)):
        with pytest.raises(ConfigError, match="exact pixels only"):
            RePaint(DDIM(10), wrong)


def test_what_does_not_fit_is_refused() -> None:
    operator: LinearOperator = SMALL.operator
    with pytest.raises(
        ConfigError, match=r"measures \[1, 2, 2\], got y of \[1, 1, 4, 4\]: give \[N, 1, 2, 2\]"
    ):
        Observation(operator, torch.zeros(1, *SHAPE))
    for noise in (-0.1, float("nan"), float("inf")):
        with pytest.raises(ConfigError, match="at least 0; 0 is exact"):
            Observation(operator, SMALL.y, noise)
    with pytest.raises(ConfigError, match="above 0"):
        DPS(DDIM(), SMALL, 0.0)
    with pytest.raises(ConfigError, match="at least 1"):
        MMPS(DDIM(), SMALL, 0)
    with pytest.raises(Unsupported, match="has no denoiser"):
        MMPS(DDIM(), SMALL).guide(nn.Identity(), None)
    with pytest.raises(ConfigError, match=r"takes \[1, 4, 4\]; samples are \[1, 8, 8\]"):
        MMPS(DDIM(5), SMALL)(objective(), (1, 8, 8), None, Rng(0, 1))
    with pytest.raises(Unsupported, match="can be differentiated"):  # the inner one is not
        MMPS(MMPS(DDIM(5), SMALL), SMALL)(objective(), SHAPE, None, Rng(0, 1))
    assert repr(MMPS(DDIM(5), SMALL)).count("\n") == 0 and "noise=0.05" in repr(MMPS(DDIM(5), SMALL))
