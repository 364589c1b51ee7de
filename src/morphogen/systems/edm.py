r"""EDM: diffusion with sigma as time and a preconditioned network; its inputs and targets have unit variance.

    x_0 = c_skip x + c_out F(c_in x, ln(sigma) / 4),     loss = |F - target|^2,     ln sigma ~ N(-1.2, 1.2^2)

Paper: Elucidating the design space of diffusion-based generative models, Karras, Aittala, Aila & Laine, 2022.
"paper": 18 steps of Heun's method, 35 network calls. The U-Net is ddpm's, of 35.7
million parameters; the paper's is that of Song et al., of 56 million.
Measured: recipes/results/fashion-diffusions.json.
"""

__all__ = ["edm"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import (
    EDM,
    Diffusion,
    DiscretizedGaussian,
    EDMWeight,
    Heun,
    Preconditioned,
    ProbabilityFlow,
)
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, size_key

DATA_STD = 0.5  # of images in [-1, 1]
SIZES: dict[Size, dict[str, Any]] = {
    # network calls per sample; intervals of the probability-flow ODE for a likelihood
    "tiny": {"calls": 5, "intervals": 4},
    "small": {"calls": 35, "intervals": 20},
    "paper": {"calls": 35, "intervals": 200},
}


def edm(pixels: Pixels, label: Classes | None = None, size: Size = "small") -> Model:
    """EDM of images, sampled in few steps; log p along the ODE is estimated with one probe."""
    key, vector = size_key(pixels, size), 64 if label else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[key]),
        EDM(),
        DiscretizedGaussian(pixels.levels),
        Preconditioned(DATA_STD),
        weighting=EDMWeight(DATA_STD),
        sampler=Heun(SIZES[size]["calls"]),
        likelihood=ProbabilityFlow(SIZES[size]["intervals"]),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[key]))
