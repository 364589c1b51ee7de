"""SNGAN: a critic with spectral normalization, and the hinge loss (Miyato et al. 2018)."""

__all__ = ["sngan"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.gan import Hinge
from morphogen.model import Model
from morphogen.networks.lipschitz import SpectrallyNormalized
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.dcgan import SIZES, convolutional_gan

STEPS: dict[Size, int] = {"tiny": 1, "small": 1, "paper": 5}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3, betas=(0.0, 0.9)), "batch": 32, "ema": 0.9},
    "small": {
        "optimizer": Adam(1e-3, betas=(0.0, 0.9)), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.99,
    },
    "paper": {"optimizer": Adam(2e-4, betas=(0.0, 0.9)), "batch": 64},
}  # fmt: skip


def sngan(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""SNGAN (Miyato, Kataoka, Koyama & Yoshida 2018), with the networks of DCGAN.

        critic: max(0, 1 - D(x)) + max(0, 1 + D(G(z)));   generator: -D(G(z));   sigma(W) = 1 in every layer

    The paper's standard networks are a DCGAN whose discriminator has more layers; the numbers of "paper" are
    those of its setting C for CIFAR-10. Classes are concatenated to the input.
    Measured, small: recipes/results/fashion-gans.json.
    """
    return convolutional_gan(
        pixels,
        label,
        Hinge(),
        Plan(**PLANS[size]),
        **SIZES[size],
        norm="none",
        critic_steps=STEPS[size],
        constrained=SpectrallyNormalized,
    )
