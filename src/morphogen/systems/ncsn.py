r"""NCSN: score matching at many noise levels, sampled by annealed Langevin dynamics.

    loss = sigma^2 |s(x_t, sigma) - grad log q(x_t | x_0)|^2 = |eps - eps_theta|^2
    x = x + e s + sqrt(2 e) z, repeated at each of the descending sigmas

Papers: Generative modeling by estimating gradients of the data distribution, Song & Ermon, 2019; Improved
techniques for training score-based generative models, Song & Ermon, 2020 (the largest sigma is about the
largest distance between two images; a last step without noise).
"paper": 10 levels of 100 steps each. The network is ddpm's U-Net, which takes sigma as its time and predicts
F of Karras et al. (2022); the papers' is a RefineNet.
Measured: recipes/results/fashion-diffusions.json.
"""

__all__ = ["ncsn"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import (
    VE,
    AnnealedLangevin,
    Diffusion,
    DiscretizedGaussian,
    Preconditioned,
    ProbabilityFlow,
)
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, size_key

SIZES: dict[Size, dict[str, Any]] = {
    # network calls per sample, in all and per noise level; intervals of the ODE for a likelihood
    "tiny": {"calls": 8, "calls_per_level": 2, "intervals": 4},
    "small": {"calls": 300, "calls_per_level": 5, "intervals": 20},
    "paper": {"calls": 1000, "calls_per_level": 100, "intervals": 200},
}


def ncsn(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """NCSN of images with annealed Langevin sampling; log p along the ODE is estimated with one probe."""
    sizes, key, vector = SIZES[size], size_key(pixels, size), 64 if label else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[key]),
        VE(0.02, 2 * max(pixels.shape[1:]) ** 0.5 * pixels.shape[0] ** 0.5),
        DiscretizedGaussian(pixels.levels),
        Preconditioned(0.5),
        sampler=AnnealedLangevin(sizes["calls"], sizes["calls_per_level"]),
        likelihood=ProbabilityFlow(sizes["intervals"]),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[key]))
