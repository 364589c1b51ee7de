"""DDPM: pictures out of noise, one small step at a time (Ho, Jain & Abbeel 2020)."""

__all__ = ["NETWORKS", "PLANS", "ddpm", "numbers"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

_CHAINS: dict[Size, dict[str, int]] = {
    # steps of the chain; calls of the network that a row's bound may take
    "tiny": {"steps": 50, "bound_steps": 51},
    "small": {"steps": 100, "bound_steps": 40},
    "paper": {"steps": 1000, "bound_steps": 1001},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 0},
    "small": {"channels": 24, "multipliers": (1, 2), "blocks": 1, "heads": 2},
    "small, above 16 a side": {"channels": 48, "multipliers": (1, 2), "blocks": 1, "heads": 4, "patch": 2},
    "paper": {"channels": 128, "multipliers": (1, 2, 2, 2), "blocks": 2, "attention": (16,), "dropout": 0.1, "design": "ddpm"},
}
PLANS: dict[str, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3), "batch": 32, "ema": 0.99},
    "small": {"optimizer": Adam(3e-3), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.995, "clip": 1.0},
    "small, above 16 a side": {"optimizer": Adam(2e-3), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.995, "clip": 1.0},
    "paper": {"optimizer": Adam(2e-4), "batch": 128, "schedule": Constant(warmup=5000), "ema": 0.9999, "clip": 1.0},
}


def ddpm(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    r"""DDPM (Ho, Jain & Abbeel 2020), its label dropped for guidance (Ho & Salimans 2022) if there are classes.

        loss = |eps - eps_theta(alpha_t x_0 + sigma_t eps, t)|^2,   t ~ U{1 .. T}                               (eq. 14)

    The paper's first step, sigma_1 = 0.01, is 1.3 bins of 256 levels; here it is 1.3 bins of however many there are: noise below
    the bins is the hardest to predict and says nothing of the picture (digits, 30 s: 2.3 to 2.4 instead of 3.1 bits/dim on the valid
    part). A shorter chain takes larger betas, so that it ends in the same noise. On digits: recipes/results/digits-ddpm.json.
    The label is dropped for one row in five (Ho & Salimans tried 0.1, 0.2, 0.5): on digits guidance at 3 keeps more of a class so.
    """
    chain, vector = _CHAINS[size], 64 if classes else 0
    first = min(0.05, 1e-4 * (255 / (pixels.levels - 1)) ** 2)  # of very wide bins, 1.3 would drown the picture at once
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[numbers(pixels, size)]),
        LinearBetas(first, max(first, 20 / chain["steps"]), chain["steps"]),
        DiscretizedGaussian(pixels.levels),
        target="eps",
        variance="beta" if size == "paper" else "posterior",
        bound_steps=chain["bound_steps"],
    )
    conditioner = ConditionDropout(Label(classes, vector), p=0.2) if classes else None
    return Model(objective, pixels, conditioner, plan=Plan(**PLANS[numbers(pixels, size)]))


def numbers(pixels: Pixels, size: Size) -> str:
    """Which of the networks and plans, for this page and those that take its U-Net."""
    return "small, above 16 a side" if size == "small" and max(pixels.shape) > 16 else size
