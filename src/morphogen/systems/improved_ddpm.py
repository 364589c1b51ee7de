r"""Improved DDPM: the chain of DDPM, its levels of noise spread better, and how unsure each step is learned with it.

    ln v = s ln beta_t + (1 - s) ln posterior_t, s the network's,     loss = |eps - eps_theta|^2 + 0.001 L_vlb,     alpha_t^2 ~ cos^2

Paper: Improved denoising diffusion probabilistic models, Nichol & Dhariwal, 2021 ("paper": their CIFAR-10 model, T = 4000, three blocks a
level; the bound's gradient reaches the variance alone, as there, and t is drawn evenly). In fewer steps than it was trained in, the learned
variance stretches with them. "small" is ddpm's U-Net. Figure of this page: recipes/results/fashion-diffusions.json.
"""

__all__ = ["improved_ddpm"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import DDPM, CosineAlphas, Diffusion, DiscretizedGaussian
from morphogen.model import Model
from morphogen.networks.twice import Twice
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Constant, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, numbers

CHAINS: dict[Size, tuple[int, int, int]] = {
    # steps; calls for a sample; calls that a bound may take
    "tiny": (50, 10, 51),
    "small": (1000, 100, 100),
    "paper": (4000, 4000, 4001),
}
PAPER: dict[str, Any] = {"channels": 128, "multipliers": (1, 2, 2, 2), "blocks": 3, "attention": (16, 8), "heads": 4, "dropout": 0.3}


def improved_ddpm(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures with a better bound, in any share of the chain's steps."""
    (steps, calls, bound_steps), vector = CHAINS[size], 64 if classes else 0
    channels, *sides = pixels.shape
    numbers_of = PAPER if size == "paper" else NETWORKS[numbers(pixels, size)]
    objective = Diffusion(
        Twice(UNet((2 * channels, *sides), vector=vector, **numbers_of)),
        CosineAlphas(steps),
        DiscretizedGaussian(pixels.levels),
        variance="learned",
        bound_steps=bound_steps,
        drawn_by=DDPM(calls),
    )
    plan = Plan(Adam(1e-4), batch=128, schedule=Constant(), ema=0.9999) if size == "paper" else Plan(**PLANS[numbers(pixels, size)])
    return Model(objective, pixels, ConditionDropout(Label(classes, vector), p=0.1) if classes else None, plan)
