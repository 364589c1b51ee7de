"""Guidance by CLIP's gradient: samples that fit their text better, by the gradient that autograd gives."""

from typing import Any

import pytest
import torch

from evaluation.coloured import SIZE, untrained_clip
from exact_denoiser import ExactDenoiser
from morphogen.closed_form import GaussianMixture
from morphogen.component import ConfigError
from morphogen.families.diffusion import DDIM, VP, CLIPGuided, Denoised
from morphogen.inference import Matcher
from morphogen.numerics.randomness import Rng

SHAPE = (3, SIZE, SIZE)
TEXT = "a red square at the top left"


@pytest.fixture(scope="module")
def matcher() -> Matcher:
    torch.manual_seed(1)
    model = untrained_clip()
    for parameter in model.parameters():
        parameter.data.add_(0.1 * torch.randn_like(parameter))
    return Matcher(model)


class Pictures(ExactDenoiser):
    """The exact denoiser of independent pixels of variance 0.25, for pictures of any shape."""

    def __init__(self) -> None:
        truth = GaussianMixture(torch.ones(1), torch.zeros(1, 1), 0.25 * torch.eye(1)[None])
        super().__init__(VP(), truth)

    def predict(self, x_t: Any, t: Any, context: Any) -> Any:
        alpha, sigma = (level.view(-1, 1, 1, 1) for level in (self.schedule.alpha(t), self.schedule.sigma(t)))
        x_0 = 0.25 * alpha * x_t / (0.25 * alpha**2 + sigma**2)
        return Denoised(x_0, (x_t - alpha * x_0) / sigma.clamp_min(1e-12))


def test_samples_fit_their_text_better(matcher: Matcher) -> None:
    """n = 16, seed 0: the mean match rises with the scale; scale 0 is without guidance."""
    matches = []
    for scale in (0.0, 30.0, 300.0):
        x = CLIPGuided(DDIM(10), matcher, scale, TEXT)(Pictures(), SHAPE, None, Rng(0, 16))
        matches.append(float(matcher.match(x.clamp(-1, 1), [TEXT] * 16).mean()))
    plain = DDIM(10)(Pictures(), SHAPE, None, Rng(0, 16))
    assert matches[0] == pytest.approx(float(matcher.match(plain.clamp(-1, 1), [TEXT] * 16).mean()), abs=1e-5)
    assert matches[0] + 0.01 < matches[1] < matches[2]


def test_the_gradient_is_that_of_the_match(matcher: Matcher) -> None:
    """Of x_t, through the denoiser, by finite differences in float64 along a random direction."""
    objective, t = Pictures(), torch.tensor([0.4, 0.7])
    guided = CLIPGuided(DDIM(2), matcher, 1.0, TEXT).guide(objective, None)
    x_t, direction = 0.3 * Rng(3, 2).normal(*SHAPE), Rng(4, 2).normal(*SHAPE)
    plain, steered = objective.predict(x_t, t, None), guided.predict(x_t, t, None)
    sigma = objective.schedule.sigma(t).view(-1, 1, 1, 1)
    gradient = (plain.eps - steered.eps) / sigma
    step = 1e-2
    ends = [objective.predict(x_t + sign * step * direction, t, None).x_0 for sign in (1, -1)]
    up, down = (matcher.match(x_0.clamp(-1, 1), [TEXT] * 2) for x_0 in ends)
    expected = (up - down) / (2 * step)
    torch.testing.assert_close((gradient * direction).sum((1, 2, 3)), expected, atol=2e-3, rtol=2e-2)


def test_a_text_is_required(matcher: Matcher) -> None:
    with pytest.raises(ConfigError, match="CLIPGuided requires a text: give text="):
        CLIPGuided(DDIM(2), matcher)(Pictures(), SHAPE, None, Rng(0, 2))
