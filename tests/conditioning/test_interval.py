"""The interval of guidance is in the time of the process, for chains, continuous time and D3PM alike."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import ConfigError
from morphogen.conditioning.guidance import Guided
from morphogen.contract import Context
from morphogen.families.autoregressive import Ancestral, Autoregressive
from morphogen.families.diffusion import (
    D3PM,
    DDIM,
    EDM,
    VP,
    AbsorbingNoise,
    D3PMSampler,
    Diffusion,
    GaussianDecoder,
    LinearBetas,
    RectifiedFlow,
)
from morphogen.networks.decoders import gpt2
from morphogen.numerics.randomness import Rng

CONTEXT = Context(vector=torch.ones(1, 1), null=Context(vector=torch.zeros(1, 1)))


class OneWithTheCondition(nn.Module):
    """Predicts x_0 = 1 with the condition and 0 without it; guidance of scale 3 makes it 3."""

    def forward(self, x_t: Tensor, time_input: Tensor, context: Context) -> Tensor:
        assert context.vector is not None
        return context.vector.expand_as(x_t)


class LogitsOfOne(OneWithTheCondition):
    def forward(self, x_t: Tensor, time_input: Tensor, context: Context) -> Tensor:
        return super().forward(x_t.float(), time_input, context)[..., None].expand(*x_t.shape, 3)


def diffusion(process: Any) -> Diffusion:
    return Diffusion(OneWithTheCondition(), process, GaussianDecoder(), target="x0")


def d3pm(steps: int) -> D3PM:
    return D3PM(LogitsOfOne(), AbsorbingNoise(3, steps))


# the model, an interval in the middle of its times, and times below it, at its ends and above it
CASES: dict[str, tuple[Any, tuple[float, float], tuple[float, ...]]] = {
    "chain": (diffusion(LinearBetas(steps=50)), (10, 40), (9, 10, 40, 41)),
    "VP": (diffusion(VP()), (0.2, 0.8), (0.19, 0.2, 0.8, 0.81)),
    "rectified flow": (diffusion(RectifiedFlow()), (0.2, 0.8), (0.19, 0.2, 0.8, 0.81)),
    "EDM": (diffusion(EDM(0.002, 80.0)), (0.3, 5.0), (0.29, 0.3, 5.0, 5.1)),
    "D3PM": (d3pm(20), (5, 15), (4, 5, 15, 16)),
}


def prediction_at(model: Any, sampler: Guided, time: float) -> float:
    x = torch.zeros(1, 2, dtype=torch.int64) if isinstance(model, D3PM) else torch.zeros(1, 2)
    dtype = torch.int64 if isinstance(model.t_max, int) else torch.float64
    outputs = sampler.guide(model, CONTEXT).predict(x, torch.tensor([time], dtype=dtype), CONTEXT)
    return float((outputs if isinstance(model, D3PM) else outputs.x_0).flatten()[0])


@pytest.mark.parametrize("name", CASES)
def test_guidance_is_on_between_the_times_of_the_interval(name: str) -> None:
    model, interval, times = CASES[name]
    sampler = Guided(DDIM(5), 3.0, interval)
    assert [round(prediction_at(model, sampler, time), 4) for time in times] == [1, 3, 3, 1]
    always = Guided(DDIM(5), 3.0, (0, model.t_max))
    assert [round(prediction_at(model, always, time), 4) for time in times] == [3, 3, 3, 3]


@pytest.mark.parametrize(
    ("name", "interval"),
    [
        ("chain", (0.3, 0.7)),  # fractions of T instead of steps
        ("chain", (51, 60)),
        ("VP", (2.0, 3.0)),
        ("EDM", (-1.5, -0.5)),  # ln(sigma) / 4 instead of sigma
        ("EDM", (5.0, 0.3)),
        ("D3PM", (0.3, 0.7)),
    ],
)
def test_an_interval_without_a_time_of_the_process_is_refused(name: str, interval: Any) -> None:
    model = CASES[name][0]
    with pytest.raises(
        ConfigError, match=rf"no time of the process: give \(low, high\) within 0 .. {model.t_max:g}"
    ):
        Guided(DDIM(5), 3.0, interval).guide(model, CONTEXT)


def test_a_prediction_without_time_has_no_interval() -> None:
    objective = Autoregressive(gpt2(5, 6, 8, 1, 2, vector=1))
    with pytest.raises(ConfigError, match="requires a model with a time input"):
        Guided(Ancestral(), 3.0, (0.0, 1.0))(objective, (6,), CONTEXT, Rng(0, 1))


def test_d3pm_samples_within_the_interval_are_guided() -> None:
    """n = 4000: the fraction of token 2 with guidance throughout, in half of the chain, and in one step."""

    class Logits(nn.Module):
        def forward(self, x_t: Tensor, time_input: Tensor, context: Context) -> Tensor:
            assert context.vector is not None
            return context.vector[:, :, None] * torch.tensor([0.0, 0.0, 1.0]).expand(*x_t.shape, 3)

    model, ones = D3PM(Logits(), AbsorbingNoise(3, 10)), torch.ones(500, 1)
    context = Context(vector=ones, null=Context(vector=0 * ones))
    fractions = []
    for interval in (None, (1, 5), (10, 10)):
        x = Guided(D3PMSampler(), 3.0, interval)(model, (8,), context, Rng(0, 500))
        fractions.append(float((x == 2).double().mean()))
    guided, plain = (float(torch.tensor([0.0, 0.0, s]).softmax(0)[2]) for s in (3.0, 1.0))
    expected = (guided, (guided + plain) / 2, plain + (guided - plain) / 10)
    for fraction, p in zip(fractions, expected, strict=True):
        assert abs(fraction - p) < 4 * (p * (1 - p) / 4000) ** 0.5
