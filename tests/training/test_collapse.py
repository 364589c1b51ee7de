"""A generator whose samples hardly vary is noticed, and ends the training if asked."""

import warnings

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Context
from morphogen.families.gan import Adversarial, NonSaturating
from morphogen.model import Model
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.training import train
from morphogen.training.collapse import Collapsed


class FlatGenerator(Component, nn.Module):
    """x = b + spread z, with a constant spread: samples vary as much as told."""

    def __init__(self, spread: float):
        super().__init__()
        self.spread = spread
        self.bias = nn.Parameter(torch.zeros(1, 4, 4))

    def forward(self, z: Tensor, context: Context | None = None) -> Tensor:
        return self.bias + self.spread * z.reshape(-1, 1, 4, 4)


class MeanCritic(Component, nn.Module):
    """D(x) = w mean(x)."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, context: Context | None = None) -> Tensor:
        return self.weight * x.flatten(1).mean(1)


def flat(spread: float) -> Model:
    objective = Adversarial(FlatGenerator(spread), MeanCritic(), 16, NonSaturating())
    return Model(objective, Pixels(256, (1, 4, 4)), plan=Plan(Adam(1e-4), batch=16))


ROWS = torch.randint(256, (64, 1, 4, 4), dtype=torch.uint8, generator=torch.Generator().manual_seed(0))


@pytest.mark.parametrize(("on_collapse", "steps"), [("continue", 300), ("stop", 200)])
def test_a_collapsed_generator_is_warned_of_and_may_end_the_training(on_collapse: str, steps: int) -> None:
    """It is judged after 100 of its turns, which is every second step."""
    with pytest.warns(Collapsed, match=r"samples vary 0\.\d% as much as the data; lower") as caught:
        trained = train(flat(0.01), ROWS, steps=300, device="cpu", on_collapse=on_collapse)
    assert trained.steps == steps and trained.finished and "collapsed" in trained.collapsed
    assert len([one for one in caught if one.category is Collapsed]) == 1


def test_a_generator_that_varies_is_not_collapsed() -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("error", Collapsed)
        trained = train(flat(0.3), ROWS, steps=300, device="cpu", on_collapse="stop")
    assert trained.steps == 300 and trained.collapsed == ""
