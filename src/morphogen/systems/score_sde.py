r"""Score SDE: diffusion as a stochastic differential equation in continuous time, sampled by its reverse.

    forward                        dx = f x dt + g dw
    reverse                        dx = (f x - g^2 grad log q_t(x)) dt + g dw
    probability-flow ODE           dx/dt = f x - g^2 / 2 grad log q_t(x)

Paper: Score-based generative modeling through stochastic differential equations, Song, Sohl-Dickstein,
Kingma, Kumar, Ermon & Poole, 2021.
"paper": 1000 predictor steps, under VE each with one Langevin corrector step; the U-Net is ddpm's. `process`
is VE, VP or SubVP. Under VE, x grows to fifty times its size, so the network's input is scaled and it
predicts F of Karras et al.
Measured: recipes/results/fashion-diffusions.json.
"""

__all__ = ["score_sde"]

from typing import Any

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.conditioning.specs import Classes
from morphogen.families.diffusion import (
    VE,
    VP,
    Diffusion,
    DiscretizedGaussian,
    EulerMaruyama,
    ForwardProcess,
    Preconditioned,
    PredictorCorrector,
    ProbabilityFlow,
)
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, size_key

SIZES: dict[Size, dict[str, Any]] = {
    # network calls per sample; intervals of the ODE for a likelihood
    "tiny": {"calls": 8, "intervals": 4},
    "small": {"calls": 200, "intervals": 20},
    "paper": {"calls": 2000, "intervals": 200},
}


def score_sde(
    pixels: Pixels, label: Classes | None = None, size: Size = "small", process: ForwardProcess | None = None
) -> Model:
    """Score SDE of images, VP unless `process` is given; log p along the ODE is estimated with one probe."""
    process, key, vector = process or VP(), size_key(pixels, size), 64 if label else 0
    sampler = PredictorCorrector if isinstance(process, VE) else EulerMaruyama
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[key]),
        process,
        DiscretizedGaussian(pixels.levels),
        Preconditioned(0.5) if isinstance(process, VE) else "eps",
        sampler=sampler(SIZES[size]["calls"]),
        likelihood=ProbabilityFlow(SIZES[size]["intervals"]),
    )
    conditioner = ConditionDropout(Label(len(label), vector), p=0.1) if label else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[key]))
