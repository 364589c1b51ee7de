r"""EDM: noise is the clock, and everything the network sees or says has variance one.

    x_0 = c_skip x + c_out F(c_in x, ln(sigma) / 4),     loss = |F - what it should be|^2,     ln sigma ~ N(-1.2, 1.2^2)

Paper: Elucidating the design space of diffusion-based generative models, Karras, Aittala, Aila & Laine, 2022 ("paper": 18 steps of Heun's
rule, 35 calls; the U-Net is that of ddpm, where theirs is Song et al.'s). Figure of this page: recipes/results/fashion-diffusions.json.
"""

__all__ = ["edm"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import EDM, Diffusion, DiscretizedGaussian, EDMWeight, Heun, Preconditioned, ProbabilityFlow
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, numbers

DATA_STD = 0.5  # of pictures in [-1, 1]
CALLS: dict[Size, tuple[int, int]] = {"tiny": (5, 4), "small": (35, 20), "paper": (35, 200)}  # for a sample; intervals for a likelihood


def edm(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures in few steps of a flow that bends little; log p along it, estimated with one probe."""
    (steps, intervals), vector = CALLS[size], 64 if classes else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[numbers(pixels, size)]),
        EDM(),
        DiscretizedGaussian(pixels.levels),
        Preconditioned(DATA_STD),
        weighting=EDMWeight(DATA_STD),
        drawn_by=Heun(steps),
        measured_by=ProbabilityFlow(intervals),
    )
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[numbers(pixels, size)]))
