r"""Score SDE: data drift into noise by a stochastic equation in continuous time, and back by its reverse.

    dx = f x dt + g dw,     back: dx = (f x - g^2 grad log q_t(x)) dt + g dw,     without noise: dx/dt = f x - g^2 / 2 grad log q_t(x)

Paper: Score-based generative modeling through stochastic differential equations, Song, Sohl-Dickstein, Kingma, Kumar, Ermon & Poole, 2021
("paper": 1000 steps down, each with one of Langevin's beside it, under VE; the U-Net is that of ddpm). `process` is VE, VP or SubVP. Under
VE x grows to fifty times its size, so the network sees it scaled and says Karras et al.'s F.
Figure of this page: recipes/results/fashion-diffusions.json.
"""

__all__ = ["score_sde"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
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
from morphogen.systems.ddpm import NETWORKS, PLANS, numbers

STEPS: dict[Size, int] = {"tiny": 8, "small": 200, "paper": 2000}  # calls of the network for a sample
FLOW: dict[Size, int] = {"tiny": 4, "small": 20, "paper": 200}  # intervals of the flow for a likelihood


def score_sde(pixels: Pixels, classes: int = 0, size: Size = "small", process: ForwardProcess | None = None) -> Model:
    """Pictures by the reverse of an SDE, VP unless another `process` is given; log p along its flow, estimated with one probe."""
    process, vector = process if process is not None else VP(), 64 if classes else 0
    sampler = PredictorCorrector if isinstance(process, VE) else EulerMaruyama
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[numbers(pixels, size)]),
        process,
        DiscretizedGaussian(pixels.levels),
        Preconditioned(0.5) if isinstance(process, VE) else "eps",
        drawn_by=sampler(STEPS[size]),
        measured_by=ProbabilityFlow(FLOW[size]),
    )
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[numbers(pixels, size)]))
