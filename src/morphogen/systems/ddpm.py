"""DDPM: denoising diffusion probabilistic models of images (Ho, Jain & Abbeel 2020).

`NETWORKS` and `PLANS`, the U-Net and its training, are shared by the other diffusion models.
"""

__all__ = ["NETWORKS", "PLANS", "ddpm", "size_key"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import Diffusion, DiscretizedGaussian, LinearBetas
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Adam, Constant, Cosine, Plan
from morphogen.representations.pixels import Pixels
from morphogen.systems import Size

SIZES: dict[Size, dict[str, Any]] = {
    # steps of the chain; network calls per evaluation of the bound
    "tiny": {"steps": 50, "bound_steps": 51},
    "small": {"steps": 100, "bound_steps": 40},
    "paper": {"steps": 1000, "bound_steps": 1001},
}
NETWORKS: dict[str, dict[str, Any]] = {
    "tiny": {"channels": 8, "multipliers": (1, 2), "blocks": 1, "heads": 0},
    "small": {"channels": 24, "multipliers": (1, 2), "blocks": 1, "heads": 2},
    "small, above 16 pixels": {"channels": 48, "multipliers": (1, 2), "blocks": 1, "heads": 4, "patch": 2},
    "paper": {
        "channels": 128,
        "multipliers": (1, 2, 2, 2),
        "blocks": 2,
        "attention": (16,),
        "dropout": 0.1,
        "design": "ddpm",
    },
}
PLANS: dict[str, dict[str, Any]] = {
    "tiny": {"optimizer": Adam(2e-3), "batch": 32, "ema": 0.99},
    "small": {"optimizer": Adam(3e-3), "batch": 64, "schedule": Cosine(warmup=20), "ema": 0.995, "clip": 1.0},
    "small, above 16 pixels": {
        "optimizer": Adam(2e-3),
        "batch": 64,
        "schedule": Cosine(warmup=20),
        "ema": 0.995,
        "clip": 1.0,
    },
    "paper": {
        "optimizer": Adam(2e-4),
        "batch": 128,
        "schedule": Constant(warmup=5000),
        "ema": 0.9999,
        "clip": 1.0,
    },
}


def ddpm(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    r"""DDPM (Ho, Jain & Abbeel 2020), with classifier-free guidance (Ho & Salimans 2022) if it has classes.

        loss = |eps - eps_theta(alpha_t x_0 + sigma_t eps, t)|^2,   t ~ U{1 .. T}               (eq. 14)

    The paper's first noise level, sigma_1 = 0.01, is 1.3 bins of 256 levels. Here sigma_1 is 1.3 bins of the
    data's own levels: noise below one bin is the hardest to predict and carries no information about the
    image (digits, 30 s: 2.3 to 2.4 instead of 3.1 bits/dim on the validation set). Shorter chains have larger
    betas, so that they end at the same noise level. The label is dropped for one row in five (Ho & Salimans
    tried 0.1, 0.2 and 0.5): on digits, guidance at scale 3 then keeps more of the variation within a class.
    Measured, on digits: recipes/results/digits-ddpm.json.
    """
    steps, bound_steps = SIZES[size]["steps"], SIZES[size]["bound_steps"]
    key, vector = size_key(pixels, size), 64 if label else 0
    # at most 0.05: with very wide bins, 1.3 bins of noise would destroy the image in the first step
    first_beta = min(0.05, 1e-4 * (255 / (pixels.levels - 1)) ** 2)
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[key]),
        LinearBetas(first_beta, max(first_beta, 20 / steps), steps),
        DiscretizedGaussian(pixels.levels),
        target="eps",
        variance="beta" if size == "paper" else "posterior",
        bound_steps=bound_steps,
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.2) if label else None
    return Model(objective, pixels, conditioner, plan=Plan(**PLANS[key]))


def size_key(pixels: Pixels, size: Size) -> str:
    """Key of `NETWORKS` and `PLANS` for these images: "small" differs for sides above 16 pixels."""
    return "small, above 16 pixels" if size == "small" and max(pixels.shape) > 16 else size
