r"""Flow matching: straight lines from noise to data, and a network that says their mean direction.

    x_t = (1 - t) x_0 + t eps,     loss = |eps - x_0 - u(x_t, t)|^2,     dx/dt = u

Papers: Flow matching for generative modeling, Lipman, Chen, Ben-Hamu, Nickel & Le, 2023; Flow straight and fast: learning to generate and
transfer data with rectified flow, Liu, Gong & Liu, 2023 ("paper": 100 Euler steps; the U-Net is that of ddpm, theirs are Dhariwal &
Nichol's and Song et al.'s; their clocks run the other way). Figure of this page: recipes/results/fashion-diffusions.json.
"""

__all__ = ["flow_matching"]

from morphogen.conditioning.dropout import ConditionDropout
from morphogen.conditioning.label import Label
from morphogen.families.diffusion import Diffusion, DiscretizedGaussian, Euler, Even, ProbabilityFlow, RectifiedFlow
from morphogen.model import Model
from morphogen.networks.unet import UNet
from morphogen.plan import Plan
from morphogen.representations.pixels import Dequantised, Pixels
from morphogen.systems import Size
from morphogen.systems.ddpm import NETWORKS, PLANS, numbers

CALLS: dict[Size, tuple[int, int]] = {"tiny": (5, 4), "small": (50, 20), "paper": (100, 200)}  # for a sample; intervals for a likelihood


def flow_matching(pixels: Pixels, classes: int = 0, size: Size = "small") -> Model:
    """Pictures along lines as straight as can be; log p along them, estimated with one probe."""
    (steps, intervals), vector = CALLS[size], 64 if classes else 0
    objective = Diffusion(
        UNet(pixels.shape, vector=vector, **NETWORKS[numbers(pixels, size)]),
        RectifiedFlow(),
        DiscretizedGaussian(pixels.levels),
        "velocity",
        drawn_by=Euler(steps),
        measured_by=ProbabilityFlow(intervals, spacing=Even()),
    )
    conditioner = ConditionDropout(Label(classes, vector), p=0.1) if classes else None
    return Model(objective, Dequantised(pixels), conditioner, plan=Plan(**PLANS[numbers(pixels, size)]))
