"""A conditional GAN: generator and critic know the class (Mirza & Osindero 2014)."""

__all__ = ["conditional_gan"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.gan import R1, NonSaturating
from morphogen.model import Model
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.dcgan import PLANS as DCGAN_PLANS
from morphogen.systems.dcgan import SIZES, convolutional_gan

# gamma, and rows per penalized row
PENALTIES: dict[Size, tuple[float, int]] = {"tiny": (0.1, 1), "small": (0.1, 4), "paper": (10.0, 1)}
PLANS: dict[Size, dict[str, Any]] = DCGAN_PLANS | {
    "small": {
        "optimizer": Adam(2e-3, betas=(0.0, 0.9)), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
}  # fmt: skip


def conditional_gan(pixels: Pixels, label: Classes, size: Size = "small") -> Model:
    r"""Conditional GAN: the class c, which must be given, enters both networks (Mirza & Osindero 2014).

        critic: -log P(x, c) - log (1 - P(G(z, c), c)) + gamma / 2 |grad D(x, c)|^2
        generator: -log P(G(z, c), c)

    The paper's networks are perceptrons; these are those of DCGAN, without normalization in the critic, and
    with R1 (Mescheder, Geiger & Nowozin 2018).
    Measured, small: recipes/results/mnist-5k-conditional-gan.json.
    """
    return convolutional_gan(
        pixels,
        label,
        NonSaturating(),
        Plan(**PLANS[size]),
        **SIZES[size],
        norm="none",
        penalty=R1(*PENALTIES[size]),
    )
