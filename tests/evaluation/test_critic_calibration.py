"""Calibration of discriminators whose optimum is known."""

import pytest
import torch
from torch import Tensor, nn

from linear_vae import PlainPoints
from morphogen.component import Component
from morphogen.contract import Batch, Context, Unsupported
from morphogen.evaluation.critic_calibration import critic_calibration
from morphogen.families.gan import Adversarial, Hinge, Minimax
from morphogen.model import Model
from morphogen.numerics.randomness import Rng

N = 4000
ROWS = Batch(1 + Rng(7, N).normal(1))  # of N(1, 1)


class Normals(Component, nn.Module):
    """x = z: samples of N(0, 1)."""

    def forward(self, z: Tensor, context: Context | None = None) -> Tensor:
        return z


class LogRatio(Component, nn.Module):
    """s (log N(x; 1, 1) - log N(x; 0, 1)) = s (x - 1 / 2): optimal at s = 1 for data of N(1, 1)."""

    def __init__(self, scale: float):
        super().__init__()
        self.scale = scale

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return self.scale * (x[:, 0] - 0.5)


def model(scale: float, game: Minimax | Hinge) -> Model:
    return Model(Adversarial(Normals(), LogRatio(scale), 1, game), PlainPoints((1,)))


def test_the_optimal_discriminator_is_calibrated_and_a_sharper_one_is_not() -> None:
    """n = 8000 decisions of both kinds; bins of 800 have a standard error below 0.018 each.

    The accuracy of the optimum is Phi(1/2) = 0.6915, here within 4 standard errors (0.021).
    """
    best, sharp = (critic_calibration(model(s, Minimax()), ROWS) for s in (1.0, 4.0))
    assert best["calibration_error"] < 0.02 and abs(best["accuracy"] - 0.6915) < 0.021
    assert sharp["calibration_error"] > 0.1 and sharp["accuracy"] == best["accuracy"]


def test_scores_that_are_no_logits_are_refused() -> None:
    with pytest.raises(Unsupported, match="Hinge has no discriminator with a probability"):
        critic_calibration(model(1.0, Hinge()), ROWS)


def test_it_does_not_depend_on_the_seed_of_torch() -> None:
    torch.manual_seed(1)
    first = critic_calibration(model(1.0, Minimax()), ROWS[:100])
    torch.manual_seed(2)
    assert first == critic_calibration(model(1.0, Minimax()), ROWS[:100])
