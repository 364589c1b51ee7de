"""LSGAN: least squares generative adversarial networks (Mao et al. 2017)."""

__all__ = ["lsgan"]

from morphogen.conditioning.specs import Classes
from morphogen.families.gan import LeastSquares
from morphogen.model import Model
from morphogen.plan import Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.dcgan import PLANS, SIZES, convolutional_gan


def lsgan(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""LSGAN (Mao, Li, Xie, Lau, Wang & Smolley 2017), with the networks of DCGAN.

        critic: (D(x) - 1)^2 / 2 + D(G(z))^2 / 2;   generator: (D(G(z)) - 1)^2 / 2

    Samples that the critic accepts, but that are far from its decision boundary, still have a gradient. The
    paper's networks of 112 x 112 pixels have two more layers per scale, and its latent 1024 dimensions.
    Measured, small: recipes/results/fashion-gans.json.
    """
    return convolutional_gan(pixels, label, LeastSquares(), Plan(**PLANS[size]), **SIZES[size])
