"""StyleGAN2: convolutions modulated by styles, with noise in every pixel (Karras et al. 2020)."""

__all__ = ["stylegan2"]

import math
from typing import Any

from morphogen.conditioning.label import OneHot
from morphogen.conditioning.specs import Classes
from morphogen.families.gan import R1, Adversarial, NonSaturating
from morphogen.model import Model
from morphogen.networks.convnet import halvings
from morphogen.networks.stylegan2 import StyleGAN2Critic, StyleGAN2Generator
from morphogen.plan import Adam, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # dimension of z and w; layers of the mapping; channels times side, and most channels; gamma of R1, which
    # is evaluated for every n-th row
    "tiny": {"latent": 8, "depth": 1, "features": 64, "most": 8, "gamma": 0.05, "every": 2},
    "small": {"latent": 64, "depth": 2, "features": 512, "most": 64, "gamma": 2.0, "every": 16},
    "paper": {"latent": 512, "depth": 8, "features": 32_768, "most": 512, "gamma": 10.0, "every": 8},
}
PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"lr": 4e-3, "batch": 32, "ema": 0.9},
    "small": {"lr": 4e-3, "batch": 64, "ema": 0.99},
    "paper": {"lr": 2e-3, "batch": 32, "ema": 0.9978},  # a half-life of 10,000 pictures
}
BETAS = (0.0, 0.99)


def stylegan2(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""StyleGAN2 (Karras et al. 2020, configuration F), with R1 (Mescheder et al. 2018) and style mixing.

        generator: softplus(-D(G(z)));   critic: softplus(-D(x)) + softplus(D(G(z))) + gamma / 2 |grad D(x)|^2

    R1 is evaluated for every n-th row of a batch, where the paper evaluates it in every 16th step. There is
    no path length penalty. Labels enter as in Karras et al. 2020b. At 1024 x 1024 pixels, the size "paper"
    has the 30.4 and 29.0 million parameters of the authors' generator and critic.
    `TruncationSampler(psi=0.7)` trades variety for fidelity.
    Measured, small: recipes/results/fashion-gans.json.
    """
    sizes, plan, classes = SIZES[size], PLANS[size], len(label or ())
    finest = sizes["features"] / max(pixels.shape[1:])
    widths = tuple(
        min(sizes["most"], 2 ** max(1, round(math.log2(finest)) + i))
        for i in range(halvings(pixels.shape) + 1)
    )
    network = StyleGAN2Generator(sizes["latent"], pixels.shape, widths, sizes["depth"], vector=classes)
    objective = Adversarial(
        network,
        StyleGAN2Critic(pixels.shape, widths, vector=classes),
        network.latents,
        NonSaturating(),
        R1(sizes["gamma"], sizes["every"]),
    )
    optimizers: dict[str, Any] = {player: Adam(plan["lr"], BETAS) for player in ("generator", "critic")}
    return Model(
        objective,
        pixels,
        OneHot(classes) if label else None,
        Plan(optimizers, batch=plan["batch"], ema=plan["ema"]),
    )
