"""A conditional GAN: generator and critic know the class (Mirza & Osindero 2014)."""

__all__ = ["conditional_gan"]

from morphogen.conditioning.specs import Classes
from morphogen.families.gan import R1, NonSaturating
from morphogen.model import Model
from morphogen.plan import Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.dcgan import PLANS, SIZES, convolutional_gan

R1_WEIGHT: dict[Size, float] = {"tiny": 0.1, "small": 1.0, "paper": 10.0}


def conditional_gan(pixels: Pixels, label: Classes, size: Size = "small") -> Model:
    r"""Conditional GAN: the class c, which must be given, enters both networks (Mirza & Osindero 2014).

        critic: -log P(x, c) - log (1 - P(G(z, c), c)) + gamma / 2 |grad D(x, c)|^2
        generator: -log P(G(z, c), c)

    The paper's networks are perceptrons; these are those of DCGAN, without normalization in the critic, and
    with R1 (Mescheder, Geiger & Nowozin 2018).
    Result: not measured.
    """
    return convolutional_gan(
        pixels,
        label,
        NonSaturating(),
        Plan(**PLANS[size]),
        **SIZES[size],
        norm="none",
        penalty=R1(R1_WEIGHT[size]),
    )
