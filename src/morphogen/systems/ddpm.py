"""DDPM: pictures out of noise, one small step at a time (Ho, Jain & Abbeel 2020)."""

__all__ = ["ddpm"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

_STEPS: dict[Size, int] = {"tiny": 50, "small": 200, "paper": 1000}
_NETWORKS: dict[Size, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 0},
    "small": {"channels": 32, "multipliers": (1, 2), "blocks": 1, "heads": 2},
    "paper": {"channels": 128, "multipliers": (1, 2, 2, 2), "blocks": 2, "attention": (16,), "dropout": 0.1},
}
_PLANS: dict[Size, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3), "batch": 32, "ema": 0.99},
    "small": {"optimizer": Adam(2e-3), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.995, "clip": 1.0},
    "paper": {"optimizer": Adam(2e-4), "batch": 128, "schedule": Constant(warmup=5000), "ema": 0.9999, "clip": 1.0},
}


def ddpm(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    r"""DDPM (Ho, Jain & Abbeel 2020), its label dropped for guidance (Ho & Salimans 2022) if there are classes. Bits/dim: not measured.

        loss = |eps - eps_theta(alpha_t x_0 + sigma_t eps, t)|^2,   t ~ U{1 .. T}                               (eq. 14)

    The paper's betas are for T = 1000; a shorter chain takes larger ones, so that it ends in the same noise.
    """
    steps, vector = _STEPS[size], 64 if classes else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **_NETWORKS[size]),
        LinearBetas(0.1 / steps, 20 / steps, steps),
        DiscretizedGaussian(pixels.levels),
        target="eps",
        variance="beta" if size == "paper" else "posterior",
    )
    return Model(objective, pixels, ConditionDropout(Label(classes, vector), 0.1) if classes else None, plan=Plan(**_PLANS[size]))
