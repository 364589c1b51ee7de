"""WGAN-GP: a Wasserstein GAN with gradient penalty (Gulrajani et al. 2017; Miyato & Koyama 2018)."""

__all__ = ["wgan_gp"]

from typing import Any

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.gan import Adversarial, GradientPenalty, Wasserstein
from morphogen.model import Model
from morphogen.networks.convnet import halvings
from morphogen.networks.resnet_gan import ResNetCritic, ResNetGenerator
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.dcgan import SIZES, convolutional_gan

LAMBDA = 10.0
EVERY = 4  # of short trainings: one row in so many has the penalty
LATENT, WIDTH, BLOCKS, CRITIC_STEPS = 128, 128, 2, 5  # of the paper's residual networks
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3, betas=(0.0, 0.9)), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(2e-3, betas=(0.0, 0.9)), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
    "paper": {"optimizer": Adam(1e-4, betas=(0.0, 0.9)), "batch": 64, "schedule": Constant()},
}  # fmt: skip


def wgan_gp(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""WGAN-GP (Gulrajani et al. 2017), with label projection (Miyato & Koyama 2018) if there are classes.

        critic: D(G(z)) - D(x) + lambda (||grad D(x_hat)|| - 1)^2;   generator: -D(G(z))

    One training step is one turn: at the paper's size, 6 steps are one iteration of its Algorithm 1, with the
    residual networks of its appendix F. Of these, a penalty costs more than the rest of a turn. Short
    trainings have the networks of DCGAN, as some in its section 5.2, which make ten times as many turns at
    28 x 28, a penalty of one row in four, and one critic step; classes are concatenated to the input.
    Measured, small: recipes/results/fashion-gans.json.
    """
    plan = Plan(**PLANS[size])
    if size == "paper":
        return _residual_gan(pixels, label, plan)
    penalty = GradientPenalty(LAMBDA, EVERY)
    return convolutional_gan(pixels, label, Wasserstein(), plan, **SIZES[size], norm="none", penalty=penalty)


def _residual_gan(pixels: Pixels, label: Classes | None, plan: Plan) -> Model:
    """The networks of the paper's appendix F, for any side that can be halved."""
    scales, classes = halvings(pixels.shape), len(label or ())
    widths = (WIDTH,) * (1 + scales)
    objective = Adversarial(
        ResNetGenerator(LATENT, pixels.shape, widths, classes),
        ResNetCritic(pixels.shape, widths[:-1] if scales > 1 else widths, BLOCKS, classes),
        LATENT,
        Wasserstein(),
        GradientPenalty(LAMBDA),
        CRITIC_STEPS,
    )
    return Model(objective, pixels, OneHot(classes) if label else None, plan)
