"""A beta-VAE of pictures: few latents, whose use is made expensive (Higgins et al. 2017)."""

__all__ = ["beta_vae"]

from typing import Any

from morphogen.conditioning.specs import Classes
from morphogen.families.vae import ELBO
from morphogen.model import Model
from morphogen.plan import Adam, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.vae import convolutional_vae

SIZES: dict[Size, dict[str, Any]] = {
    "tiny": {"latent": 4, "fine": 8, "coarse": 16, "blocks": 1},
    "small": {"latent": 10, "fine": 32, "coarse": 64, "blocks": 1},
    "paper": {"latent": 32, "fine": 32, "coarse": 64, "blocks": 2},
}
TRAINING: dict[Size, dict[str, Any]] = {
    "tiny": {"beta": 4.0, "lr": 3e-3, "batch": 32, "warmup": 0, "ema": 0.9},
    "small": {"beta": 4.0, "lr": 3e-3, "batch": 64, "warmup": 20, "ema": 0.99},
    "paper": {"beta": 4.0, "lr": 1e-4, "batch": 64, "warmup": 0, "ema": 0.999},
}


def beta_vae(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""Beta-VAE: the divergence from the prior costs beta times as much (Higgins et al. 2017).

        loss = E_q[-log P(x | z)] + beta KL(q(z | x) || N(0, I)),   beta = 4

    With beta > 1 the latents carry less about x, and each tends to carry a factor of variation of its own.
    beta is that of the paper's two-dimensional shapes; the learning rate and the 32 latents of "paper" are
    those of its photographs, and the networks those of `vae`. The likelihood is the bound with beta = 1.
    Result: not measured.
    """
    training = TRAINING[size]
    plan = Plan(
        Adam(training["lr"]),
        batch=training["batch"],
        schedule=Cosine(warmup=training["warmup"]),
        ema=training["ema"],
        clip=100.0,
    )
    return convolutional_vae(pixels, label, **SIZES[size], plan=plan, bound=ELBO(training["beta"]))
