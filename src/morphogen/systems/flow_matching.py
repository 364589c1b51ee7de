r"""Flow matching: straight paths from noise to data, and a network that predicts their mean velocity.

    x_t = (1 - t) x_0 + t eps,     loss = |eps - x_0 - u(x_t, t)|^2,     dx/dt = u

Papers: Flow matching for generative modeling, Lipman, Chen, Ben-Hamu, Nickel & Le, 2023; Flow straight and
fast: learning to generate and transfer data with rectified flow, Liu, Gong & Liu, 2023.
"paper": 100 Euler steps. The U-Net is ddpm's; the papers' are those of Dhariwal & Nichol and of Song et al.
Their time runs the other way, from noise at t = 0 to data at t = 1.
Measured: recipes/results/fashion-diffusions.json.
"""

__all__ = ["flow_matching"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import (
    Diffusion,
    DiscretizedGaussian,
    Euler,
    ProbabilityFlow,
    RectifiedFlow,
    UniformTimesteps,
)
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, size_key

SIZES: dict[Size, dict[str, Any]] = {
    # network calls per sample; intervals of the ODE for a likelihood
    "tiny": {"calls": 5, "intervals": 4},
    "small": {"calls": 50, "intervals": 20},
    "paper": {"calls": 100, "intervals": 200},
}


def flow_matching(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """Flow matching of images with straight paths; log p along the ODE is estimated with one probe."""
    key, vector = size_key(pixels, size), 64 if label else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[key]),
        RectifiedFlow(),
        DiscretizedGaussian(pixels.levels),
        "velocity",
        sampler=Euler(SIZES[size]["calls"]),
        likelihood=ProbabilityFlow(SIZES[size]["intervals"], spacing=UniformTimesteps()),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[key]))
