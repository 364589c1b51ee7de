"""A part of one's own whose result would broadcast is refused, when it is trained and when it samples."""

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from morphogen.component import Component
from morphogen.contract import Encoded, Objective
from morphogen.families.autoregressive import Autoregressive
from morphogen.families.diffusion import D3PM, AbsorbingNoise, Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.families.flow import Coupling, Flow
from morphogen.families.gan import Adversarial, GradientPenalty, Wasserstein
from morphogen.families.vae import VAE, DiscretizedLogistic, Gaussian, Softmax
from morphogen.model import Model
from morphogen.numerics.randomness import Rng
from morphogen.objective_values import Losses, WrongShape
from morphogen.representations.pixels import Pixels
from morphogen.training import train

pytestmark = pytest.mark.usefixtures("untyped")
ROWS = 4


class Returns(Component, nn.Module):
    """A network of one's own that returns zeros of any shape [B, *shape]."""

    def __init__(self, shape: tuple[int, ...]):
        super().__init__()
        self.shape, self.one = shape, nn.Parameter(torch.zeros(()))

    def forward(self, x: Tensor, *others: Any) -> Tensor:
        seen = x.flatten(1).sum(1) if x.ndim > 1 else x
        return self.one * seen.float().view(-1, *[1] * len(self.shape)).expand(-1, *self.shape)


def diffusion(shape: tuple[int, ...], variance: Any = "beta") -> Objective:
    return Diffusion(Returns(shape), LinearBetas(0.02, 0.2, 10), DiscretizedGaussian(17), variance=variance)


def vae(encoder: tuple[int, ...], decoder: tuple[int, ...], likelihood: Any) -> Objective:
    return VAE(Returns(encoder), Returns(decoder), likelihood, latent_shape=(3,))


def gan(generator: tuple[int, ...], critic: tuple[int, ...] = ()) -> Objective:
    return Adversarial(Returns(generator), Returns(critic), 2, Wasserstein(), GradientPenalty(1.0))


PICTURE, CODES, CLASS = torch.zeros(ROWS, 1, 8, 8), torch.zeros(ROWS, 5).long(), torch.zeros(ROWS).long()
LOGISTIC = DiscretizedLogistic(17)
CASES = {  # an objective whose part returns what would broadcast, x, and what it must return
    "three channels for one": (lambda: diffusion((3, 8, 8)), PICTURE, [ROWS, 1, 8, 8]),
    "one pixel for all": (lambda: diffusion((1, 1, 1)), PICTURE, [ROWS, 1, 8, 8]),
    "no channel for a variance": (lambda: diffusion((1, 8, 8), "learned"), PICTURE, [ROWS, 2, 8, 8]),
    "logits of one position": (
        lambda: D3PM(Returns((1, 7)), AbsorbingNoise(7, 4)),
        CODES,
        [ROWS, 5, 7],
    ),
    "logits of another order": (lambda: Autoregressive(Returns((1, 5))), CODES, [ROWS, 5, 5]),
    "one latent for three": (lambda: vae((2,), (2, 8, 8), LOGISTIC), PICTURE, [ROWS, 6]),
    "a decoder of more channels": (lambda: vae((6,), (6, 8, 8), LOGISTIC), PICTURE, [ROWS, 2, 8, 8]),
    "a mean of all pixels": (lambda: vae((6,), (1, 1, 1), Gaussian(0.1)), PICTURE, [ROWS, 1, 8, 8]),
    "logits of other classes": (lambda: vae((6,), (4,), Softmax(3)), CLASS, [ROWS, 3]),
    "a generator of three channels": (lambda: gan((3, 8, 8)), PICTURE, [ROWS, 1, 8, 8]),
    "one scale for all": (
        lambda: Flow(Coupling(Returns((2, 1, 1)), "checkerboard", 0)),
        PICTURE,
        [ROWS, 2, 8, 8],
    ),
}


@pytest.mark.parametrize("what", CASES)
def test_a_result_that_would_broadcast_is_refused(what: str) -> None:
    build, x, shape = CASES[what]
    objective, rng = build(), Rng(0, ROWS)
    encoded = Encoded(x, torch.zeros(ROWS), torch.ones(ROWS))
    with pytest.raises(WrongShape, match=rf"returns \[{ROWS}.*\]: the result must have the shape ") as raised:
        objective.losses(encoded, None, rng, objective.turns[0])
    assert str(raised.value).endswith(f" {shape}") and "\n" not in str(raised.value)


def test_losses_that_are_no_values_of_rows_are_refused() -> None:
    for term in (torch.zeros(()), torch.zeros(ROWS, 1)):
        with pytest.raises(WrongShape, match=r"the loss 'nll' has the shape .*: give one value per row"):
            Losses({"nll": term})


def test_a_critic_may_have_scores_of_patches() -> None:
    """Scores [B, 1] and [B, 2, 2] with equal entries have the losses of scores [B]."""
    x = Encoded(PICTURE + 0.5, torch.zeros(ROWS), torch.ones(ROWS))
    one, column, patches = (
        gan((1, 8, 8), shape).losses(x, None, Rng(0, ROWS), "critic") for shape in ((), (1,), (2, 2))
    )
    assert one.terms["penalty"].any() and one.terms["real"].shape == (ROWS,)
    for name, term in one.terms.items():
        assert torch.allclose(column.terms[name], term) and torch.allclose(patches.terms[name], term)


def test_training_says_what_the_network_receives() -> None:
    model = Model(diffusion((3, 8, 8)), Pixels(17, (1, 8, 8)))
    with pytest.raises(
        ValueError, match=r"^Returns.forward receives \(float32 \[\d+, 1, 8, 8\], .* \[\d+, 3, 8, 8\];"
    ):
        train(model, torch.zeros(20, 8, 8, dtype=torch.uint8), steps=1, device="cpu")
    with pytest.raises(WrongShape, match=r"^Returns returns \[2, 3, 8, 8\]"):
        model.sample(2)
