"""DCGAN: a convolutional generator and discriminator with batch normalization (Radford et al. 2016).

`convolutional_gan` and the plans are shared by the other adversarial models of pictures.
"""

__all__ = ["PLANS", "SIZES", "convolutional_gan", "dcgan"]

from collections.abc import Callable
from typing import Any, Literal

from torch import nn

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.gan import Adversarial, Game, NonSaturating, Penalty
from morphogen.model import Model
from morphogen.networks.dcgan import DCGANDiscriminator, DCGANGenerator
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # dimension of z; channels of the finest hidden scale
    "tiny": {"latent": 8, "width": 16},
    "small": {"latent": 64, "width": 32},
    "paper": {"latent": 100, "width": 128},
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(1e-3, betas=(0.5, 0.999)), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(5e-4, betas=(0.5, 0.999)), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
    "paper": {"optimizer": Adam(2e-4, betas=(0.5, 0.999)), "batch": 128},
}  # fmt: skip


def dcgan(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""DCGAN (Radford, Metz & Chintala 2016); classes as in Mirza & Osindero 2014.

        critic: -log P(x) - log (1 - P(G(z)));   generator: -log P(G(z));   P = sigmoid(D)

    A picture is halved until no side is above 7: of 64 x 64, the paper's size, the coarsest scale is 4 x 4.
    The learning rate of the short trainings is larger, and the generator's weights are averaged.
    Measured, small: recipes/results/fashion-gans.json.
    """
    return convolutional_gan(pixels, label, NonSaturating(), Plan(**PLANS[size]), **SIZES[size])


def convolutional_gan(
    pixels: Pixels, label: Classes | None, game: Game, plan: Plan, latent: int, width: int,
    norm: Literal["batch", "group", "none"] = "batch", penalty: Penalty | None = None, critic_steps: int = 1,
    constrained: Callable[[nn.Module], nn.Module] = lambda critic: critic,
) -> Model:  # fmt: skip
    """The networks of DCGAN in another game.

    Arguments:
        pixels, label, game, plan: of the model.
        latent, width: dimension of z; channels of the finest hidden scale of both networks.
        norm: normalization of the critic.
        penalty, critic_steps: of the objective.
        constrained: wraps the critic, such as `ClippedWeights`.
    """
    vector = len(label or ())
    critic = constrained(DCGANDiscriminator(pixels.shape, width, vector, norm))
    generator = DCGANGenerator(latent, pixels.shape, width, vector)
    objective = Adversarial(generator, critic, latent, game, penalty, critic_steps)
    return Model(objective, pixels, OneHot(len(label)) if label else None, plan)
