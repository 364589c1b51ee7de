r"""Improved DDPM: a cosine noise schedule and a learned variance of each step.

    ln v = s ln beta_t + (1 - s) ln posterior_t, s from the network,     alpha_t^2 ~ cos^2
    loss = |eps - eps_theta|^2 + 0.001 L_vlb

Paper: Improved denoising diffusion probabilistic models, Nichol & Dhariwal, 2021.
"paper": its CIFAR-10 model of 52.5 million parameters, T = 4000, three blocks per level. As there, the
gradient of the bound reaches the variance only, and t is sampled uniformly. In fewer steps than it was
trained with, the learned variance is rescaled to the longer steps. "small" is ddpm's U-Net.
Measured: recipes/results/fashion-diffusions.json.
"""

__all__ = ["improved_ddpm"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import DDPM, CosineAlphas, Diffusion, DiscretizedGaussian
from morphogen.model import Model
from morphogen.networks.doubled_channels import DoubledChannels
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Constant, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, size_key

SIZES: dict[Size, dict[str, Any]] = {
    # steps of the chain; network calls per sample, and per evaluation of the bound
    "tiny": {"steps": 50, "calls": 10, "bound_steps": 51},
    "small": {"steps": 1000, "calls": 100, "bound_steps": 100},
    "paper": {"steps": 4000, "calls": 4000, "bound_steps": 4001},
}
PAPER_NETWORK: dict[str, Any] = {
    "channels": 128,
    "multipliers": (1, 2, 2, 2),
    "blocks": 3,
    "attention": (16, 8),
    "heads": 4,
    "dropout": 0.3,
    "design": "improved_ddpm",
}
PAPER_PLAN: dict[str, Any] = {"optimizer": Adam(1e-4), "batch": 128, "schedule": Constant(), "ema": 0.9999}


def improved_ddpm(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """Improved DDPM of images, with a tighter bound; samples in any number of steps up to T."""
    key, vector = size_key(pixels, size), 64 if label else 0
    channels, *sides = pixels.shape
    unet = UNet(
        (2 * channels, *sides), vector=vector, **(PAPER_NETWORK if size == "paper" else NETWORKS[key])
    )
    objective = Diffusion(
        DoubledChannels(unet),
        CosineAlphas(SIZES[size]["steps"]),
        DiscretizedGaussian(pixels.levels),
        variance="learned",
        bound_steps=SIZES[size]["bound_steps"],
        sampler=DDPM(SIZES[size]["calls"]),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    return Model(objective, pixels, conditioner, Plan(**(PAPER_PLAN if size == "paper" else PLANS[key])))
