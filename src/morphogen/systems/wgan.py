"""WGAN: a Wasserstein GAN whose critic has clipped weights (Arjovsky, Chintala & Bottou 2017)."""

__all__ = ["wgan"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.gan import Wasserstein
from morphogen.model import Model
from morphogen.networks.lipschitz import ClippedWeights
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.dcgan import SIZES, convolutional_gan

STEPS: dict[Size, int] = {"tiny": 1, "small": 2, "paper": 5}
# the paper has RMSProp: Adam without momentum differs by its bias correction
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(1e-3, betas=(0.0, 0.99)), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(5e-4, betas=(0.0, 0.99)), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
    "paper": {"optimizer": Adam(5e-5, betas=(0.0, 0.99)), "batch": 64},
}  # fmt: skip


def wgan(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""WGAN (Arjovsky, Chintala & Bottou 2017), with the networks of DCGAN.

        critic: D(G(z)) - D(x),  |w| <= 0.01;   generator: -D(G(z))

    Clipping bounds the slope of the critic by an unknown constant, and draws its weights to the bounds; a
    gradient penalty (`wgan_gp`) replaced it.
    Result: not measured.
    """
    return convolutional_gan(
        pixels,
        label,
        Wasserstein(),
        Plan(**PLANS[size]),
        **SIZES[size],
        critic_steps=STEPS[size],
        constrained=ClippedWeights,
    )
