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
from morphogen.systems.dcgan import SIZES as DCGAN_SIZES
from morphogen.systems.dcgan import convolutional_gan

SIZES: dict[Size, dict[str, Any]] = {
    # width of the finest scale, and of the coarser ones; blocks of the critic below them; critic steps per
    # generator step; lambda
    "tiny": {"latent": 8, "fine": 8, "coarse": 16, "blocks": 1, "critic_steps": 2, "penalty": 1.0},
    "small": {"latent": 32, "fine": 32, "coarse": 64, "blocks": 0, "critic_steps": 1, "penalty": 1.0},
    "paper": {"latent": 128, "fine": 128, "coarse": 128, "blocks": 2, "critic_steps": 5, "penalty": 10.0},
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3, betas=(0.0, 0.9)), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(2e-3, betas=(0.0, 0.9)),
        "batch": 64,
        "schedule": Cosine(warmup=20),
        "ema": 0.99,
    },
    "paper": {"optimizer": Adam(1e-4, betas=(0.0, 0.9)), "batch": 64, "schedule": Constant()},
}
LARGE = GradientPenalty(10.0, every=4)  # of "small" above 16 pixels


def wgan_gp(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""WGAN-GP (Gulrajani et al. 2017), with label projection (Miyato & Koyama 2018) if there are classes.

        critic: D(G(z)) - D(x) + lambda (||grad D(x_hat)|| - 1)^2;   generator: -D(G(z))

    One training step is one turn: at the paper's size, 6 steps are one iteration of its Algorithm 1.
    Trainings of seconds are too short for lambda = 10 and five critic steps: the smaller sizes have
    lambda = 1 and one or two critic steps. Above 16 pixels, "small" has the networks of DCGAN, as some in the
    paper's section 5.2, and a penalty of one row in four: at 28 x 28 they make ten times as many turns as the
    residual networks, whose penalty costs more than the rest of a turn. Classes are concatenated to them.
    Measured, small: on digits, 30 s on two cores: Frechet 3.8; recipes/results/fashion-gans.json.
    """
    plan = Plan(**PLANS[size])
    if size == "small" and max(pixels.shape) > 16:
        game, sizes = Wasserstein(), DCGAN_SIZES[size]
        return convolutional_gan(pixels, label, game, plan, **sizes, norm="none", penalty=LARGE)
    sizes, scales = SIZES[size], halvings(pixels.shape)
    widths = (sizes["fine"],) + (sizes["coarse"],) * scales
    critic_widths = widths[:-1] if size == "paper" and scales > 1 else widths
    objective = Adversarial(
        ResNetGenerator(sizes["latent"], pixels.shape, widths, len(label or ())),
        ResNetCritic(pixels.shape, critic_widths, sizes["blocks"], len(label or ())),
        sizes["latent"],
        Wasserstein(),
        GradientPenalty(sizes["penalty"]),
        sizes["critic_steps"],
    )
    return Model(objective, pixels, OneHot(len(label)) if label else None, plan)
